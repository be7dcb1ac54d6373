"""The figures of a forecast: memory by component, times, and what makes a run fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kenpin.training.capacity import size
from kenpin.training.precision import Precision


@dataclass(frozen=True)
class Memory:
    """Bytes on the device at the moment of a run when most are held."""

    weights: int
    gradients: int
    optimiser: int
    activations: int
    """With all working memory of the operations."""
    logits: int
    """Tensors with an entry for each word of the vocabulary."""
    data: int
    runtime: int
    """Of a run on the CPU the process without the network; on a GPU what its allocator holds beyond the tensors."""
    not_yet: int = 0
    """Gradients that are not there at that moment."""
    gathered: int = 0
    """Weights and gradients of other processes' shards that are there for the moment."""

    @property
    def total(self) -> int:
        """All of it together."""
        needed = self.weights + self.gradients + self.optimiser + self.activations + self.logits
        return needed + self.data + self.runtime + self.gathered - self.not_yet


@dataclass(frozen=True)
class Times:
    """Seconds, from a step that was timed."""

    features: float
    """Of the features of all pictures, where what looks at them is frozen; once, and none where they are kept."""
    step: float
    epoch: float
    """Of its steps, without evaluations."""
    evaluation: float
    saving: float
    """Of one checkpoint: its bytes at the pace of the disk."""
    scoring: float
    """Before the first step, and of all validation and test pictures at the end."""
    closing: float
    """Of what the run keeps: its weights written and hashed once more, and the maps of its report."""
    steps: int
    evaluations: int
    exchange: float = 0.0
    """Of a step between several processes, by an assumed pace."""

    @property
    def checkpoints(self) -> int:
        """At most: each evaluation may find a new best one."""
        return self.evaluations

    @property
    def total(self) -> float:
        """The whole run, where nothing ends it earlier."""
        learning = (
            self.steps * (self.step + self.exchange)
            + self.evaluations * self.evaluation
            + self.checkpoints * self.saving
        )
        return self.features + learning + self.scoring + self.closing


@dataclass(frozen=True)
class Remedy:
    """Options under which the run is forecast to fit, and what it then holds."""

    options: Mapping[str, Any]
    total_bytes: int

    def __str__(self) -> str:
        """As they are typed."""
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in self.options.items())


@dataclass(frozen=True)
class Forecast:
    """Memory and time of a run, forecast before it starts."""

    device: str
    precision: Precision
    parameters: int
    trainable: int
    memory: Memory
    room_bytes: int
    at_least: bool
    """Whether the measuring was broken off because nothing was left: then more is needed than `memory` says."""
    times: Times | None
    """None where the run does not fit, and of a table, whose numbers nothing is timed on."""
    remedy: Remedy | None = None
    processes: int = 1
    """Each of which holds `memory` on its own device, or all of them in main memory."""

    @property
    def fits(self) -> bool:
        """Whether there is room for it."""
        return not self.at_least and self.memory.total <= self.room_bytes

    @property
    def refusal(self) -> str | None:
        """Why the run is refused, in one sentence with the remedy; None where it fits."""
        if self.fits:
            return None
        more = "more than " if self.at_least else ""
        found = (
            "take fewer rows, or fewer columns."
            if not self.parameters
            else "none of --batch-size, --tuning, --precision and --frozen-dtype makes it fit; take a smaller --base."
            if self.remedy is None
            else f"with {self.remedy} it needs {size(self.remedy.total_bytes)}."
        )
        return (
            f"this run needs {more}{size(self.memory.total)} and {size(self.room_bytes)} can be had on {self.device}; "
            f"{found}"
        )
