"""Simulates a training on many machines that fail: what share of the time is learned, by how often it is saved.

Usage: python benchmarks/schedule.py [--nodes 125] [--days 5] …; prints a table. Nothing is measured but this model: a
step takes as long as the slowest machine; machines fail at a constant rate, each at its own moments; a failure ends the
step of all, the work since the last checkpoint is lost, and after a restart, in which machines fail too, all go on.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from sys import path

path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.tables import table


@dataclass(frozen=True)
class Plan:
    """A training on machines that fail. Times in seconds."""

    nodes: int
    node_mtbf_s: float
    """Mean time between failures of one machine."""
    steps: int
    step_s: float
    """Of a step in which no machine is slow."""
    steps_between_checkpoints: int
    checkpoint_s: float
    """While which nothing is learned."""
    restart_s: float
    """From a failure to the next step: noticing it, another machine, reading the checkpoint."""
    slow_share: float = 0.0
    """Of its steps, in which one machine is slow."""
    slow_factor: float = 1.0
    """How many times as long such a step takes."""

    @property
    def mtbf_s(self) -> float:
        """Mean time between failures of any machine."""
        return self.node_mtbf_s / self.nodes

    @property
    def mean_step_s(self) -> float:
        """Of a step that waits for its slowest machine."""
        is_any_slow = 1 - (1 - self.slow_share) ** self.nodes
        return self.step_s * (1 + is_any_slow * (self.slow_factor - 1))


@dataclass(frozen=True)
class Spent:
    """Where the time of a training went. Seconds."""

    learning: float
    """Steps that were kept, as if no machine were slow."""
    waiting: float
    """Of these steps, for slow machines."""
    saving: float
    lost: float
    """Work that failures undid, checkpoints by half among it."""
    restarting: float
    failures: int

    @property
    def total_s(self) -> float:
        """The whole."""
        return self.learning + self.waiting + self.saving + self.lost + self.restarting

    @property
    def goodput(self) -> float:
        """Share of the time that was learned in."""
        return self.learning / self.total_s


def simulate(plan: Plan, rng: np.random.Generator) -> Spent:
    """One training from its first step to its last."""
    done = failures = 0
    waiting = saving = lost = restarting = 0.0
    is_any_slow = 1 - (1 - plan.slow_share) ** plan.nodes
    while done < plan.steps:
        steps = min(plan.steps_between_checkpoints, plan.steps - done)
        waited = rng.binomial(steps, is_any_slow) * plan.step_s * (plan.slow_factor - 1)
        wanted = steps * plan.step_s + waited + plan.checkpoint_s
        until = rng.exponential(plan.mtbf_s)  # machines that fail at a constant rate do not age
        if until >= wanted:
            done += steps
            waiting, saving = waiting + waited, saving + plan.checkpoint_s
            continue
        failures += 1
        lost += until
        while (until := rng.exponential(plan.mtbf_s)) < plan.restart_s:
            failures += 1
            restarting += until
        restarting += plan.restart_s
    return Spent(plan.steps * plan.step_s, waiting, saving, lost, restarting, failures)


def expected_total_s(plan: Plan) -> float:
    """Mean duration of a training.

    # Daly 2006, A higher order estimate of the optimum checkpoint interval for restart dumps, eq. 20
    """
    every = plan.steps_between_checkpoints * plan.mean_step_s
    work = plan.steps * plan.mean_step_s
    m = plan.mtbf_s
    return m * math.exp(plan.restart_s / m) * math.expm1((every + plan.checkpoint_s) / m) * work / every


def young_s(checkpoint_s: float, mtbf_s: float) -> float:
    """Work between checkpoints with which least time is lost, to first order.

    # Young 1974, A first order approximation to the optimum checkpoint interval
    """
    return math.sqrt(2 * checkpoint_s * mtbf_s)


def daly_s(checkpoint_s: float, mtbf_s: float) -> float:
    """Work between checkpoints with which least time is lost.

    # Daly 2006, eq. 37
    """
    if checkpoint_s >= 2 * mtbf_s:
        return mtbf_s
    ratio = checkpoint_s / (2 * mtbf_s)
    return young_s(checkpoint_s, mtbf_s) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - checkpoint_s


def sweep(plan: Plan, factors: tuple[float, ...], runs: int, seed: int) -> str:
    """A table: goodput by multiples of Daly's interval."""
    best = daly_s(plan.checkpoint_s, plan.mtbf_s)
    rows = []
    for factor in factors:
        steps = max(1, round(factor * best / plan.mean_step_s))
        here = replace(plan, steps_between_checkpoints=steps)
        rng = np.random.default_rng(seed)
        spent = [simulate(here, rng) for _ in range(runs)]
        total = sum(of.total_s for of in spent)
        shares = [sum(getattr(of, name) for of in spent) / total for name in _SHARES]
        expected = here.steps * here.step_s / expected_total_s(here)
        rows.append(
            (
                f"{factor:g}",
                f"{steps * here.mean_step_s / 60:,.1f} min",
                f"{shares[0]:.2%}",
                f"{expected:.2%}",
                *(f"{share:.2%}" for share in shares[1:]),
                f"{np.mean([of.failures for of in spent]):.0f}",
            )
        )
    return table(_HEAD, rows)


_SHARES = tuple(field.name for field in fields(Spent) if field.name != "failures")
_HEAD = ("of Daly's", "interval", "learned", "by Daly's formula", "slow machines", "saving", "lost", "restarting",
         "failures")  # fmt: skip


def main() -> None:
    """Print the table of a plan."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default, what in (
        ("nodes", 125, "machines, of eight GPUs each"),
        # Llama Team 2024, The Llama 3 Herd of Models, section 3.3.4: 2,048 such machines were interrupted 419 times
        # in 54 days, unexpectedly
        ("mtbf-days", 264.0, "mean days between failures of one machine"),
        ("days", 5.0, "days of work without any loss"),
        ("step", 1.4, "seconds a step"),
        ("checkpoint", 60.0, "seconds a checkpoint, with the evaluation before it"),
        ("restart", 600.0, "seconds from a failure to the next step"),
        ("slow-share", 0.0002, "share of its steps in which a machine is slow"),
        ("slow-factor", 1.5, "how many times as long such a step takes"),
        ("runs", 20, "simulated trainings a row"),
        ("seed", 0, "of the simulation"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{what} [{default}]")
    given = parser.parse_args()
    day = 86_400.0
    plan = Plan(
        nodes=given.nodes,
        node_mtbf_s=given.mtbf_days * day,
        steps=round(given.days * day / given.step),
        step_s=given.step,
        steps_between_checkpoints=1,
        checkpoint_s=given.checkpoint,
        restart_s=given.restart,
        slow_share=given.slow_share,
        slow_factor=given.slow_factor,
    )
    young, daly = (of(plan.checkpoint_s, plan.mtbf_s) / 60 for of in (young_s, daly_s))
    print(f"{plan.nodes} machines fail every {plan.mtbf_s / 3600:.1f} h; Young {young:.1f} min, Daly {daly:.1f} min.\n")
    print(sweep(plan, (0.1, 0.25, 0.5, 1, 2, 4, 10), given.runs, given.seed))


if __name__ == "__main__":
    main()
