"""Evaluation: what an inspector says of labelled pictures, measured against what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Protocol, runtime_checkable

from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.lineage import NOTHING_SEEN, Lineage, held_out
from kenpin.data.loading import as_dataset
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.data.taking import DataSource
from kenpin.data.targets import annotated, classes_of_each
from kenpin.errors import DatasetError, ImageError, LabelError, OptionError, RunError
from kenpin.evaluation._box_matching import BACKGROUND, OTHER, Truth, match_boxes
from kenpin.evaluation._boxes import box_curves, box_notes
from kenpin.evaluation._masks import mask_measures
from kenpin.evaluation._pictures import picture_curves, picture_notes
from kenpin.evaluation._texts import compared, text_notes
from kenpin.evaluation._vectors import vector_notes
from kenpin.evaluation.kinds import Better, MeasureKind, Unit
from kenpin.evaluation.measures import MEASURES, measure_all
from kenpin.evaluation.parts import join_parts, whole_parts
from kenpin.evaluation.sample import NOT_OK, OK, VECTOR_SAMPLE, Sample, score_of, vectors_of
from kenpin.metrics import confusion
from kenpin.nearest import did_you_mean, nearest_name
from kenpin.plural import counted, was_were
from kenpin.quality.threshold import judge
from kenpin.records import Evaluation, Example, JudgedExample, Prediction, Threshold
from kenpin.targets import Target
from kenpin.views import PartViews

__all__ = [
    "BACKGROUND",
    "MEASURES",
    "NOT_OK",
    "OK",
    "OTHER",
    "VECTOR_SAMPLE",
    "Better",
    "MeasureKind",
    "Predicts",
    "Unit",
    "evaluate",
    "summarise",
    "vectors_of",
    "with_mask_measures",
]


@runtime_checkable
class JudgesParts(Protocol):
    """An inspector that may judge parts by several pictures."""

    @property
    def views(self) -> PartViews | None:
        """The views of a part; None where each picture is judged by itself."""
        ...


class Predicts(Protocol):
    """An inspector: the labels it can name, in order (none for one that only scores), and what it says of pictures."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def target(self) -> Target:
        """What it predicts, and is measured on: the pictures' `label`, their `boxes`, or `text`, their answers."""
        ...

    @property
    def lineage(self) -> Lineage | None:
        """What it, and all that it stands on, has learned from; None where that is not known."""
        ...

    def predict(self, dataset: Dataset, /) -> Iterator[Prediction]:
        """One prediction for each example, in their order."""
        ...


