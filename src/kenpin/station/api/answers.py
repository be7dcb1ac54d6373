"""What the programming interface answers with: records without the paths of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from pydantic import BaseModel, Field

from kenpin.inspection.record import Answer, PartRecord, part_key
from kenpin.regions.region import DefectRegion
from kenpin.station.reviewing.marks import DefectMark
from kenpin.station.reviewing.queue import PersonsReview
from kenpin.station.store.part_tables import key_of
from kenpin.station.store.queries import PartRow
from kenpin.station.store.tables import moment_of


class BoxAnswer(BaseModel):
    """A box that a run found."""

    label: str
    score: float | None
    xyxy_px: tuple[float, float, float, float]


class RegionAnswer(BaseModel):
    """A region against the part, in pixels of the displayed picture; millimetres are null without a scale."""

    label: str | None = Field(description="Class of the detection; null of a map.")
    xyxy_px: tuple[float, float, float, float] = Field(description="The box around it.")
    rings_px: tuple[tuple[float, ...], ...] = Field(description="Outlines: x and y of the corners in turn.")
    holes_px: tuple[tuple[float, ...], ...]
    centre_xy_px: tuple[float, float]
    area_px: float
    length_px: float = Field(description="Longer side of the smallest rectangle around it.")
    width_px: float
    resolution_px: float | None = Field(description="Cell of the map, than which sizes are not finer.")
    area_mm2: float | None
    length_mm: float | None
    width_mm: float | None
    centre_xy_mm: tuple[float, float] | None
    resolution_mm: float | None
    peak: float | None = Field(description="Highest number of the map in it, or score of the detection.")
    places: tuple[str, ...] = Field(description="Places of the policy that it touches.")
    ignored: bool = Field(description="Whether it is too small to count.")
    view: str | None = Field(description="The view that it is on; null where the part is judged by one picture.")


class RunAnswer(BaseModel):
    """What one run says of a part."""

    run: str = Field(description="Its name in the policy.")
    version: str = Field(description="Hash of the run's record, which holds those of its files.")
    verdict: str | None
    score: float | None
    fail_from: float | None = Field(description="Score from which parts fail.")
    review_from: float | None
    reasons: tuple[str, ...]
    label: str | None
    probabilities: dict[str, float] | None
    distance: float | None = Field(description="D²/k.")
    contributions: dict[str, float] | None
    layer_contributions: dict[str, float] | None
    boxes: tuple[BoxAnswer, ...] | None
    text: str | None
    has_map: bool
    region_from: float | None = Field(description="Number of the map, or score of a box, from which regions are found.")
    regions: tuple[RegionAnswer, ...] | None = Field(description="Null where none were looked for.")
    regions_left_out: int = Field(description="Smaller ones, which are not listed.")
    view: str | None = Field(description="The view that it is the answer on, the worst one; null of a single picture.")


class NearnessAnswer(BaseModel):
    """How near a part lies to a product."""

    product: str
    distance: float = Field(description="D²/k.")
    times: float = Field(description="Times as far as its usual good part.")
    spreads: float = Field(description="Beyond its usual good part, in standard deviations of good parts.")


class ChoiceAnswer(BaseModel):
    """How the product of a part was looked for that came without one."""

    product: str | None = Field(description="Null where none is near, or two are nearly as near.")
    nearest: tuple[NearnessAnswer, ...] = Field(description="Nearest first.")
    limit: float
    margin: float


class ViewAnswer(BaseModel):
    """A picture of a part that came by several."""

    name: str | None = Field(description="Of the view; null where nobody named it.")
    picture_hash: str
    size_wh: tuple[int, int] | None
    error: str | None = Field(description="Why it could not be judged.")
    decides: bool = Field(description="Whether it is the worst one, whose picture stands for the part.")
    runs: tuple[RunAnswer, ...]


class PartAnswer(BaseModel):
    """A part's record."""

    key: str = Field(description="Its name in addresses.")
    id: str
    product: str
    policy: str = Field(description="Hash of the policy that judged, and of its runs.")
    lot: str | None
    verdict: str
    reasons: tuple[str, ...]
    rule: str | None = Field(description="The rule of the policy that decided; null where none held.")
    px_per_mm: tuple[float, float] | None = Field(
        description="Pixels a millimetre, across and down, by which regions were measured; null: in pixels alone."
    )
    label: str | None
    distance: float | None
    picture_hash: str = Field(description="Of a part by several pictures over all of them.")
    size_wh: tuple[int, int] | None
    judged_at: str
    latency_s: float
    description: dict[str, str | None] | None
    contradictions: tuple[str, ...]
    runs: tuple[RunAnswer, ...]
    choice: ChoiceAnswer | None
    views: tuple[ViewAnswer, ...] = Field(description="Of a part by several pictures, each of them, by name.")


class MarkAnswer(BaseModel):
    """Where a person says that a part is defective."""

    label: str | None = Field(description="Class of the defect; null: that of the part.")
    xyxy_px: tuple[float, float, float, float] = Field(description="In the displayed picture; of a region around it.")
    corners_px: tuple[float, ...] | None = Field(description="x and y of a region's corners in turn; null of a box.")
    view: int | None = Field(description="Place in `views` of the one that it is on, from 0; null of one picture.")


