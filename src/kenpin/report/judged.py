"""An evaluation's section of a page: its mistakes as cards, its maps, and its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kenpin.evaluation.mistakes import worst_first
from kenpin.evaluation.parts import pictures_of
from kenpin.records import ClassScores, Evaluation, JudgedExample, Verdict
from kenpin.report import charts, words
from kenpin.report.cards import Card, in_order, part_card
from kenpin.report.content import Kept
from kenpin.report.drawing import Figure
from kenpin.report.headline import headline
from kenpin.report.heat import Heat, heat_of
from kenpin.run.maps import highest_scored
from kenpin.words import ENGLISH, Texts

Shares = Sequence[tuple[int, float]]
"""Count of each cell of a row, and its share of the row."""


@dataclass(frozen=True, slots=True)
class JudgedSection:
    """An evaluation ready for the page."""

    name: str
    evaluation: Evaluation
    sentences: tuple[str, ...]
    """Its figures, the most important first."""
    mistakes: tuple[Card, ...]
    """Mistakes, the worst first; `mistake_counts` counts all."""
    mistake_counts: Mapping[str, int]
    highest: tuple[Card, ...]
    """Parts with a right judgement and a map, the highest score first."""
    heat: Heat | None
    confusion: Sequence[tuple[str, Shares]]
    """Rows by true label, columns in the same order; empty where no classes are predicted."""
    per_class: Sequence[tuple[str, ClassScores]]
    verdicts: Sequence[tuple[str, bool | None, Shares]]
    """For each label whether it is a defect, and how many parts pass, are reviewed and fail."""
    box_figures: Sequence[Figure]
    has_pictures: bool
    """Whether it has any picture."""

    @property
    def of_boxes(self) -> bool:
        """Whether boxes are judged."""
        return self.evaluation.target.locates


def judged(
    name: str, evaluation: Evaluation, kept: Kept, noun: str, most: int, texts: Texts = ENGLISH
) -> JudgedSection:
    """The evaluation's section of a page, with at most `most` mistakes as cards. noun: `pictures` or `parts`."""
    wrong = worst_first(evaluation.judged)
    shown = wrong[:most]
    highest = _highest_with_maps(evaluation, kept, {part.id for _, part in wrong})
    mapped = [id for part in (*(part for _, part in shown), *highest) for id in pictures_of(part)]
    heat = heat_of(kept.maps, mapped, kept.px_per_mm)
    return JudgedSection(
        name=name,
        evaluation=evaluation,
        sentences=tuple(words.bound(sentence) for sentence in headline(evaluation, texts)),
        mistakes=tuple(part_card(part, kept.thumbnails, mistake, heat, texts) for mistake, part in shown),
        mistake_counts=Counter(texts(str(mistake)) for mistake, _ in wrong),
        highest=tuple(part_card(part, kept.thumbnails, "", heat, texts) for part in highest),
        heat=heat,
        confusion=_confusion(evaluation, texts),
        per_class=[
            (words.named(label, texts), evaluation.per_class[label])
            for label in in_order(evaluation, evaluation.per_class)
        ],
        verdicts=_verdicts(evaluation, texts),
        box_figures=charts.box_figures(evaluation, texts),
        has_pictures=bool(kept.thumbnails),
    )


def _highest_with_maps(evaluation: Evaluation, kept: Kept, mistaken: Collection[str]) -> list[JudgedExample]:
    mapped = {} if kept.maps is None else kept.maps.by_id
    return [
        part for part in highest_scored(evaluation.judged) if pictures_of(part)[0] in mapped and part.id not in mistaken
    ]


def _confusion(evaluation: Evaluation, texts: Texts) -> list[tuple[str, Shares]]:
    rows = dict(zip(evaluation.labels, evaluation.confusion, strict=True)) if evaluation.confusion else {}
    labels = list(rows) if evaluation.target.locates else in_order(evaluation, rows)
    columns = [evaluation.labels.index(label) for label in labels]
    aside = words.NAMES_OF_NO_CLASS if evaluation.target.locates else ()
    return [
        (
            texts(label) if label in aside else words.named(label, texts),
            [(rows[label][i], rows[label][i] / sum(rows[label]) if sum(rows[label]) else 0.0) for i in columns],
        )
        for label in labels
    ]


def _verdicts(evaluation: Evaluation, texts: Texts) -> list[tuple[str, bool | None, Shares]]:
    """By label; where boxes are judged, for OK and not OK."""
    decided = [part for part in evaluation.judged if part.verdict is not None]
    counts = Counter((words.side(part), part.verdict) for part in decided)
    defective = {words.side(part): part.defective for part in decided}
    table: list[tuple[str, bool | None, Shares]] = []
    for label in in_order(evaluation, defective):
        row = [counts[label, verdict] for verdict in (Verdict.PASS, Verdict.REVIEW, Verdict.FAIL)]
        table.append((words.named(label, texts), defective[label], [(count, count / sum(row)) for count in row]))
    return table
