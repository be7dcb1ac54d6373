"""The plain frozen records that every part of kenpin hands to the next."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Self

from kenpin.display import Shown
from kenpin.errors import LabelError, MissingExtraError, ShapeError
from kenpin.installing import installing
from kenpin.nearest import did_you_mean
from kenpin.outlines import Outline, from_text, to_text
from kenpin.plural import counted
from kenpin.targets import Target
from kenpin.views import JudgedView

if TYPE_CHECKING:
    import numpy as np
    import supervision
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the displayed picture (EXIF orientation applied), origin at its top left corner."""


class Severity(StrEnum):
    """Severity of a finding: an ERROR must be corrected, a WARNING considered, an INFO is for information."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def noun(self) -> str:
        """What such a finding is called for people: an error, a warning, a note."""
        return "note" if self is Severity.INFO else self.value


class Verdict(StrEnum):
    """What becomes of a part."""

    PASS = "PASS"
    FAIL = "FAIL"
    REVIEW = "REVIEW"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a data set: where it stands, what is wrong and what to do."""

    severity: Severity
    code: str
    """Short stable name of the kind of finding, such as `box-out-of-frame`."""
    where: str
    """File, and line, annotation or image within it."""
    what: str
    remedy: str
    pictures: tuple[str, ...] = ()
    """Ids of the pictures that it is about; empty where it is about a file or the data set as a whole."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a language model's words are sampled. Raises ShapeError for a number that is out of range."""

    temperature: float = 1.0
    """Above 0; below 1 likely words become likelier."""
    min_p: float = 0.0
    """Words less likely than this share, 0 to 1, of the likeliest one are never sampled (arXiv 2407.01082)."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and 0 <= self.min_p <= 1):
            raise ShapeError(
                f"Sampling: temperature {self.temperature} must lie above 0, and min_p {self.min_p} from 0 to 1."
            )


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where a picture's bytes are: a file, or bytes in memory (then `path` is only its name)."""

    path: str | None = None
    data: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.path or f"picture of {len(self.data or b''):,} bytes"


@dataclass(frozen=True, slots=True, repr=False)
class Detections(Shown):
    """Labelled boxes of one picture; an annotation where `scores` is None, a prediction otherwise.

    `boxes_xyxy_px`: n boxes; `labels`: n; `scores`: n numbers in [0, 1], or None where no score can be had;
    `segments`: n strings of PaliGemma's sixteen `<seg###>` codes (empty where a box has none), or None;
    `crowd`: n COCO crowd flags, or None where none is set; `outlines`: n, each None where only the box is known, or
    None. Raises ShapeError when the lengths differ.
    """

    boxes_xyxy_px: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] | None = None
    segments: tuple[str, ...] | None = None
    crowd: tuple[bool, ...] | None = None
    outlines: tuple[Outline | None, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy_px)
        for name in ("labels", "scores", "segments", "crowd", "outlines"):
            values = getattr(self, name)
            if values is not None and len(values) != count:
                raise ShapeError(f"Detections: {len(values)} {name} for {counted(count, 'box')}; give one for each.")

    def __len__(self) -> int:
        return len(self.boxes_xyxy_px)

    @classmethod
    def from_supervision(cls, detections: supervision.Detections, labels: Sequence[str] = ()) -> Self:
        """What a `supervision.Detections` holds. A label is its `data["class_name"]` where that is given, and else the
        one of `labels` that `class_id` counts to; scores are its `confidence`, outlines its `mask`. Of `data`,
        `segments`, `crowd` and `outlines` are taken too, and all else is left, like `metadata`.

        Raises LabelError for a box without a label, ShapeError for tracker ids, which boxes cannot carry.
        """
        if detections.tracker_id is not None:
            raise ShapeError("supervision: boxes cannot carry its tracker_id; set tracker_id = None to leave it out.")
        names, numbers, scores = detections.data.get("class_name"), detections.class_id, detections.confidence
        if names is None:
            outside = [None] * len(detections) if numbers is None else [n for n in numbers if not 0 <= n < len(labels)]
            if outside:
                raise LabelError(
                    f"supervision: class_id {outside[0]} has no label among {counted(len(labels), 'label')}. "
                    'Give the label of each class in order, or data["class_name"].'
                )
            names = [] if numbers is None else [labels[number] for number in numbers]
        segments, crowd, texts = (detections.data.get(name) for name in ("segments", "crowd", "outlines"))
        outlines: Iterable[Outline | None] | None = None
        if texts is not None:
            outlines = (from_text(str(text)) if text else None for text in texts)
        elif detections.mask is not None:
            from kenpin.masks import outline_of

            outlines = map(outline_of, detections.mask)
        return cls(
            tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in detections.xyxy.tolist()),
            tuple(map(str, names)),
            scores=None if scores is None else tuple(map(float, scores)),
            segments=None if segments is None else tuple(map(str, segments)),
            crowd=None if crowd is None else tuple(map(bool, crowd)),
            outlines=None if outlines is None else tuple(outlines),
        )

    def to_supervision(self, labels: Sequence[str], size_wh: tuple[int, int] | None = None) -> supervision.Detections:
        """As a `supervision.Detections`, from which `from_supervision` makes the same again. `class_id` counts in
        `labels`; `data` holds each label as `class_name`, and `segments`, `crowd` and `outlines` where they are set.

        size_wh: of the picture; with it, outlines are a `mask` too, empty for a box without one. Raises LabelError for
        a label that is not among `labels`, ShapeError for a mask of another size, MissingExtraError.
        """
        try:
            import supervision
        except ImportError as error:
            raise MissingExtraError(f"supervision is not installed: {installing('detection')}") from error
        import numpy as np

        from kenpin.masks import stack_of

        number_of = {label: number for number, label in enumerate(labels)}
        for label in (label for label in self.labels if label not in number_of):
            raise LabelError(f"label {label!r} is not among those given; {did_you_mean(label, labels)}")
        data = {"class_name": self.labels, "segments": self.segments, "crowd": self.crowd}
        if self.outlines is not None:
            data["outlines"] = tuple("" if outline is None else to_text(outline) for outline in self.outlines)
        return supervision.Detections(
            xyxy=np.array(self.boxes_xyxy_px, dtype=np.float64).reshape(-1, 4),
            mask=None if size_wh is None or self.outlines is None else stack_of(self.outlines, size_wh),
            confidence=None if self.scores is None else np.array(self.scores, dtype=np.float64),
            class_id=np.array([number_of[label] for label in self.labels], dtype=np.int64),
            data={name: np.array(values, dtype=object) for name, values in data.items() if values is not None},
        )


