"""What an update begins with: the run that is sound and may be updated, and the given parts that may be added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kenpin.cluster.features import refuse_table
from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.doctor import Examination, examine_dataset
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.data.targets import of_labels
from kenpin.errors import DatasetError, OptionError, RunError
from kenpin.models import get_family
from kenpin.models.contract import Task
from kenpin.models.inference import check_readable
from kenpin.models.package import is_package
from kenpin.models.updatable import Updatable
from kenpin.nearest import did_you_mean
from kenpin.plural import counted, was_were
from kenpin.predictor import Predictor, load_predictor
from kenpin.quality.threshold import judge
from kenpin.records import Severity, Verdict
from kenpin.run.lineage import read_lineage
from kenpin.run.moments import RunMoments, read_moments
from kenpin.run.record import RunRecord
from kenpin.run.seal import check_seal
from kenpin.targets import Target
from kenpin.training.parts import Parts, divide, outside

_SHOWN = 5  # ids in a sentence
_OF_PICTURES = ("image-", "copies", "near-copies")
"""What the doctor finds on pictures; its other findings are on whole data sets, and these are only a part of one."""


@dataclass(frozen=True)
class Before:
    """The run that is updated."""

    run: Path
    predictor: Predictor
    inspector: Updatable
    record: RunRecord
    options: TrainOptions
    known: RunMoments
    lineage: Lineage

    @property
    def task(self) -> Task:
        """The classes, and which of them are good."""
        return Task(self.record.labels, self.record.ok_labels)


@dataclass(frozen=True)
class Further:
    """The parts that are given: each picture once, and none that the run knows already."""

    parts: Parts
    good: Dataset
    """Good ones to learn from."""
    notes: tuple[str, ...]


def opened(run: Path, device: str | None) -> Before:
    """The run with the moments of its parts, all sound. Raises RunError, OptionError."""
    if is_package(run):
        raise RunError(
            f"{run}: is a package, which nothing is added to; update the run it was made from, and export it."
        )
    predictor = load_predictor(run, device=device)
    record, inspector = predictor.record, predictor.inspector
    assert record is not None
    if not isinstance(inspector, Updatable):
        raise OptionError(
            f"{run}: good parts are added to a run of family mahalanobis alone; this is family {record.family}, train "
            "it again on all pictures."
        )
    if predictor.views is not None:
        raise OptionError(f"{run}: judges parts by {predictor.views}; train it again on all pictures, with --by.")
    if (why_not := inspector.cannot_update) is not None:
        raise OptionError(f"{run}: {why_not}")
    check_seal(run, record.files)
    known, lineage = read_moments(run), read_lineage(run)
    if known is None:
        raise RunError(
            f"{run}: keeps no moments of its good parts, so that others cannot be added; train it again on all "
            "pictures together, with --updatable always for later updates."
        )
    if not lineage.complete:
        raise RunError(f"{run}: an earlier kenpin trained it and did not record what it learned from; train it again.")
    options = get_family(record.family).Options.from_mapping(record.options, f"{run}: options")
    return Before(run, predictor, inspector, record, options, known, lineage)


def refuse_where_cluster_idles(before: Before, dataset: Dataset) -> None:
    """Raises OptionError where the family's own options say that a cluster computes no features of such a run."""
    refuse_table(dataset)
    family = get_family(before.record.family)
    family.Options.from_mapping(before.record.options | {"cluster": "local"}, f"{before.run}: options")


