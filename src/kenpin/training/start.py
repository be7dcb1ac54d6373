"""What a run and a forecast begin with: options checked, pictures divided, a task, and an inspector on its base."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from kenpin.cases.learning import answers_of, training_set
from kenpin.cases.library import CaseLibrary
from kenpin.config import CaseOptions, GradientOptions, TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.data.loading import as_dataset, how_to_read, load_dataset
from kenpin.data.mistaken import is_a_run, run_in_place_of_data
from kenpin.data.part_names import PICTURE, views_of, with_parts
from kenpin.data.taking import DataSource
from kenpin.data.targets import classes_of_each, refuse_table
from kenpin.errors import DatasetError, LabelError, OptionError
from kenpin.models import get_family
from kenpin.models.contract import Announces, Calibrated, Family, Fitted, Foresees, Inspector, Task
from kenpin.models.framed import framing_of
from kenpin.models.good_parts import OfGoodParts
from kenpin.models.inference import check_readable
from kenpin.models.settling import Settles
from kenpin.models.tiles import for_learning
from kenpin.plural import counted, is_are
from kenpin.run.record import check_run_free
from kenpin.runtime import chosen_engine
from kenpin.targets import Target
from kenpin.training.below import lineage_below, runs_below
from kenpin.training.by_part import refuse_by_part
from kenpin.training.capacity import refuse_unloadable
from kenpin.training.engine import check_intervals_and_tracker
from kenpin.training.folding import Check, Folding, plan_folds
from kenpin.training.known_defects import apart_from_known, known_defects, learns_defects, near_ones_together
from kenpin.training.made_copies import refuse_made_defects
from kenpin.training.parts import (
    Parts,
    check_good_parts,
    check_two_classes,
    check_what_is_left,
    defective,
    divide,
    hold_out_validation,
    outside,
    refuse_seen_alone,
    take_for_good,
    task_of,
)
from kenpin.training.retrieval import Retrieval, search_before
from kenpin.training.view_below import with_view_of_base
from kenpin.views import PartViews


@dataclass(frozen=True)
class Start:
    """All that is there before anything is learned."""

    name: str
    """Of the family."""
    family: Family[Any]
    options: TrainOptions
    dataset: Dataset
    parts: Parts
    task: Task
    inspector: Inspector
    notes: tuple[str, ...]
    """For the user."""
    needed: tuple[str | Path, ...]
    """What the run must not be written over."""
    retrieval: Retrieval | None
    """The search for wanted cases before the training, where it learns from known cases."""
    lineage: Lineage
    """What the runs and networks below have learned from and were chosen by."""
    judging: Lineage
    """The part of it that may neither choose, calibrate nor measure."""
    folding: Folding | None
    """The folds of the training pictures that decide, where there are no validation pictures to."""
    given: Dataset | None = None
    """The data set that was given in place of what the options name."""
    views: PartViews | None = None
    """The views by which parts are judged; None where each picture is judged by itself."""
    is_engine_named: bool = True
    """Whether the caller named the engine; else `auto` chose it, and torch may take its place."""

    def without_copies(self) -> Start:
        """The same, its validation and test pictures without those that are training pictures too, byte for byte, and
        its test pictures without those of the validation.

        Raises DatasetError where no validation picture is left.
        """
        parts, learned = self.parts, NOTHING_SEEN.having_learned(self.parts.training)
        found = outside(replace(parts, notes=()), learned, "they are training pictures too, byte for byte")
        if found.test is not None and found.validation is not None:
            chosen_by = NOTHING_SEEN.chosen_by(found.validation)
            test = outside(
                replace(found, validation=None), chosen_by, "they are validation pictures too, byte for byte"
            )
            found = replace(found, test=test.test, notes=test.notes)
        if parts.validation is not None and found.validation is None:
            raise DatasetError(
                f"{self.dataset.root}: every validation picture is a training picture too, byte for byte; remove them "
                "from one of the two, or leave the split out."
            )
        return replace(self, parts=replace(found, notes=parts.notes), notes=(*self.notes, *found.notes))


def as_learned(start: Start) -> tuple[Dataset, Dataset | None]:
    """Training and validation pictures as they are learned from: as they are, framed, or in tiles, and of a fit with
    their copies. Raises DatasetError, ImageError."""
    how: dict[str, Any] = {
        "target": start.family.target,
        "ok_labels": start.task.ok_labels,
        "good_alone": start.family.good_alone,
        "seed": start.options.seed,
    }
    validation = start.parts.validation
    return (
        for_learning(start.inspector, start.parts.training, **how).pictures,
        None if validation is None else for_learning(start.inspector, validation, copied=False, **how).pictures,
    )


def begin(
    family: str,
    options: TrainOptions | None,
    dataset: DataSource | None,
    values: Mapping[str, Any],
    room: int | None = None,
    *,
    without: frozenset[str] = frozenset(),
) -> Start:
    """Everything that can be refused before learning is refused here. Options come as a model, or by name in `values`,
    where `config` may name a YAML file with further ones.

    dataset: instead of the one that `options.data` names; room: bytes of main memory, instead of what there is;
    without: content hashes of pictures to leave out, for a link of a chain, which decides nothing. Raises KenpinError.
    """
    chosen = get_family(family)
    if dataset is None and not isinstance(values.get("data"), str | os.PathLike | None):
        dataset, values = values["data"], {name: value for name, value in values.items() if name != "data"}
    dataset = None if dataset is None else as_dataset(dataset)
    if options is None:
        given = {name: value for name, value in values.items() if name != "config"}
        options = chosen.Options.over_file(_with_path(given, dataset), values.get("config"))
    elif values:
        raise OptionError(f"train: give options or their values, not both ({', '.join(values)}).")
    chosen_engine(options.engine)
    base_notes: tuple[str, ...] = ()
    if not without:  # a link of a chain looks as it did
        options, base_notes = with_view_of_base(options)
    if isinstance(chosen, Settles):
        options = chosen.settled(options)
    if isinstance(chosen, OfGoodParts):
        chosen.layer_sets(options)  # refuses options that leave nothing to choose among
    # a base may be a folder too: a run that another stands on must not be replaced by that other
    read: tuple[str | Path, ...] = (
        Path(options.data).expanduser(),
        *runs_below(options).values(),
        "" if dataset is None else dataset.root,
    )
    needed: tuple[str | Path, ...] = (Path.cwd(), *read)
    if dataset is None and is_a_run(Path(options.data).expanduser()):  # before `out`, which may be the data
        raise DatasetError(run_in_place_of_data(Path(options.data)))
    check_run_free(options.out, options.overwrite, needed)
    if isinstance(options, GradientOptions):
        check_intervals_and_tracker(options)
    in_place, library, case_notes = dataset, _library_of(options), tuple[str, ...]()
    if library is not None:
        if dataset is not None:
            raise OptionError("option `from_cases` is in place of a data set; give one of them.")
        learned = answers_of if chosen.target is Target.TEXT else training_set
        dataset, case_notes = learned(library, test_share=options.validation_share, seed=options.seed)
    if dataset is None:
        dataset = load_dataset(options.data, **how_to_read(options))
    if without:
        dataset = Lineage(without).unseen_of(dataset)
    is_engine_named = options.engine != "auto"
    engine = chosen_engine(options.engine, len(dataset))  # `auto` may be another tomorrow
    options = options.model_copy(update={"engine": engine})
    below = lineage_below(options)
    is_by_part = options.by != PICTURE
    if is_by_part:
        refuse_by_part(family, chosen, options, dataset)
    grouped = with_parts(dataset, options.by) if is_by_part else dataset
    taken = take_for_good(grouped, options.ok_labels) if chosen.good_alone else None
    if isinstance(chosen, Foresees) and not chosen.reads_tables:
        refuse_table(dataset)
    parts = divide(grouped if taken is None else taken.dataset, chosen.target, family, options.leave_out)
    views = PartViews.of(options.by, views_of(parts.training, options.by)) if is_by_part and not without else None
    view_notes: tuple[str, ...] = ()
    if views is not None:
        count = len({part for part, _ in views_of(parts.training, options.by)})
        told = f"{counted(len(parts.training), 'training picture')} {is_are(len(parts.training))}"
        view_notes = (
            f"A part is judged by {views}: the worst of them decides.",
            f"{told} of {counted(count, 'part')}.",
        )
    task, task_notes = (
        task_of(parts.training, chosen.target, options.ok_labels) if taken is None else (taken.task, (taken.note,))
    )
    if chosen.good_alone:
        check_good_parts(parts.training, task, chosen if isinstance(chosen, OfGoodParts) else None, options)
    elif chosen.target is Target.LABEL:
        check_two_classes(parts.training, task, family)
    task = replace(task, items=dataset.item_names)
    if isinstance(chosen, Announces):
        refuse_unloadable(chosen.announced(options), room)
    # a family that does not foresee what it needs is asked by its inspector; a run below says first whether it fits
    inspector = None if isinstance(chosen, Foresees) and not below else chosen.create(options, task)
    in_one_pass = chosen.in_one_pass(options) if isinstance(chosen, Foresees) else isinstance(inspector, Fitted)
    judging = below if options.decide_by == "unseen" else below.learning
    if without:
        judging = NOTHING_SEEN  # a link of a chain judges nothing
    _check_folds(options, below, in_one_pass)
    if options.folds == "last":
        refuse_seen_alone(parts, below, judging, task, chosen.target, dataset.root, fitted=in_one_pass)
    whole_parts, check = parts, checking(chosen, options, task, below)
    check(parts.training)
    parts = outside(parts, judging, f"{below.having()} seen them")
    if not without:
        tested = outside(replace(parts, validation=None), below, f"{below.having()} seen them")
        parts = replace(parts, test=tested.test, notes=tested.notes)
    if learns_defects(chosen, options) and not without:
        parts = apart_from_known(parts, task, chosen)
    if parts.validation is None and not in_one_pass:
        before, parts = parts.training, hold_out_validation(parts, options.validation_share, options.seed, judging)
        check_what_is_left(before, parts, check)
    folding = None
    if in_one_pass and not without and (parts.validation is None or options.folds == "whole"):
        folding = folding_of(chosen, options, task, parts.training, judging, check)
    if isinstance(chosen, OfGoodParts) and not without:
        judged = parts.training.select(folding.rows) if folding is not None else parts.validation or parts.training
        refuse_made_defects(chosen.made_defects(options), judged, defective(judged, task, chosen.target))
    if inspector is None:
        inspector = chosen.create(options, task)
    check_readable(inspector, dataset)
    _check_regions(inspector, whole_parts)
    if options.calibrate != "none" and not isinstance(inspector, Calibrated):
        raise OptionError(f"option `calibrate`: family {family} gives no scores to calibrate; leave it out.")
    _check_labels(inspector, whole_parts, chosen.target)
    if options.ok_labels and chosen.target is Target.LABEL and set(inspector.labels) == set(task.ok_labels):
        raise OptionError("option `ok_labels` names every class, so that no part is defective; leave the defects out.")
    retrieval = None
    if library is not None and chosen.target is Target.LABEL:
        found = search_before(library, parts)
        retrieval = None if isinstance(found, str) else found
        case_notes += (found,) if isinstance(found, str) else ()
    return Start(
        name=family,
        family=chosen,
        options=options,
        dataset=dataset,
        parts=parts,
        task=task,
        inspector=inspector,
        notes=(*base_notes, *case_notes, *parts.notes, *view_notes, *task_notes),
        needed=needed,
        retrieval=retrieval,
        lineage=below,
        judging=judging,
        folding=folding,
        given=in_place,
        views=views,
        is_engine_named=is_engine_named,
    )


def checking(family: Family[Any], options: TrainOptions, task: Task, below: Lineage) -> Check:
    """The family's own check of training pictures; none where it has none."""

    def check(training: Dataset) -> None:
        if isinstance(family, Foresees):
            family.check(training, options, task, below)

    return check