@dataclass(frozen=True, slots=True, repr=False)
class Example(Shown):
    """One picture with what is known of it.

    `boxes` is None where boxes are not annotated, and empty where the annotation has no box.
    `prefix` and `suffix` are free question and answer texts, already without location tokens.
    """

    id: str
    """Unique in the data set; the path below its root where it was read from files, with forward slashes."""
    image: ImageSource
    split: str | None = None
    label: str | None = None
    boxes: Detections | None = None
    group: str | None = None
    """Part, lot or serial number: pictures of one group must not be on two sides of a split."""
    prefix: str | None = None
    suffix: str | None = None
    mask: str | None = None
    """Path of the ground-truth mask, a single-channel picture whose non-zero pixels are defective."""
    size_wh: tuple[int, int] | None = None
    """Displayed width and height in pixels, by the annotation or the header; None where they were not read."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Further columns of the source, kept as text."""
    origin: str = ""
    """File and line of the annotation, for messages."""
    items: tuple[float, ...] | None = None
    """Measured numbers of a part without a picture, in the order of its data set's `item_names`."""


@dataclass(frozen=True, slots=True, repr=False)
class Prediction(Shown):
    """An inspector's prediction for one picture. None: not computed."""

    id: str
    label: str | None = None
    probabilities: Mapping[str, float] | None = None
    defect_score: float | None = None
    """The number that the threshold judges, larger is worse: probability of not being OK, D²/k, or best box score;
    where a calibration was trained, what this makes of it."""
    detections: Detections | None = None
    distance: float | None = None
    """Squared Mahalanobis distance over the number of items, D²/k."""
    contributions: Mapping[str, float] | None = None
    """The largest shares of D²/k, by item; where a map gives the score, of the cell that decides."""
    layer_contributions: Mapping[str, float] | None = None
    """The shares of D²/k by layer of the network, which add up to it; None where the items are of one layer."""
    text: str | None = None
    """A language model's raw answer."""
    rejected: tuple[str, ...] = ()
    """Pieces of the answer that are no valid detection: shown and counted, never silently dropped."""
    uncalibrated_score: float | None = None
    """`defect_score` before it was calibrated as a probability; None where the score is not calibrated."""
    embedding: tuple[float, ...] | None = None
    """The picture's learned embedding: embeddings of one class lie together."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Map(Shown):
    """A number for every pixel of a displayed picture: the origin of an answer."""

    values: NDArray[np.float32]
    """(h, w) in the displayed picture's frame; NaN where the map has no value."""
    shows: str
    """A few words on the numbers and on what they explain."""
    unit: str
    score: float | None = None
    """The number that the map explains, where it can be read off the map."""
    box: Box | None = None
    """The detection that the map belongs to, where it belongs to one."""
    grid: NDArray[np.float32] | None = None
    """The numbers of the cells, (rows, columns), between which `values` are interpolated."""
    region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """Region of the picture that the grid covers: x1, y1, x2, y2 as shares of its width and height."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """score >= fail_from → FAIL; review_from <= score < fail_from → REVIEW; below → PASS.

    `review_from` is None without a review band. Costs are per part, in any one currency.
    """

    fail_from: float
    review_from: float | None
    basis: str
    """How and on which pictures it was chosen, one sentence."""
    cost_escape: float | None = None
    cost_overkill: float | None = None
    cost_review: float | None = None
    expected_cost: float | None = None
    """Mean cost per part on the pictures it was chosen on."""
    defect_rate: float | None = None
    """Share of defective parts that the costs were weighed with; None: as in the pictures it was chosen on."""
    good_scores: tuple[float, ...] | None = None
    """Of the good parts that it was chosen by, where they are few: a new score is told by its rank among them."""

    def __post_init__(self) -> None:
        if math.isnan(self.fail_from) or (self.review_from is not None and not self.review_from <= self.fail_from):
            above = f"review_from {self.review_from} must not lie above fail_from {self.fail_from}"
            raise ShapeError(f"Threshold: {above}.")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A prediction turned into a decision."""

    id: str
    verdict: Verdict
    score: float | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with its two-sided 95 % interval; None: not computed."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ClassScores(Shown):
    """One class's scores, of pictures or of boxes. A score without a denominator is None, never 0 or 1."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    """Number of true ones."""
    average_precision: float | None = None
    """Of boxes: mean over the overlaps 0.50, 0.55, …, 0.95, as COCO defines it."""
    average_precision_50: float | None = None
    """Of boxes: at an overlap of 0.50."""
    curve: tuple[tuple[float, float], ...] = ()
    """Of boxes: (recall, precision) at an overlap of 0.50, one point a score cut."""


@dataclass(frozen=True, slots=True, repr=False)
class JudgedBoxes(Shown):
    """A picture's true boxes and the outcome of all: matched by class at an overlap of 0.50, above the score cut."""

    truth: Detections
    found: tuple[bool, ...]
    """Whether each true box is found; a crowd is never missed."""
    right: tuple[bool | None, ...]
    """Whether each predicted box is right; None where it lies below the cut or in a crowd, and so does not count."""
    size_wh: tuple[int, int] | None
    """Displayed size of the picture that the boxes lie in; None where it is not known."""


