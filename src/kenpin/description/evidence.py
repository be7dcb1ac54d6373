"""Evidence: all that is known of a part beside its picture, from runs and from known cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kenpin.cases.case import Found, Metric
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.description.places import Place, places_of_box, places_of_map
from kenpin.records import Box, Example, Judgement, Map, Prediction, Threshold, Verdict

if TYPE_CHECKING:
    from PIL.Image import Image

PLAUSIBLE = 0.1
"""Probability from which a class counts as named by a classifier, though another is likelier."""
_BOXES, _ITEMS = 5, 3  # of a witness, the best
_SEVEREST_FIRST = (Verdict.FAIL, Verdict.REVIEW, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A found object: its class, its score if it has one, its box, and the fields it lies in, its centre's first."""

    label: str
    score: float | None
    box_xyxy_px: Box
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Witness:
    """What one run says of a part; None and empty: it says nothing of that."""

    name: str
    """The run's."""
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    score: float | None = None
    """Larger is worse."""
    fail_from: float | None = None
    """The score from which parts fail."""
    label: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    boxes: tuple[PlacedBox, ...] | None = None
    """The best, best first; None where the run finds no boxes."""
    distance: float | None = None
    """D²/k."""
    items: Mapping[str, float] = field(default_factory=dict)
    """The strongest items' shares of the distance, strongest first."""
    hottest: tuple[Place, ...] = ()
    """Where the map of what speaks against the part is hottest, its peak's field first."""


@dataclass(frozen=True, slots=True)
class NearCase:
    """A known case like the part, and what people said of it."""

    similarity: float
    """1 where the vectors are alike: the cosine of their angle, or 1 / (1 + their Euclidean distance)."""
    verdict: str
    label: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one part beside its picture."""

    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    cases: tuple[NearCase, ...] = ()
    """Nearest first."""
    defect_classes: tuple[str, ...] = ()
    """Every defect that has a name, whether or not anything here speaks for it."""
    ok_classes: tuple[str, ...] = ()
    """Names of good parts."""

    @property
    def supported_classes(self) -> frozenset[str]:
        """The defects that a run or a near case speaks for."""
        named = {one.label for one in self.witnesses} | {one.label for one in self.cases}
        for one in self.witnesses:
            named |= {label for label, chance in one.probabilities.items() if chance >= PLAUSIBLE}
            named |= {box.label for box in one.boxes or ()}
        return frozenset(name for name in self.defect_classes if name in named)

    @property
    def supported_places(self) -> frozenset[Place]:
        """Where a run found a defect, or its map is hot."""
        boxes = [box for one in self.witnesses for box in one.boxes or () if box.label not in self.ok_classes]
        return frozenset().union(*(box.places for box in boxes), *(one.hottest for one in self.witnesses))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A picture, as it is displayed (mode RGB), with the evidence of it."""

    example: Example
    image: Image
    evidence: Evidence


def witness_of(
    name: str,
    prediction: Prediction,
    judgement: Judgement | None = None,
    threshold: Threshold | None = None,
    *,
    size_wh: tuple[int, int] | None = None,
    map: Map | None = None,
) -> Witness:
    """A run's prediction as evidence. size_wh: the displayed picture's, without which boxes have no place; map: of what
    speaks against the part, not heard where it passes: its hottest place then means nothing."""
    verdict = None if judgement is None else judgement.verdict
    found = prediction.detections
    boxes = None
    if found is not None:
        scores = found.scores or (None,) * len(found)
        listed = [
            PlacedBox(label, score, box, () if size_wh is None else places_of_box(box, size_wh))
            for label, score, box in zip(found.labels, scores, found.boxes_xyxy_px, strict=True)
        ]
        boxes = tuple(sorted(listed, key=lambda box: -(box.score or 0.0))[:_BOXES])
    items = sorted((prediction.contributions or {}).items(), key=lambda item: -item[1])
    return Witness(
        name=name,
        verdict=verdict,
        reasons=() if judgement is None else judgement.reasons,
        score=prediction.defect_score,
        fail_from=None if threshold is None else threshold.fail_from,
        label=prediction.label,
        probabilities=dict(prediction.probabilities or {}),
        boxes=boxes,
        distance=prediction.distance,
        items=dict(items[:_ITEMS]),
        hottest=() if map is None or verdict is Verdict.PASS else places_of_map(map.values),
    )


def evidence_of(
    witnesses: Sequence[Witness],
    cases: Iterable[Found] = (),
    *,
    metric: Metric = "cosine",
    verdict: Verdict | None = None,
    reasons: Sequence[str] | None = None,
    classes: Iterable[str] = (),
    ok_classes: Iterable[str] = (),
) -> Evidence:
    """All witnesses and near cases together. metric: of the library that the cases are from; classes: of the runs and
    the library, the good ones among them; verdict, reasons: by default the severest of the witnesses' verdicts, and why
    it was given."""
    near = tuple(_near(found, metric) for found in cases)
    known = tuple(classes)
    named = [one.label for one in near if one.label is not None and one.label not in known]
    good = tuple(dict.fromkeys([*ok_classes, *guess_ok_labels(named)]))
    if verdict is None:
        verdict = next((one for one in _SEVEREST_FIRST if any(w.verdict is one for w in witnesses)), None)
    if reasons is None:
        reasons = [reason for one in witnesses if one.verdict is verdict for reason in one.reasons]
    return Evidence(
        verdict=verdict,
        reasons=tuple(reasons),
        witnesses=tuple(witnesses),
        cases=near,
        defect_classes=tuple(name for name in dict.fromkeys([*known, *named]) if name not in good),
        ok_classes=good,
    )


def _near(found: Found, metric: Metric) -> NearCase:
    case = found.case
    similarity = 1 - found.distance if metric == "cosine" else 1 / (1 + found.distance)
    verdict = "UNKNOWN" if case.verdict is None else case.verdict.value
    return NearCase(similarity, verdict, case.label, case.note)