def further_parts(
    before: Before,
    dataset: Dataset,
    ok_labels: Sequence[str] | None,
    examine: Callable[[Dataset], Examination] = examine_dataset,
) -> Further:
    """The given parts that may be used. Raises DatasetError where no good one is left, OptionError."""
    record, known = before.record, before.known.contents
    check_readable(before.inspector, dataset)
    dataset, sentence = _with_good_named(dataset, record.ok_labels, ok_labels)
    parts = divide(dataset, Target.LABEL, record.family)
    notes = [*sentence, *parts.notes]
    contents, first = parts.training.contents(), set[str]()
    kept, copies, repeated = [], 0, 0
    for row, content in enumerate(contents):
        copies += content in known
        repeated += content in first
        if content not in known and content not in first:
            kept.append(row)
        first.update({content} - {"", *known})
    if copies:
        notes.append(f"{counted(copies, 'picture')} {was_were(copies)} left out: {before.run} knows {_them(copies)}.")
    if repeated:
        notes.append(f"{counted(repeated, 'picture')} {was_were(repeated)} left out: copies of others of them.")
    training = parts.training.select(kept)
    good = of_labels(training, record.ok_labels)
    if not len(good):
        raise DatasetError(
            f"{dataset.root or 'the data set'}: no good part is in it that {before.run} does not know already"
            f"{f' ({copies} that it knows)' if copies else ''}, so nothing can be added; give others, or name their "
            "class with --ok-labels."
        )
    of_network = read_lineage(before.run, of_network=True)
    if before.inspector.limit_of_law() is not None and any(of_network.seen(good)):
        raise OptionError(
            f"{before.run}: its limit is that of a law, which parts that its network has learned from do not follow, "
            f"and {sum(of_network.seen(good))} of these are such; give others."
        )
    notes += _doctors_word(good, examine)
    parts = outside(
        replace(parts, training=training, notes=()),
        before.lineage,
        f"{before.run} has learned from them or was chosen by them",
    )
    parts = outside(parts, NOTHING_SEEN.having_learned(good), "they are training pictures too, byte for byte")
    if parts.validation is None and parts.test is None and not before.lineage.untouched(training):
        raise DatasetError(
            f"{dataset.root or 'the data set'}: {before.run}, or a run below it, has seen all of these parts, so none "
            "can show what the update does; add some that it has not seen."
        )
    return Further(parts, good, (*notes, *parts.notes))


def _with_good_named(
    dataset: Dataset, good: Sequence[str], ok_labels: Sequence[str] | None
) -> tuple[Dataset, tuple[str, ...]]:
    """The data set whose good parts bear the run's own label for such. Raises OptionError."""
    labels, ours = dataset.column("label"), good[0]
    if all(label is None for label in labels):
        taken = dataset.with_labels([ours] * len(labels), tuple(good))
        return taken, (f"No {_row(dataset)} has a label, so all {len(labels)} are taken as good parts.",)
    for name in ok_labels or ():
        if name not in dataset.classes:
            raise OptionError(
                f"option `ok_labels`: no picture is of class {name!r}; {did_you_mean(name, dataset.classes)}"
            )
    names = set(ok_labels or ()) or set(() if set(good) & set(labels) else guess_ok_labels(dataset.classes))
    renamed = [ours if label in names and label not in good else label for label in labels]
    other = sorted(names - set(good))
    sentence = (f"Good parts are those of class {', '.join(other)} too: {ours} to this run.",) if other else ()
    classes = tuple(dict.fromkeys(ours if name in other else name for name in dataset.classes))
    return dataset.with_labels(renamed, classes), sentence


def _row(dataset: Dataset) -> str:
    return "row" if dataset.item_names else "picture"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _doctors_word(good: Dataset, examine: Callable[[Dataset], Examination]) -> list[str]:
    """What the doctor finds on the pictures to be learned from. Raises DatasetError for an error."""
    if good.item_names:
        return []
    notes = []
    for finding in examine(good).findings:
        if finding.severity is Severity.ERROR:
            raise DatasetError(f"{finding}.")
        if finding.severity is Severity.WARNING and finding.code.startswith(_OF_PICTURES):
            notes.append(f"The doctor warns: {finding}.")
    return notes


@dataclass(frozen=True)
class FirstLook:
    """The good parts as the run judges them before it knows them."""

    distances: Mapping[str, float]
    """By id."""
    notes: tuple[str, ...]


def first_look(before: Before, good: Dataset) -> FirstLook:
    """How far the run finds them, and that it fails some as it is: each of those makes its space wider."""
    predictions, threshold = [*before.predictor.predict(good)], before.predictor.threshold
    distances = {one.id: one.distance for one in predictions if one.distance is not None}
    if threshold is None:
        return FirstLook(distances, ())
    failed = [one.id for one in predictions if judge(one, threshold).verdict is not Verdict.PASS]
    if not failed:
        return FirstLook(distances, (f"{before.run} passes all of them as it is.",))
    more = f" and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    note = (
        f"{before.run} as it is does not pass {len(failed)} of them; look whether they are good, since each makes the "
        f"space wider: {', '.join(failed[:_SHOWN])}{more}."
    )
    return FirstLook(distances, (note,))
