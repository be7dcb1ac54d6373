"""Where the curves of a training are sent besides metrics.jsonl: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from kenpin.errors import MissingExtraError
from kenpin.installing import installing

TrackerName = Literal["none", "tensorboard", "wandb", "mlflow"]
_PROJECT = "kenpin"


def check_tracker(name: TrackerName) -> None:
    """Raises MissingExtraError where it is not installed."""
    if name != "none" and find_spec(name) is None:
        raise MissingExtraError(f"tracker {name} is not installed: {installing(name)}")


class Tracker:
    """Sends rows of metrics to one tracker, or to none."""

    def __init__(self, name: TrackerName, folder: Path, options: Mapping[str, Any]) -> None:
        """folder: where a tracker writes on this machine; options: of the run, stored beside its curves."""
        self._tracker: Any = None
        if name == "none":
            return
        from accelerate import PartialState, tracking

        PartialState()  # the trackers ask it whether this process is the one that sends
        if name == "tensorboard":
            self._tracker = tracking.TensorBoardTracker("", folder)
        elif name == "wandb":
            self._tracker = tracking.WandBTracker(os.environ.get("WANDB_PROJECT", _PROJECT))
        else:
            self._tracker = tracking.MLflowTracker(_PROJECT)
        self._tracker.start()
        if name != "tensorboard":  # which would list each run a second time, as one of a search for options
            self._tracker.store_init_configuration(dict(options))

    def log(self, row: Mapping[str, float]) -> None:
        """Send a row of metrics.jsonl; validation and training stand apart."""
        if self._tracker is not None:
            values = {
                f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}": value
                for name, value in row.items()
                if name != "step"
            }
            self._tracker.log(values, step=int(row["step"]))

    def finish(self) -> None:
        """Send what still waits."""
        if self._tracker is not None:
            self._tracker.finish()
