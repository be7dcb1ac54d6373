"""The effect of evidence on descriptions: the same pictures described with all, with none, and without each piece."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_mask
from kenpin.description.answers import NONE, UNKNOWN
from kenpin.description.describer import Described, Describer
from kenpin.description.evidence import Evidence, Part
from kenpin.description.places import place_of_mask, places_of_box
from kenpin.description.telling import Piece, pieces_of
from kenpin.errors import DatasetError
from kenpin.metrics.intervals import wilson
from kenpin.quality.paired import PairedDifference, paired_difference
from kenpin.records import Example, ImageSource, Measure

ALL, NOTHING, NO_VECTORS = "all", "nothing", "without vectors"


@dataclass(frozen=True, slots=True)
class Expected:
    """The findings and fields of the picture that a description may name; None where they are unknown."""

    findings: frozenset[str] | None
    places: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of the evidence, and its results."""

    told: str
    """`all`, `nothing`, or `without` a piece."""
    finding: Measure
    """Share of pictures whose class was named exactly, with Wilson's interval."""
    place: Measure
    contradictory: Measure
    """Share of answers that contradict the whole evidence."""
    finding_cost: PairedDifference | None
    """Change of the rate of wrong classes, from `all` to this; None where no pictures can be compared."""
    place_cost: PairedDifference | None


@dataclass(slots=True)
class _Answered:
    """For each picture whether finding and place were right, where known, and whether the answer was contradictory."""

    finding: list[bool | None] = field(default_factory=list)
    place: list[bool | None] = field(default_factory=list)
    contradictory: list[bool] = field(default_factory=list)

    def add(self, answers: Sequence[Described], truths: Sequence[Expected]) -> None:
        for answer, truth in zip(answers, truths, strict=True):
            description = answer.description
            self.finding.append(None if truth.findings is None else description.finding in truth.findings)
            self.place.append(None if truth.places is None else description.place in truth.places)
            self.contradictory.append(bool(answer.contradictions))


def with_truth(dataset: Dataset) -> Dataset:
    """The pictures with a label or boxes. Raises DatasetError where there are none."""
    rows = zip(dataset.column("label"), dataset.column("box_labels"), strict=True)
    known = [row for row, annotation in enumerate(rows) if annotation != (None, None)]
    if not known:
        raise DatasetError(f"{dataset.root or 'the data set'}: no picture has a label or boxes; add one of them.")
    return dataset.select(known)


def truth_of(example: Example, evidence: Evidence, size_wh: tuple[int, int]) -> Expected:
    """The right answers: any boxed defect with the field of its centre; else the label, and the field with most of the
    mask. For a defect without a name in the evidence `unknown` is right. Raises ImageError."""
    good = evidence.ok_classes
    if example.boxes is not None:
        boxes = zip(example.boxes.boxes_xyxy_px, example.boxes.labels, strict=True)
        defects = [(box, label) for box, label in boxes if label not in good]
        names = frozenset(_name(label, evidence) for _, label in defects)
        return Expected(
            names or frozenset({NONE}),
            frozenset(places_of_box(box, size_wh)[0] for box, _ in defects) or frozenset({NONE}),
        )
    if example.label is None:
        return Expected(None, None)
    if example.label in good:
        return Expected(frozenset({NONE}), frozenset({NONE}))
    field_of_mask = None if example.mask is None else place_of_mask(read_mask(ImageSource(example.mask)))
    return Expected(
        frozenset({_name(example.label, evidence)}), None if field_of_mask is None else frozenset({field_of_mask})
    )


def ablate(describer: Describer, batches: Iterable[Sequence[Part]]) -> tuple[Condition, ...]:
    """Describe every picture under each condition, and compare the answers with the truth, and with those to `all`.

    Conditions are `all` of the evidence, `nothing`, without each piece that occurs, and, for a model that takes
    embeddings, with zeros instead of them. Raises what `describe` raises.
    """
    asked = {ALL: describer, NOTHING: describer.leaving_out(tuple(Piece))}
    asked |= {f"without {piece}": describer.leaving_out([piece]) for piece in Piece}
    answered = {condition: _Answered() for condition in asked}
    present: set[Piece] = set()
    for parts in batches:
        images, evidence = [part.image for part in parts], [part.evidence for part in parts]
        truths = [truth_of(part.example, part.evidence, part.image.size) for part in parts]
        present.update(piece for part in evidence for piece in pieces_of(part))
        known: dict[tuple[int, str], Described] = {}  # equal questions, as without a missing piece, are asked once
        for condition, asked_describer in asked.items():
            questions = list(enumerate(map(asked_describer.question, evidence)))
            new = [index for index, question in questions if (index, question) not in known]
            answers = asked_describer.describe([images[index] for index in new], [evidence[index] for index in new])
            known |= {questions[index]: answer for index, answer in zip(new, answers, strict=True)}
            answered[condition].add([known[question] for question in questions], truths)
        if describer.vector_dimension is not None:
            blank = np.zeros((len(parts), describer.vector_dimension), np.float32)
            answered.setdefault(NO_VECTORS, _Answered()).add(describer.describe(images, evidence, blank), truths)
    skipped = {f"without {piece}" for piece in Piece if piece not in present or len(present) == 1}
    return tuple(
        _condition(condition, answers_of, answered[ALL])
        for condition, answers_of in answered.items()
        if condition not in skipped
    )


def _condition(condition: str, answered: _Answered, all: _Answered) -> Condition:
    same = condition == ALL
    return Condition(
        condition,
        _share(answered.finding),
        _share(answered.place),
        _share(answered.contradictory),
        None if same else _cost(all.finding, answered.finding),
        None if same else _cost(all.place, answered.place),
    )


def _share(right: Sequence[bool | None]) -> Measure:
    known = [value for value in right if value is not None]
    return Measure(sum(known) / len(known), *(wilson(sum(known), len(known)) or ())) if known else Measure(None)


def _cost(right_of_all: Sequence[bool | None], right: Sequence[bool | None]) -> PairedDifference | None:
    pairs = [(a, b) for a, b in zip(right_of_all, right, strict=True) if a is not None and b is not None]
    return paired_difference([not a for a, _ in pairs], [not b for _, b in pairs])


def _name(label: str, evidence: Evidence) -> str:
    return label if label in evidence.defect_classes else UNKNOWN