def folding_of(
    family: Family[Any], options: TrainOptions, task: Task, training: Dataset, judging: Lineage, check: Check
) -> Folding:
    """The folds that decide in place of validation pictures. Raises DatasetError."""
    rows = list(range(len(training))) if options.folds == "whole" else judging.untouched(training)
    learned = [label for label in task.labels if label in task.ok_labels or not family.good_alone]
    found = plan_folds(training, rows, learned, check, seed=options.seed)
    if not learns_defects(family, options):
        return found
    return near_ones_together(found, training, known_defects(training, task, family), check)


def _with_path(values: Mapping[str, Any], dataset: Dataset | None) -> Mapping[str, Any]:
    """The values, `data` among them as text: of a data set in memory no path, but a dash."""
    if "data" in values:
        return {**values, "data": os.fspath(values["data"])}
    return values if dataset is None or "from_cases" in values else {**values, "data": dataset.root or "-"}


def _library_of(options: TrainOptions) -> CaseLibrary | None:
    """The library of cases that is learned from, if one is. Raises CaseLibraryError."""
    if isinstance(options, CaseOptions) and options.from_cases is not None:
        return CaseLibrary.open(options.from_cases)
    return None


def _check_folds(options: TrainOptions, below: Lineage, in_one_pass: bool) -> None:
    """Refuse folds of a whole chain where there is none, or where they would be trainings by gradients. Raises
    OptionError."""
    if options.folds == "last":
        return
    if not in_one_pass:
        raise OptionError(
            "option `folds` whole: folds are for inspectors that are fitted in one pass; train the runs below again "
            "with --leave-out, so that there are pictures which they have not seen."
        )
    if not below:
        raise OptionError("option `folds` whole does nothing without a run below; leave it out.")


def _check_regions(inspector: Inspector, parts: Parts) -> None:
    """Refuse pictures without a region of interest where each has its own. Raises OptionError."""
    framing = framing_of(inspector)
    if framing is not None and framing.by_picture is not None:
        for pictures in (parts.training, parts.validation, parts.test):
            if pictures is not None:
                framing.by_picture.check(pictures)


def _check_labels(inspector: Inspector, parts: Parts, target: Target) -> None:
    """Refuse before the training what the evaluation would refuse after it. Raises LabelError."""
    for name, pictures in (("validation", parts.validation), ("test", parts.test)):
        counts = Counter[str]() if pictures is None else Counter(chain(*classes_of_each(pictures, target)))
        unknown = sorted(set(counts) - set(inspector.labels)) if inspector.labels else []
        if unknown:
            held = " and ".join(f"{counted(counts[label], 'picture')} of class {label}" for label in unknown)
            raise LabelError(
                f"split {name} holds {held}, of which there is no training picture; add some, or leave these pictures "
                "out."
            )
