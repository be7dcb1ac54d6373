"""What a run and a forecast begin with: options checked, pictures divided, a task, and an inspector on its base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kenpin.cases.learning import answers_of, training_set
from kenpin.cases.library import CaseLibrary
from kenpin.config import CaseOptions, GradientOptions, TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.data.targets import classes_of_each
from kenpin.errors import LabelError, OptionError
from kenpin.models import get_family
from kenpin.models._family import Calibrated, Family, Fitted, Inspector, Task
from kenpin.models._inference import check_readable
from kenpin.run_folder import check_run_free, is_run
from kenpin.training.capacity import refuse_unloadable
from kenpin.training.engine import check_intervals_and_tracker
from kenpin.training.parts import (
    Parts,
    check_good_parts,
    check_two_classes,
    divide,
    hold_out_validation,
    take_for_good,
    task_of,
)
from kenpin.training.retrieval import Retrieval, search_before


@dataclass(frozen=True)
class Start:
    """All that is there before anything is learned."""

    family: Family
    options: TrainOptions
    dataset: Dataset
    parts: Parts
    task: Task
    inspector: Inspector
    notes: tuple[str, ...]
    """Sentences worth telling."""
    needed: tuple[str | Path, ...]
    """What the run must not be written over."""
    retrieval: Retrieval | None
    """The search for wanted cases before the training, where it learns from known cases."""


def begin(
    family: str,
    options: TrainOptions | None,
    dataset: Dataset | None,
    values: Mapping[str, Any],
    room: int | None = None,
) -> Start:
    """Everything that can be refused before learning is refused here. Options come as a model, or by name in `values`.

    dataset: instead of the one that `options.data` names; room: bytes of main memory, instead of what there is. Raises
    KenpinError.
    """
    chosen = get_family(family)
    if options is None:
        options = chosen.Options.from_mapping(values)
    elif values:
        raise OptionError(f"train: give options or their values, not both ({', '.join(values)}).")
    wanted: Any = options
    # a base may be a folder too: a run that another stands on must not be replaced by that other
    read = (
        Path(options.data).expanduser(),
        wanted.base if is_run(Path(wanted.base)) else "",
        getattr(wanted, "embedding_from", None) or "",
        "" if dataset is None else dataset.root,
    )
    needed = (Path.cwd(), *read)
    check_run_free(options.out, options.overwrite, needed)
    if isinstance(wanted, GradientOptions):
        check_intervals_and_tracker(wanted)
    library, case_notes = _library_of(wanted), tuple[str, ...]()
    if library is not None:
        if dataset is not None:
            raise OptionError("option `from_cases` is in place of a data set; give one of them.")
        learned = answers_of if chosen.target == "text" else training_set
        dataset, case_notes = learned(library, test_share=options.validation_share, seed=options.seed)
    if dataset is None:
        dataset = load_dataset(options.data, format=options.data_format)
    taken = take_for_good(dataset, options.ok_labels) if chosen.good_alone else None
    parts = divide(dataset if taken is None else taken.dataset, chosen.target, family)
    task, task_notes = (
        task_of(parts.training, chosen.target, options.ok_labels) if taken is None else (taken.task, (taken.note,))
    )
    if chosen.good_alone:
        check_good_parts(parts.training, task)
    elif chosen.target == "label":
        check_two_classes(parts.training, task, family)
    task = replace(task, items=dataset.item_names)
    refuse_unloadable(options, room)
    inspector = chosen.create(options, task)
    check_readable(inspector, dataset)
    if options.calibrate != "none" and not isinstance(inspector, Calibrated):
        raise OptionError(f"option `calibrate`: family {family} gives no scores to calibrate; leave it out.")
    _check_labels(inspector, parts, chosen.target)
    if options.ok_labels and chosen.target == "label" and set(inspector.labels) == set(task.ok_labels):
        raise OptionError("option `ok_labels` names every class, so that no part is defective; leave the defects out.")
    if parts.validation is None and not isinstance(inspector, Fitted):
        parts = hold_out_validation(parts, options.validation_share, options.seed)
    retrieval = None
    if library is not None and chosen.target == "label":
        retrieval = search_before(library, parts)
        if retrieval is None:
            case_notes += (
                "No wanted case could be held out, so what the training gains for a search is not measured.",
            )
    return Start(
        family=chosen,
        options=options,
        dataset=dataset,
        parts=parts,
        task=task,
        inspector=inspector,
        notes=(*case_notes, *parts.notes, *task_notes),
        needed=needed,
        retrieval=retrieval,
    )


def _library_of(options: Any) -> CaseLibrary | None:
    """The library of cases that is learned from, if one is. Raises CaseLibraryError."""
    if isinstance(options, CaseOptions) and options.from_cases is not None:
        return CaseLibrary.open(options.from_cases)
    return None


def _check_labels(inspector: Inspector, parts: Parts, target: str) -> None:
    """Refuse before the training what the evaluation would refuse after it. Raises LabelError."""
    for name, pictures in (("validation", parts.validation), ("test", parts.test)):
        unknown = set() if pictures is None else set().union(*classes_of_each(pictures, target)) - set(inspector.labels)
        if unknown and inspector.labels:
            raise LabelError(
                f"split {name} holds class {', '.join(sorted(unknown))}, of which there is no training picture; add "
                "some, or leave these pictures out."
            )
