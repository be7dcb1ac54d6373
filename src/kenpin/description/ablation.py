"""What evidence adds to descriptions: the same pictures told of with all of it, without any, and without each piece."""

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
class Truth:
    """What a description of a picture may say: one of several defects, or that there is none; None: nobody knows."""

    findings: frozenset[str] | None
    places: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Condition:
    """What was told, and what came of it."""

    told: str
    """`all`, `nothing`, or `without` a piece."""
    finding: Measure
    """Share of pictures whose class was named exactly, with Wilson's interval."""
    place: Measure
    contradictory: Measure
    """Share of answers that the check marks, all evidence at hand."""
    finding_cost: PairedDifference | None
    """Of the rate of wrong classes, from `all` to this; None where nothing can be compared."""
    place_cost: PairedDifference | None


@dataclass(slots=True)
class _Answered:
    """Of each picture, whether class and place were right, where it is known, and whether the answer was marked."""

    finding: list[bool | None] = field(default_factory=list)
    place: list[bool | None] = field(default_factory=list)
    contradictory: list[bool] = field(default_factory=list)

    def add(self, said: Sequence[Described], truths: Sequence[Truth]) -> None:
        for one, truth in zip(said, truths, strict=True):
            description = one.description
            self.finding.append(None if truth.findings is None else description.finding in truth.findings)
            self.place.append(None if truth.places is None else description.place in truth.places)
            self.contradictory.append(bool(one.contradictions))


def with_truth(dataset: Dataset) -> Dataset:
    """The pictures of which a label or boxes tell what is right. Raises DatasetError where there are none."""
    rows = zip(dataset.column("label"), dataset.column("box_labels"), strict=True)
    known = [place for place, told in enumerate(rows) if told != (None, None)]
    if not known:
        raise DatasetError(f"{dataset.root or 'the data set'}: no picture has a label or boxes; add one of them.")
    return dataset.select(known)


def truth_of(example: Example, evidence: Evidence, size_wh: tuple[int, int]) -> Truth:
    """What is right: of the boxes any that bounds a defect, by its centre's field; else the label, and the field with
    most of the mask. A defect without a name in the evidence is rightly `unknown`. Raises ImageError."""
    good = evidence.ok_classes
    if example.boxes is not None:
        boxes = zip(example.boxes.boxes_xyxy_px, example.boxes.labels, strict=True)
        defects = [(box, label) for box, label in boxes if label not in good]
        names = frozenset(_name(label, evidence) for _, label in defects)
        return Truth(
            names or frozenset({NONE}),
            frozenset(places_of_box(box, size_wh)[0] for box, _ in defects) or frozenset({NONE}),
        )
    if example.label is None:
        return Truth(None, None)
    if example.label in good:
        return Truth(frozenset({NONE}), frozenset({NONE}))
    place = None if example.mask is None else place_of_mask(read_mask(ImageSource(example.mask)))
    return Truth(frozenset({_name(example.label, evidence)}), None if place is None else frozenset({place}))


def ablate(describer: Describer, batches: Iterable[Sequence[Part]]) -> tuple[Condition, ...]:
    """Describe every picture under each condition, and compare the answers with the truth, and with those to `all`.

    Conditions are `all` of the evidence, `nothing`, without each piece that there is, and, of a model that is told
    vectors, with vectors of zeros in place of these. Raises what `describe` raises.
    """
    asked = {ALL: describer, NOTHING: describer.leaving_out(tuple(Piece))}
    asked |= {f"without {piece}": describer.leaving_out([piece]) for piece in Piece}
    answered = {told: _Answered() for told in asked}
    there: set[Piece] = set()
    for parts in batches:
        images, evidence = [part.image for part in parts], [part.evidence for part in parts]
        truths = [truth_of(part.example, part.evidence, part.image.size) for part in parts]
        there.update(piece for one in evidence for piece in pieces_of(one))
        known: dict[tuple[int, str], Described] = {}  # a piece that a part lacks cannot be left out: it is asked once
        for told, one in asked.items():
            questions = list(enumerate(map(one.question, evidence)))
            new = [place for place, question in questions if (place, question) not in known]
            said = one.describe([images[place] for place in new], [evidence[place] for place in new])
            known |= {questions[place]: answer for place, answer in zip(new, said, strict=True)}
            answered[told].add([known[question] for question in questions], truths)
        if describer.vector_dimension is not None:
            blank = np.zeros((len(parts), describer.vector_dimension), np.float32)
            answered.setdefault(NO_VECTORS, _Answered()).add(describer.describe(images, evidence, blank), truths)
    skipped = {f"without {piece}" for piece in Piece if piece not in there or len(there) == 1}
    return tuple(_condition(told, one, answered[ALL]) for told, one in answered.items() if told not in skipped)


def _condition(told: str, one: _Answered, all: _Answered) -> Condition:
    same = told == ALL
    return Condition(
        told,
        _share(one.finding),
        _share(one.place),
        _share(one.contradictory),
        None if same else _cost(all.finding, one.finding),
        None if same else _cost(all.place, one.place),
    )


def _share(right: Sequence[bool | None]) -> Measure:
    known = [one for one in right if one is not None]
    return Measure(sum(known) / len(known), *(wilson(sum(known), len(known)) or ())) if known else Measure(None)


def _cost(right_of_all: Sequence[bool | None], right: Sequence[bool | None]) -> PairedDifference | None:
    pairs = [(a, b) for a, b in zip(right_of_all, right, strict=True) if a is not None and b is not None]
    return paired_difference([not a for a, _ in pairs], [not b for _, b in pairs])


def _name(label: str, evidence: Evidence) -> str:
    return label if label in evidence.defect_classes else UNKNOWN
