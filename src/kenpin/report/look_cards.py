"""The pictures of a look at a data set: thumbnails within a size limit, with annotations and findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup

from kenpin.data.images import Header, Picture, jpeg_thumbnail, read_mask, read_picture
from kenpin.data.picture_files import PictureError
from kenpin.errors import ImageError, ShapeError
from kenpin.masks import union_of
from kenpin.records import Detections, Example, Finding, ImageSource
from kenpin.report.document import data_url
from kenpin.report.heat import outline
from kenpin.report.look_charts import LEFT_TO_RIGHT, shortened
from kenpin.report.names import picture_name, without_folders
from kenpin.report.overlay import annotated_boxes
from kenpin.run.maps import shrunk
from kenpin.run.thumbnails import smaller
from kenpin.words import ENGLISH, Texts
from kenpin.words.recorded import recorded

_SIDES_PX = (256, 192, 128, 96, 64, 48)
"""Longer sides of the thumbnails to try, in this order."""
_BOXES = 50  # drawn on a picture, the largest ones; the caption counts all
_OUTLINE_LETTERS = 12_000  # of a mask; a more ragged one is shown by its boxes
_NAMES = 8  # classes of boxes in a caption
_FINDINGS = 4  # on a card
_TEXT_LETTERS = 300


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture of the page, or the reason why it cannot be opened."""

    example: Example
    header: Header | None = None
    jpeg: bytes | None = field(default=None, repr=False)
    problem: str = ""

    @classmethod
    def of(cls, example: Example, picture: Picture) -> ShownPicture:
        """An opened picture."""
        return cls(example, picture.header, jpeg_thumbnail(picture.rgb, _SIDES_PX[0]))

    @classmethod
    def opened(cls, example: Example) -> ShownPicture:
        """The picture, opened now, or the problem in words."""
        try:
            return cls.of(example, read_picture(example.image))
        except PictureError as error:
            return cls(example, problem=error.what)


@dataclass(frozen=True, slots=True)
class PictureCard:
    """A picture with its caption; `image` is a data URL, None where it could not be opened."""

    title: str
    split: str
    image: str | None
    problem: str
    overlay: Markup | None
    """Boxes, or lines around a mask, to be laid over the picture."""
    lines: tuple[str, ...]
    findings: tuple[tuple[str, str], ...]
    """Severity and text of each finding."""


def within(pictures: Mapping[str, ShownPicture], most_bytes: int) -> dict[str, ShownPicture]:
    """The pictures with thumbnails small enough for `most_bytes` together, as far as possible."""
    thumbnails: Mapping[str, bytes] = {id: picture.jpeg for id, picture in pictures.items() if picture.jpeg is not None}
    for side_px in _SIDES_PX[1:]:
        if sum(map(len, thumbnails.values())) <= most_bytes:
            break
        thumbnails = smaller(thumbnails, side_px)
    return {id: replace(picture, jpeg=thumbnails.get(id)) for id, picture in pictures.items()}


def card(shown: ShownPicture, findings: Sequence[Finding] = (), texts: Texts = ENGLISH) -> PictureCard:
    """The picture's card with its annotation and findings."""
    example = shown.example
    more = len(findings) - _FINDINGS
    notes = [(finding.severity.value, _finding_text(finding, example.id, texts)) for finding in findings[:_FINDINGS]]
    return PictureCard(
        title=shortened(picture_name(example.id)),
        split=example.split or "",
        image=data_url(shown.jpeg),
        problem=recorded(shortened(without_folders(shown.problem), _TEXT_LETTERS), texts),
        overlay=None if shown.header is None else _annotated(example, shown.header.size_wh),
        lines=tuple(_lines(shown, texts)),
        findings=(*notes, *([("info", texts("and %(count)s more", count=more))] if more > 0 else [])),
    )


def _lines(shown: ShownPicture, texts: Texts) -> list[str]:
    example, header = shown.example, shown.header
    lines = [] if example.label is None else [shortened(example.label)]
    if example.boxes is not None:
        lines.append(_boxes_in_words(example.boxes, texts))
    if example.prefix is not None:
        lines.append(texts("Q: %(question)s", question=shortened(example.prefix, _TEXT_LETTERS)))
    if example.suffix is not None:
        lines.append(texts("A: %(answer)s", answer=shortened(example.suffix, _TEXT_LETTERS)))
    if header is not None:
        width, height = header.size_wh
        size = f"{width} × {height}"
        if header.bit_depth > 8:
            size = texts("%(size)s, %(bits)s bits", size=size, bits=header.bit_depth)
        lines.append(size)
    return lines


def _boxes_in_words(boxes: Detections, texts: Texts) -> str:
    counts = Counter(boxes.labels)
    frequent = counts.most_common(_NAMES)
    no_class = texts("no class")
    names = [f"{shortened(name, 40) or no_class}{LEFT_TO_RIGHT} × {number}" for name, number in frequent]
    named = ", ".join(names) or texts("none")
    if (further := len(counts) - _NAMES) > 0:
        named = texts.count(
            "%(names)s and %(count)s more class", "%(names)s and %(count)s more classes", further, names=named
        )
    if len(boxes) > _BOXES:
        named = texts("%(names)s; the %(number)s largest are drawn", names=named, number=_BOXES)
    return texts("boxes: %(names)s", names=named)


def _finding_text(finding: Finding, id: str, texts: Texts) -> Markup:
    """A finding on the card of one of its pictures; a finding on another picture names that one."""
    code, what = recorded(finding.code, texts), recorded(shortened(without_folders(finding.what), _TEXT_LETTERS), texts)
    if finding.pictures[0] == id:
        return Markup(texts("%(code)s: %(what)s")) % {"code": code, "what": what}
    where = shortened(without_folders(finding.where))
    return Markup(texts("%(code)s: %(where)s: %(what)s")) % {"code": code, "where": where, "what": what}


def _annotated(example: Example, size_wh: tuple[int, int]) -> Markup | None:
    """Lines around the mask, where there is one that can be read, or the boxes with their labels and outlines."""
    around = _lines_around(example, size_wh)
    if around is not None and (example.mask is not None or not example.boxes):
        return around
    if not example.boxes:
        return None
    return annotated_boxes(_largest(example.boxes), size_wh) + (around or Markup())


def _lines_around(example: Example, size_wh: tuple[int, int]) -> Markup | None:
    """Lines around the pixels of the mask, or of the outlines; None where there are none, or too many lines."""
    try:
        if example.mask is not None:
            mask = read_mask(ImageSource(example.mask))
        elif example.boxes is not None and example.boxes.outlines is not None:
            mask = union_of(example.boxes.outlines, size_wh)
        else:
            return None
    except (ImageError, ShapeError):
        return None  # its reader has a finding on this
    around = outline(shrunk(mask), size_wh)
    return around if len(around) <= _OUTLINE_LETTERS else None


def _largest(boxes: Detections) -> Detections:
    """The largest boxes, as many as are drawn on one picture."""

    def area(index: int) -> float:
        x1, y1, x2, y2 = boxes.boxes_xyxy_px[index]
        return (x2 - x1) * (y2 - y1)

    kept = sorted(sorted(range(len(boxes)), key=area, reverse=True)[:_BOXES])
    return Detections(tuple(boxes.boxes_xyxy_px[i] for i in kept), tuple(boxes.labels[i] for i in kept))