def evaluate(
    predictor: Predicts,
    dataset: DataSource,
    *,
    ok_labels: Sequence[str],
    threshold: Threshold | None,
    split: str | None,
    seed: int = 0,
    with_seen: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Let the inspector judge the annotated examples of a split (None: of all) that it has not seen, and measure the
    outcome.

    Annotated with what it predicts: a label, an answer, or boxes, of which there may be none. Other examples are left
    out and counted in the notes. So are those that it, or anything that it stands on, has learned from or was chosen
    by, unless `with_seen` takes them: then the first note says that the figures promise nothing. Where examples have
    masks and the inspector reads its score off a map, the map is measured too. An inspector that judges parts by
    several pictures is measured on parts of which it has seen no picture. `progress` is called with how many are judged
    and how many there are.

    Raises DatasetError when nothing is left, LabelError for labels that the inspector does not know, OptionError when
    no OK label occurs anywhere and another one may be meant, MissingExtraError for boxes without the extra that scores
    them.
    """
    target, dataset = predictor.target, as_dataset(dataset)
    chosen = dataset if split is None else dataset.required_split(split)
    known = annotated(chosen, target)
    if not len(known):
        raise DatasetError(_nothing_to_measure(dataset, target, split))
    notes: list[str] = []
    occurring = set().union(*classes_of_each(known, target))
    unknown = sorted(occurring - set(predictor.labels)) if predictor.labels else []
    if unknown:
        raise LabelError(
            f"{dataset.root or 'the data set'}: the labels {unknown} are unknown to the inspector, which knows "
            f"{list(predictor.labels)}. Rename them, leave their pictures out, or train again."
        )
    if ok_labels and not set(ok_labels) & (occurring | set(predictor.labels)):
        notes.append(_no_good_part(dataset, sorted(occurring | set(predictor.labels)), ok_labels, target))
    if left_out := len(chosen) - len(known):
        notes.append(f"{counted(left_out, 'picture')} without {target.one} {was_were(left_out)} left out.")
    views = predictor.views if isinstance(predictor, JudgesParts) else None
    all_known = known
    known, of_seen = held_out(known, predictor.lineage, with_seen=with_seen)
    if views is not None and not len(known := whole_parts(known, all_known, views.by)):
        raise DatasetError(f"{dataset.root or 'the data set'}: the inspector has seen a picture of each of its parts.")
    notes = [*of_seen, *notes]
    seen = (NOTHING_SEEN if predictor.lineage is None else predictor.lineage).seen(known)
    predictions = _counted(predictor.predict(known), len(known), progress)
    joined = None if views is None else join_parts(known, predictions, views, ok_labels)
    if joined is not None:
        seen = joined.any_of(seen, known)
        notes += joined.notes
    evaluation = summarise(
        known if joined is None else joined.examples,
        predictions if joined is None else joined.predictions,
        labels=predictor.labels,
        ok_labels=ok_labels,
        threshold=threshold,
        split=split or "all",
        target=target,
        seed=seed,
        notes=notes,
    )
    if any(seen):
        judged = (replace(part, seen=was) for part, was in zip(evaluation.judged, seen, strict=True))
        evaluation = replace(evaluation, judged=tuple(judged))
    evaluation = evaluation if joined is None else joined.shown_in(evaluation)
    return with_mask_measures(evaluation, predictor, known, seed)


def _nothing_to_measure(dataset: Dataset, target: Target, split: str | None) -> str:
    where = f"{dataset.root or 'the data set'}: no {target.picture} is in {'it' if split is None else f'split {split}'}"
    if len(annotated(dataset, target)):
        return f"{where}; choose another of its splits, {' or '.join(dataset.splits)}, or all of them."
    how = ", by folders that are named like the classes" if target is Target.LABEL else ""
    how = ", in a column `label`" if dataset.item_names else how
    return (
        f"{where}, and nothing can be measured; add {target.several}{how}, or use `kenpin predict`, which needs none."
    )


def _no_good_part(dataset: Dataset, labels: Sequence[str], ok_labels: Sequence[str], target: Target) -> str:
    """The note that all parts are defective. Raises OptionError where one of the labels may mean a good part."""
    likely = [*filter(None, (nearest_name(ok, labels) for ok in ok_labels)), *guess_ok_labels(labels)]
    if likely or target.locates:
        meant = f"did you mean `{likely[0]}`? Give both one name." if likely else did_you_mean(ok_labels[0], labels)
        raise OptionError(f"{dataset.root or 'the data set'}: none of the OK labels {list(ok_labels)} occurs; {meant}")
    return f"No picture has the label of a good part ({', '.join(ok_labels)}), so all are taken for defective."


def _counted(
    predictions: Iterable[Prediction], total: int, progress: Callable[[int, int], None]
) -> Iterator[Prediction]:
    for done, prediction in enumerate(predictions, start=1):
        progress(done, total)
        yield prediction


def with_mask_measures(evaluation: Evaluation, predictor: object, examples: Dataset, seed: int = 0) -> Evaluation:
    """The evaluation of these examples with pixel AUROC and AUPRO, where they have masks and the inspector maps.

    Raises DatasetError, ImageError.
    """
    notes = list(evaluation.notes)
    measures = mask_measures(predictor, examples, evaluation.ok_labels, seed, notes)
    return replace(evaluation, measures={**evaluation.measures, **measures}, notes=tuple(notes))


def summarise(
    examples: Iterable[Example],
    predictions: Iterable[Prediction],
    *,
    labels: Sequence[str],
    ok_labels: Sequence[str],
    threshold: Threshold | None,
    split: str,
    target: Target = Target.LABEL,
    seed: int = 0,
    notes: Sequence[str] = (),
    thresholds: Sequence[Threshold] | None = None,
) -> Evaluation:
    """Everything measured on annotated examples and their predictions, in the same order.

    `target`: what is predicted. An inspector that names labels is scored on the names; one
    that only scores, on OK against not OK at the threshold's `fail_from`. One that gives boxes is scored on these, and
    its pictures on OK against not OK: a picture is defective where a true box bears a label that is not OK. AUROC and
    average precision always come from the defect score. Answers in words are compared with the true ones, and nothing
    else is measured on them. `thresholds`, where the verdicts are not by `threshold`: one for each example. What cannot
    be computed is None, and a note says why; `notes` come before these. Raises RunError when predictions and examples
    do not match.
    """
    each = repeat(threshold) if thresholds is None else iter(thresholds)
    judged, truths = _judged(examples, predictions, frozenset(ok_labels), each, target)
    boxes = match_boxes(judged, truths, labels) if target.locates else None
    sample = Sample(
        judged=judged if boxes is None else boxes.judged,
        labels=tuple(labels),
        ok_labels=tuple(ok_labels),
        threshold=threshold,
        target=target,
        seed=seed,
        boxes=boxes,
    )
    if not target.judges:
        told = (*notes, *text_notes(sample))
        return Evaluation(split, (), (), measure_all(sample), {}, (), {}, None, judged, told, target)
    if boxes is None:
        names, table, curves = sample.classes, sample.confusion, picture_curves(sample)
        per_class = dict(zip(names, confusion.class_scores(table), strict=True))
    else:
        names, table, per_class = (*boxes.labels, BACKGROUND), boxes.confusion, boxes.per_class
        curves = box_curves(sample) | picture_curves(sample)
    return Evaluation(
        split=split,
        labels=names,
        ok_labels=tuple(ok_labels),
        measures=measure_all(sample),
        per_class=per_class,
        confusion=tuple(tuple(int(number) for number in row) for row in table),
        curves=curves,
        threshold=threshold,
        judged=sample.judged,
        notes=(*notes, *_notes(sample)),
        target=target,
    )


def _notes(sample: Sample) -> list[str]:
    unscored = sum(score_of(part) is None for part in sample.judged)
    notes = []
    if unscored:
        notes.append(
            f"{counted(unscored, 'picture')} got no score; where there is a threshold a person must look at them."
        )
    if sample.boxes is not None:
        notes += box_notes(sample)
    return [*notes, *picture_notes(sample), *vector_notes(sample)]


def _judged(
    examples: Iterable[Example],
    predictions: Iterable[Prediction],
    ok_labels: frozenset[str],
    thresholds: Iterator[Threshold | None],
    target: Target,
) -> tuple[tuple[JudgedExample, ...], list[Truth]]:
    """Each example with its prediction and verdict; where boxes are the target, the true ones beside them. thresholds:
    one for each, and more."""
    parts, truths = [], []
    said = iter(predictions)
    for example in examples:
        prediction = next(said, None)
        if prediction is None or prediction.id != example.id:
            found = "nothing" if prediction is None else prediction.id
            raise RunError(
                f"the inspector answered {found} for picture {example.id}; it must answer each in its order."
            )
        if target.locates:
            truths.append(_truth(example, prediction))
        parts.append(
            JudgedExample(
                id=example.id,
                path=example.image.path,
                label=None if target.locates else example.label,
                text=compared(example, prediction) if target is Target.TEXT else None,
                defective=_defective(example, ok_labels, target),
                prediction=prediction,
                verdict=None if (threshold := next(thresholds)) is None else judge(prediction, threshold).verdict,
            )
        )
    extra = next(said, None)
    if extra is not None:
        raise RunError(f"the inspector answered {extra.id} after the last picture; it must answer each once.")
    return tuple(parts), truths


def _defective(example: Example, ok_labels: frozenset[str], target: Target) -> bool | None:
    if target.locates:
        return example.boxes is not None and not ok_labels.issuperset(example.boxes.labels)
    return example.label not in ok_labels if ok_labels and example.label is not None else None


def _truth(example: Example, prediction: Prediction) -> Truth:
    if example.boxes is None or prediction.detections is None:
        lacks = "annotation" if example.boxes is None else "answer"
        raise RunError(
            f"picture {example.id}: its {lacks} has no boxes; give Detections, empty ones where there is nothing."
        )
    try:
        return Truth(example.boxes, example.size_wh or displayed_size(example.image))
    except ImageError:
        return Truth(example.boxes, None)  # then the boxes cannot be drawn, and are measured all the same