@dataclass(frozen=True, slots=True)
class JudgedText:
    """A picture's true answer, and the predicted one's distance from it."""

    question: str | None
    truth: str
    exact_match: bool
    """Same words in the same order, as `kenpin.metrics.text` counts words."""
    token_f1: float
    edit_distance: float
    """Edited characters over the length of the longer text."""


@dataclass(frozen=True, slots=True, repr=False)
class JudgedExample(Shown):
    """An evaluated picture: its truth, its prediction and its verdict."""

    id: str
    path: str | None
    label: str | None
    defective: bool | None
    """Truth on the OK / not OK question; None where it is unknown."""
    prediction: Prediction
    verdict: Verdict | None
    boxes: JudgedBoxes | None = None
    """Where boxes are judged; `label` is then None."""
    text: JudgedText | None = None
    """Where an answer in words is judged."""
    seen: bool = False
    """Whether the inspector, or a run below it, has learned from it or was chosen by it."""
    views: tuple[JudgedView, ...] = ()
    """Of a part by several pictures, the worst first; `prediction` is then that of the first."""


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Shown):
    """All results of an evaluation; the report is drawn from it alone."""

    _in_brief: ClassVar = ("split", "measures", "judged", "notes")

    split: str
    labels: tuple[str, ...]
    """The inspector's labels, in order; `OK` and `not OK` where it only scores parts. For boxes: its classes, then one
    for all other predicted names, if any, and last the background: a false box, or a true one that was not found."""
    ok_labels: tuple[str, ...]
    """The labels of good parts."""
    measures: Mapping[str, Measure]
    """Measures by name, see `kenpin.evaluation.measures`."""
    per_class: Mapping[str, ClassScores]
    """Without the background."""
    confusion: tuple[tuple[int, ...], ...]
    """Rows are the truth, columns the prediction, both in the order of `labels`."""
    curves: Mapping[str, tuple[tuple[float, float], ...]]
    """By name: roc (false alarm rate, detection rate), precision_recall (recall, precision), reliability
    and reliability_before calibration (mean predicted probability, observed rate)."""
    threshold: Threshold | None
    judged: tuple[JudgedExample, ...]
    notes: tuple[str, ...] = ()
    """Notes for readers of the numbers."""
    target: Target = Target.LABEL
    """What `confusion` and `per_class` are about: the `label` or the `boxes`; both are empty where it is `text`."""
