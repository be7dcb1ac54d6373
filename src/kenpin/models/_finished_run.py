"""A finished run as an inspector: restored from its folder, checked against its seal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from kenpin.errors import OptionError
from kenpin.models import get_family
from kenpin.models._calibrated import read_calibration
from kenpin.models._family import BaseRecord, Calibrated, Inspector, Task
from kenpin.run_folder import MODEL, RunRecord, check_seal, read_record


def restore_run(run: Path) -> tuple[Inspector, RunRecord]:
    """The inspector of a finished run, on the CPU, and the run's record. Raises RunError, OptionError."""
    record = read_record(run)
    check_seal(run, record.files, deciding_alone=True)
    family = get_family(record.family)
    base = BaseRecord(record.base_id, record.base_commit, record.base_probe)
    options = family.Options.from_mapping(record.options, f"{run / 'run.json'}: options")
    inspector = family.restore(run / MODEL, base, options, Task(record.labels, record.ok_labels))
    if isinstance(inspector, Calibrated):
        inspector.calibration = read_calibration(run / MODEL)
    return inspector, record


def vectors_of(outputs: Mapping[str, Tensor]) -> Tensor:
    """The pictures' vectors (n, d) among what `infer` gave: learned ones, else a frozen base's features.

    Raises OptionError where there are none.
    """
    vectors = outputs.get("embedding", outputs.get("features"))
    if vectors is None or vectors.ndim != 2:
        raise OptionError(
            "this run's model makes no vectors of pictures; take a run of family embedder or mahalanobis, or a "
            "classifier with tuning head."
        )
    return vectors
