"""Evidence on a part beside its picture, from runs and from known cases."""

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
"""Probability from which evidence supports a class, though another is likelier."""
_BOXES, _ITEMS = 5, 3  # the best boxes and items of a witness
_SEVEREST_FIRST = (Verdict.FAIL, Verdict.REVIEW, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A detected object: class, score if any, box, and the fields that it lies in, its centre's first."""

    label: str
    score: float | None
    box_xyxy_px: Box
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Witness:
    """One run's evidence on a part; None and empty where the run has none."""

    name: str
    """The run's name."""
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    score: float | None = None
    """Larger is worse."""
    fail_from: float | None = None
    """The score from which parts fail."""
    label: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    boxes: tuple[PlacedBox, ...] | None = None
    """The boxes with the best scores, best first; None where the run does not detect boxes."""
    distance: float | None = None
    """D²/k."""
    items: Mapping[str, float] = field(default_factory=dict)
    """The items with the largest shares of the distance, largest first."""
    hottest: tuple[Place, ...] = ()
    """The hottest fields of the map against the part, its peak's first."""


@dataclass(frozen=True, slots=True)
class NearCase:
    """A known case like the part, with its label and note."""

    similarity: float
    """1 for equal embeddings: the cosine of their angle, or 1 / (1 + their Euclidean distance)."""
    verdict: str
    label: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All evidence on a part beside its picture."""

    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    cases: tuple[NearCase, ...] = ()
    """Nearest first."""
    defect_classes: tuple[str, ...] = ()
    """Every defect class, with or without evidence for it."""
    ok_classes: tuple[str, ...] = ()
    """Names of good parts."""

    @property
    def supported_classes(self) -> frozenset[str]:
        """The defects that a run or a near case supports."""
        named = {source.label for source in self.witnesses} | {source.label for source in self.cases}
        for source in self.witnesses:
            named |= {label for label, chance in source.probabilities.items() if chance >= PLAUSIBLE}
            named |= {box.label for box in source.boxes or ()}
        return frozenset(name for name in self.defect_classes if name in named)

    @property
    def supported_places(self) -> frozenset[Place]:
        """The fields where a run found a defect, or its map is hot."""
        boxes = [box for witness in self.witnesses for box in witness.boxes or () if box.label not in self.ok_classes]
        return frozenset().union(*(box.places for box in boxes), *(witness.hottest for witness in self.witnesses))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A displayed picture (mode RGB) with its evidence."""

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
    """A run's prediction as evidence. size_wh: of the displayed picture, without which boxes have no place; map:
    against the part, ignored where the run passes it, since its hottest place is then meaningless."""
    verdict = None if judgement is None else judgement.verdict
    detections = prediction.detections
    boxes = None
    if detections is not None:
        scores = detections.scores or (None,) * len(detections)
        listed = [
            PlacedBox(label, score, box, () if size_wh is None else places_of_box(box, size_wh))
            for label, score, box in zip(detections.labels, scores, detections.boxes_xyxy_px, strict=True)
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
    """The evidence of all witnesses and near cases. metric: of the cases' library; classes: of the runs and the
    library, good ones included; verdict, reasons: by default the severest of the witnesses' verdicts, with its
    reasons."""
    near = tuple(_near(hit, metric) for hit in cases)
    known = tuple(classes)
    named = [case.label for case in near if case.label is not None and case.label not in known]
    good = tuple(dict.fromkeys([*ok_classes, *guess_ok_labels(named)]))
    if verdict is None:
        verdict = next((v for v in _SEVEREST_FIRST if any(witness.verdict is v for witness in witnesses)), None)
    if reasons is None:
        reasons = [reason for witness in witnesses if witness.verdict is verdict for reason in witness.reasons]
    return Evidence(
        verdict=verdict,
        reasons=tuple(reasons),
        witnesses=tuple(witnesses),
        cases=near,
        defect_classes=tuple(name for name in dict.fromkeys([*known, *named]) if name not in good),
        ok_classes=good,
    )


def _near(hit: Found, metric: Metric) -> NearCase:
    case = hit.case
    similarity = 1 - hit.distance if metric == "cosine" else 1 / (1 + hit.distance)
    verdict = "UNKNOWN" if case.verdict is None else case.verdict.value
    return NearCase(similarity, verdict, case.label, case.note)
