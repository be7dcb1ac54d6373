"""Judged pictures as parts: the pictures of one part become one example with one prediction, by its worst view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from kenpin.data.dataset import Dataset
from kenpin.data.part_names import views_of
from kenpin.errors import RunError
from kenpin.plural import counted, is_are
from kenpin.quality.part_verdicts import SeenView, part_prediction, worst_view
from kenpin.records import Evaluation, Example, JudgedExample, Prediction
from kenpin.views import JudgedView, PartViews


@dataclass(frozen=True)
class JoinedParts:
    """Parts in the order of their first pictures."""

    examples: Dataset
    """Each with the id of its part and the picture of its worst view."""
    predictions: tuple[Prediction, ...]
    """One for each, without a score where the part is not judged."""
    views: tuple[tuple[JudgedView, ...], ...]
    """Of each, the worst first."""
    is_whole: tuple[bool, ...]
    """Whether each has all of its views, and no others."""
    notes: tuple[str, ...]
    """A sentence on parts that have not, if there are any."""

    def complete(self) -> JoinedParts:
        """The parts that have all of their views: they alone may choose a threshold."""
        rows = [row for row, whole in enumerate(self.is_whole) if whole]
        return JoinedParts(
            self.examples.select(rows),
            tuple(self.predictions[row] for row in rows),
            tuple(self.views[row] for row in rows),
            (True,) * len(rows),
            self.notes,
        )

    def any_of(self, of_pictures: Sequence[bool], pictures: Dataset) -> list[bool]:
        """Whether it is so of any picture of each part, given for each picture."""
        so = {id for id, is_so in zip(pictures.column("id"), of_pictures, strict=True) if is_so}
        return [any(view.id in so for view in views) for views in self.views]

    def shown_in(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation of these parts with the views of each."""
        judged = zip(evaluation.judged, self.views, strict=True)
        return replace(evaluation, judged=tuple(replace(part, views=_as_scored(part, views)) for part, views in judged))


def join_parts(
    pictures: Dataset, predictions: Iterable[Prediction], expected: PartViews, ok_labels: Collection[str]
) -> JoinedParts:
    """The parts of these pictures. A part is defective where one of its pictures is: its label is then the most
    frequent one that is not OK.

    predictions: one for each picture, in order. Raises RunError where they are others, OptionError and DatasetError as
    `views_of` does.
    """
    seen: dict[str, list[tuple[Example, SeenView]]] = {}
    answers = iter(predictions)
    for example, (part, name) in zip(pictures, views_of(pictures, expected.by), strict=True):
        prediction = next(answers, None)
        if prediction is None or prediction.id != example.id:
            raise RunError(f"the inspector gave no answer on picture {example.id}; it must answer each in its order.")
        seen.setdefault(part, []).append((example, SeenView(name, prediction)))
    examples, joined, views, hindrances = [], [], [], []
    for part, pairs in seen.items():
        of_part = [view for _, view in pairs]
        worst = worst_view(of_part)
        pairs.sort(key=lambda pair: (pair[1] is not worst, pair[1].shown, pair[1].prediction.id))
        prediction = part_prediction(part, of_part, expected)
        hindrances.append(expected.hindrance([view.name for view in of_part]))
        label = _label([example.label for example, _ in pairs], ok_labels)
        examples.append(replace(pairs[0][0], id=part, label=label))
        joined.append(prediction)
        views.append(tuple(_judged_view(example, view) for example, view in pairs))
    left = [(part, why) for part, why in zip(seen, hindrances, strict=True) if why is not None]
    notes = (
        f"{counted(len(left), 'part')} of {len(seen)} {is_are(len(left))} not judged, the first of them {part}: {why}"
        for part, why in left[:1]
    )
    data = Dataset.from_examples(
        examples, classes=pictures.declared_classes, root=pictures.root, format=pictures.format
    )
    return JoinedParts(data, tuple(joined), tuple(views), tuple(why is None for why in hindrances), tuple(notes))


def whole_parts(left: Dataset, before: Dataset, by: str) -> Dataset:
    """Of pictures that are left of others, those of parts of which all are left."""
    if len(left) == len(before):
        return left
    of_each = Counter(part for part, _ in views_of(before, by))
    parts = [part for part, _ in views_of(left, by)]
    count = Counter(parts)
    return left.select(row for row, part in enumerate(parts) if count[part] == of_each[part])


def pictures_of(part: JudgedExample) -> Sequence[str]:
    """Ids of a judged example's pictures: of a part by several the worst view's first."""
    return [view.id for view in part.views] or [part.id]


def _as_scored(part: JudgedExample, views: tuple[JudgedView, ...]) -> tuple[JudgedView, ...]:
    """Views with scores on the scale of their part's: where it was calibrated since, only the worst one's is known."""
    score, (worst, *others) = part.prediction.defect_score, views
    if score is None or score == worst.score:
        return views
    return replace(worst, score=score), *(replace(view, score=None) for view in others)


def _judged_view(example: Example, view: SeenView) -> JudgedView:
    return JudgedView(example.id, view.shown, example.image.path, example.label, view.prediction.defect_score)


def _label(labels: Sequence[str | None], ok_labels: Collection[str]) -> str | None:
    known = [label for label in labels if label is not None]
    counts = Counter(label for label in known if label not in ok_labels) or Counter(known)
    return min(counts, key=lambda label: (-counts[label], label), default=None)