class ReviewAnswer(BaseModel):
    """What a person said of a part."""

    who: str
    at: str
    verdict: str
    label: str | None
    note: str | None
    undone: bool = Field(description="Whether they took it back, or said something else since.")
    marks: tuple[MarkAnswer, ...]


class ReviewedAnswer(PartAnswer):
    """A part's record, and what people said of it."""

    settled_verdict: str | None = Field(description="Null where nothing is settled.")
    settled_label: str | None
    settled_marks: tuple[MarkAnswer, ...] = Field(description="Those that count, of one person.")
    reviews: tuple[ReviewAnswer, ...] = Field(description="The newest first.")


class LineAnswer(BaseModel):
    """What a product's line does."""

    version: int = Field(description="The version that judges.")
    waiting: int = Field(description="Parts that wait.")
    hindrance: str | None = Field(description="Why it takes no parts; null where it does.")
    cause: str | None = Field(
        description="What hinders it: `disk` where it is full, `records` where none can be written."
    )
    judged: int = Field(description="Parts that this process recorded.")
    last_us: int | None = Field(description="When it last recorded one, in microseconds since 1970.")
    alarm: str | None = Field(description="The control chart whose alarm runs for the longest; null where none does.")


def part_answer(record: PartRecord, product: str) -> PartAnswer:
    """A record as the interface answers with it."""
    described = record.description
    return PartAnswer(
        key=key_of(product, part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)),
        id=record.id,
        product=product,
        policy=record.policy,
        lot=record.lot,
        verdict=record.verdict.value,
        reasons=record.reasons,
        rule=record.rule,
        px_per_mm=record.px_per_mm,
        label=record.label,
        distance=record.distance,
        picture_hash=record.picture_hash,
        size_wh=record.size_wh,
        judged_at=record.judged_at,
        latency_s=record.latency_s,
        description=None if described is None else {key: getattr(described, key) for key in described.__slots__},
        contradictions=record.contradictions,
        runs=tuple(map(_run_answer, record.answers)),
        choice=None if record.choice is None else ChoiceAnswer.model_validate(asdict(record.choice)),
        views=tuple(
            ViewAnswer(
                name=view.name,
                picture_hash=view.picture_hash,
                size_wh=view.size_wh,
                error=view.error,
                decides=view is record.deciding,
                runs=tuple(map(_run_answer, view.answers)),
            )
            for view in record.views
        ),
    )


def reviewed_answer(part: PartRow, record: PartRecord, reviews: Sequence[PersonsReview]) -> ReviewedAnswer:
    """A part with what people said of it, as the interface answers with it."""
    holding = next((review.marks for review in reviews if review.marks_hold), ())
    return ReviewedAnswer(
        **part_answer(record, part.product).model_dump(),
        settled_verdict=None if part.settled_verdict is None else part.settled_verdict.value,
        settled_label=part.settled_label,
        settled_marks=tuple(map(_mark_answer, holding)),
        reviews=tuple(
            ReviewAnswer(
                who=review.who,
                at=moment_of(review.at_us),
                verdict=review.verdict.value,
                label=review.label,
                note=review.note,
                undone=review.undone,
                marks=tuple(map(_mark_answer, review.marks)),
            )
            for review in reviews
        ),
    )


def _mark_answer(mark: DefectMark) -> MarkAnswer:
    return MarkAnswer(label=mark.label, xyxy_px=mark.box_xyxy_px, corners_px=mark.ring_px, view=mark.view)


def _run_answer(answer: Answer) -> RunAnswer:
    boxes = answer.boxes
    return RunAnswer(
        run=answer.run,
        version=answer.version,
        verdict=None if answer.verdict is None else answer.verdict.value,
        score=answer.score,
        fail_from=answer.fail_from,
        review_from=answer.review_from,
        reasons=answer.reasons,
        label=answer.label,
        probabilities=None if answer.probabilities is None else dict(answer.probabilities),
        distance=answer.distance,
        contributions=None if answer.contributions is None else dict(answer.contributions),
        layer_contributions=None if answer.layer_contributions is None else dict(answer.layer_contributions),
        boxes=None
        if boxes is None
        else tuple(
            BoxAnswer(label=label, score=score, xyxy_px=box)
            for box, label, score in zip(
                boxes.boxes_xyxy_px, boxes.labels, boxes.scores or (None,) * len(boxes), strict=True
            )
        ),
        text=answer.text,
        has_map=answer.map is not None,
        region_from=answer.region_from,
        regions=None if answer.regions is None else tuple(map(_region_answer, answer.regions)),
        regions_left_out=answer.regions_left_out,
        view=answer.view,
    )


def _region_answer(region: DefectRegion) -> RegionAnswer:
    values = asdict(region)
    return RegionAnswer(xyxy_px=values.pop("box_xyxy_px"), **values)
