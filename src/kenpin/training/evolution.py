"""The page of the predictions that are drawn during a training, written anew at each evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kenpin.report.evolution import write_evolution
from kenpin.run.layout import EVOLUTION_PAGE
from kenpin.training.listener import Say


@dataclass
class EvolutionPage:
    """The page of the snapshots so far, in the folder that the run is written into: it goes where that goes, so that
    nothing is left over, and an interrupted run keeps it."""

    folder: Path
    name: str
    """Of the run, on the page."""
    say: Say
    _is_told: bool = False

    def write(self) -> None:
        """Write it anew, whole or not at all; the first time, tell where it lies."""
        page = write_evolution(self.folder, self.folder / EVOLUTION_PAGE, name=self.name, overwrite=True)
        if not self._is_told:
            self.say(f"Predictions during training are drawn in {page}; each evaluation adds to it.")
            self._is_told = True
