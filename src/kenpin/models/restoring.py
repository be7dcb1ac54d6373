"""A finished run as an inspector: restored from its folder, checked against its seal; and as a base of another run."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from kenpin.config import ViewOptions
from kenpin.errors import OptionError, RunError
from kenpin.files import partial_folder
from kenpin.models import get_family
from kenpin.models.bases import BaseRecord, check_base
from kenpin.models.calibrated import read_calibration
from kenpin.models.checkpoints import find_checkpoint, load_learned, read_begun, take_learned
from kenpin.models.contract import Calibrated, Inspector, LearnsVectors, Task, Trainable
from kenpin.models.framed import with_kept_view
from kenpin.models.networks.pretrained import check_finite
from kenpin.run.layout import MODEL, RECORD
from kenpin.run.record import RunRecord, is_run, read_record, record_hash
from kenpin.run.seal import check_checkpoint, check_seal

_restoring: ContextVar[tuple[Path, ...]] = ContextVar("_restoring", default=())
"""The runs that are being restored, each as the base of the one before."""
SEAL = "seal "
"""Prefix of the hash of a run's record, where a base is a run."""


def restore_run(run: Path, engine: str = "auto") -> tuple[Inspector, RunRecord]:
    """The inspector of a finished run, on the CPU, and the run's record. engine: that computes its frozen networks,
    whatever the training took. Raises RunError, OptionError."""
    real = run.resolve()
    above = _restoring.get()
    if real in above:
        raise RunError(f"{run}: stands on itself, by way of its own base; restore it from a copy or train again.")
    token = _restoring.set((*above, real))
    try:
        return _restored(run, engine)
    finally:
        _restoring.reset(token)


def _restored(run: Path, engine: str) -> tuple[Inspector, RunRecord]:
    record = read_record(run)
    check_seal(run, record.files, deciding_alone=True)
    family = get_family(record.family)
    base = BaseRecord(record.base_id, record.base_commit, record.base_probe)
    options = family.Options.from_mapping(record.options, f"{run / RECORD}: options")
    options = options.model_copy(update={"engine": engine})
    stands_on_run = base.commit is not None and base.commit.startswith(SEAL)
    if stands_on_run:  # wherever the training was started
        options = options.model_copy(update={"base": base.id})
    if isinstance(options, ViewOptions):
        options = with_kept_view(options, run / MODEL)
    try:
        inspector = family.restore(run / MODEL, base, options, Task(record.labels, record.ok_labels))
    except (OptionError, RunError) as error:
        if stands_on_run and not is_run(Path(base.id)):
            raise RunError(f"{base.id}: no such run, and {run} is built on its network; restore it.") from error
        raise
    weights = {name: values for name, values in inspector.module.state_dict().items() if isinstance(values, Tensor)}
    check_finite(weights, run / MODEL)
    if isinstance(inspector, Calibrated):
        inspector.calibration = read_calibration(run / MODEL)
    return inspector, record


def restore_checkpoint(run: Path, wanted: str, engine: str = "auto") -> tuple[Inspector, RunRecord]:
    """A run, finished or interrupted, as it was at a checkpoint (a step, `last`, `best` or a folder): uncalibrated,
    without references, and its record without a threshold. Raises RunError, OptionError."""
    folder, record = checkpoint_of(run, wanted), record_at(run)
    if not is_run(run):
        return _begun_anew(run, folder, record), record
    check_checkpoint(run, record.files, folder)
    inspector, _ = restore_run(run, engine)
    take_learned(inspector.module, folder)
    if isinstance(inspector, Calibrated):
        inspector.calibration = None  # it was made for the weights that ship
    if isinstance(inspector, LearnsVectors):
        inspector.forget_references()
    return inspector, record


def checkpoint_of(run: Path, wanted: str) -> Path:
    """The folder of a run's checkpoint: a step, `last`, `best` or a folder. Raises RunError."""
    return find_checkpoint(run if is_run(run) else _partial(run), wanted)


def record_at(run: Path) -> RunRecord:
    """The record of a run at a checkpoint; of an interrupted run, made from its first settings. Raises RunError."""
    if is_run(run):
        return read_record(run).model_copy(update={"threshold": None})
    begun = read_begun(_partial(run), run)
    return RunRecord(
        family=begun.family,
        base_id=begun.base.id,
        base_commit=begun.base.commit,
        base_probe=begun.base.probe,
        options=dict(begun.options),
        labels=begun.task.labels,
        ok_labels=begun.task.ok_labels,
        image_size_wh=begun.image_size_wh,
        dataset={},
        threshold=None,
        scores={},
        notes=("The training was interrupted.",),
        versions={},
        device="",
        precision="",
        created="",
        seconds=0.0,
        files={},
    )


def _partial(run: Path) -> Path:
    """The folder of an interrupted run, by its own name or by that of the finished run. Raises RunError."""
    is_partial = run.name.startswith(".") and run.name.endswith(".partial")
    partial = run if is_partial else partial_folder(run)
    if not partial.is_dir():
        raise RunError(f"{run}: no such run, finished or interrupted; give the folder of one.")
    return partial


def _begun_anew(run: Path, checkpoint: Path, record: RunRecord) -> Inspector:
    """An interrupted run made from its base, with a checkpoint's weights."""
    family = get_family(record.family)
    options = family.Options.from_mapping(record.options, f"{_partial(run)}: options")
    inspector = family.create(options, read_begun(_partial(run), run).task)
    is_half = record.options.get("frozen_dtype", "float32") != "float32"
    base = BaseRecord(record.base_id, record.base_commit, record.base_probe)
    check_base(base, inspector.base, is_half=is_half)
    load_learned(inspector.module, checkpoint)
    inspector.module.eval()
    return inspector


@dataclass(frozen=True)
class RunBelow:
    """A finished run that another training continues from."""

    inspector: Trainable
    id: str
    """Its folder."""
    commit: str
    """Its seal."""


def run_below(base: str, family: str, *, tuning: str) -> RunBelow:
    """The run that `base` names, for a run of this family and tuning to continue from its network.

    Raises RunError, and OptionError where that run has no network that the family could continue from.
    """
    run = Path(base).absolute()
    inspector, record = restore_run(run)
    if record.family != family:
        raise OptionError(
            f"base {base}: is a run of family {record.family}, and {family} continues only from runs of its own "
            f"family; write its network with `kenpin export {base} FOLDER --to merged`, and name that folder."
        )
    if tuning == "qlora":
        raise OptionError(
            f"option `tuning`: qlora reads a base in 4 bits from its files; write them with `kenpin export {base} "
            "FOLDER --to merged`, and name that folder as the base."
        )
    before = record.options.get("tuning")
    if before == "qlora":
        raise OptionError(
            f"base {base}: its own base is held in 4 bits, and merging would round what it learned to these; continue "
            "from a run with tuning lora."
        )
    if not isinstance(inspector, Trainable):
        raise OptionError(
            f"base {base}: with tuning {before} that run trained no network; name its base {record.base_id} instead."
        )
    return RunBelow(inspector, str(run), name_of_seal(record))


def check_picture_size(base: str, picture_px: int | None) -> None:
    """Refuse another size of pictures than those that the network of a run below has learned from. Raises
    OptionError."""
    if picture_px is not None:
        raise OptionError(
            f"option `picture_px` does nothing with base {base}, a run, which sees pictures of its own size; leave it "
            "out."
        )


def name_of_seal(record: RunRecord) -> str:
    """The commit of a base that is a run: it identifies the training."""
    return f"{SEAL}{record_hash(record)}"
