"""Pictures of parts with mask pictures, of any layout: label, boxes of the mask's regions, and what does not fit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kenpin.data.images import read_mask
from kenpin.data.outlining import boxes_of_mask, regions_of
from kenpin.data.picture_files import PictureError
from kenpin.data.reading.pictures import id_below, listed
from kenpin.data.reading.reading import Reading
from kenpin.errors import DatasetError
from kenpin.masks import Mask
from kenpin.records import Detections, Example, ImageSource, Severity

GOOD, DEFECTIVE = "good", "defective"
"""Labels of pictures that only their masks tell apart."""
_GOOD_NAMES = {"good", "ok", "normal"}


@dataclass(frozen=True, slots=True)
class MaskedPicture:
    """A picture of a layout with the masks that belong to it."""

    path: str
    split: str | None
    label: str | None
    masks: tuple[str, ...] = ()
    is_labelled_by_mask: bool = False
    """Whether it is `GOOD` or `DEFECTIVE`, as its masks say, and there is no other label."""
    is_masked: bool = True
    """Whether a defective picture without a mask lacks it."""
    group: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def only_read(format: str) -> DatasetError:
    """The error for writing a layout that is only read."""
    return DatasetError(f"the format {format} is only read. Write mvtec, coco or yolo.")


def is_good(label: str) -> bool:
    """Whether a folder of this name holds good parts, by the habit of these layouts."""
    return label.strip().casefold() in _GOOD_NAMES


def pictures_in(folder: str | Path) -> list[str]:
    """Paths of the pictures in a folder itself, sorted by name."""
    return [entry.path for entry in listed(folder).pictures]


def masks_by_stem(folder: str | Path, *, ending: str = "") -> dict[str, tuple[str, ...]]:
    """The masks in a folder by the stem of their picture, with or without an ending such as `_mask`; a folder of a
    stem's name holds several masks of one picture."""
    listing = listed(folder)
    inside = {entry.name: tuple(pictures_in(entry.path)) for entry in listing.folders}
    found = {stem: masks for stem, masks in inside.items() if masks}
    for entry in listing.pictures:
        found[os.path.splitext(entry.name)[0].removesuffix(ending)] = (entry.path,)
    return found


def tell_orphans(masks: Iterable[str], used: Iterable[str], reading: Reading) -> None:
    """Note the masks to which no picture belongs."""
    for mask in sorted(set(masks) - set(used)):
        reading.use(mask)
        what, remedy = "no picture belongs to this mask", "Put its picture there, or remove the mask"
        reading.tell("orphan-annotation", mask, what, remedy, severity=Severity.WARNING)


def examples_of(pictures: Iterable[MaskedPicture], root: Path, reading: Reading) -> Iterator[Example]:
    """The pictures as examples. One mask is kept as such, several become the outlines of the boxes."""
    for picture in pictures:
        label, boxes = _annotated(picture, reading)
        yield Example(
            id_below(picture.path, root),
            ImageSource(picture.path),
            picture.split,
            label,
            boxes,
            group=picture.group,
            mask=picture.masks[0] if len(picture.masks) == 1 and boxes else None,
            attributes=picture.attributes,
            origin=picture.path,
        )


def _annotated(picture: MaskedPicture, reading: Reading) -> tuple[str | None, Detections | None]:
    """Label and boxes; no boxes where the mask of a defective part is missing or does not fit."""
    masks = [mask for path in picture.masks if (mask := _mask(path, picture.path, reading)) is not None]
    empty = not any(mask.any() for mask in masks)
    is_unread = len(masks) < len(picture.masks)
    label = picture.label
    if picture.is_labelled_by_mask and not is_unread:
        label = GOOD if empty else DEFECTIVE
    if is_unread or label is None:
        return label, None
    if not masks or empty:
        if is_good(label):
            return label, Detections()
        if masks:
            what, remedy = (
                "its mask has no pixel inside, though it is labelled defective",
                "Draw the mask, or relabel it",
            )
            reading.tell("empty-mask", picture.path, what, remedy, severity=Severity.WARNING)
        elif picture.is_masked:
            remedy = "Put it beside the others; until then the picture counts as not annotated"
            reading.tell(
                "missing-file", picture.path, "this defective picture has no mask", remedy, severity=Severity.WARNING
            )
        return label, None
    if len(masks) == 1:
        boxes = boxes_of_mask(masks[0])
        return label, Detections(boxes, (label,) * len(boxes))
    regions = [region for mask in masks for region in regions_of(mask)]
    return label, Detections(
        tuple(box for box, _ in regions), (label,) * len(regions), outlines=tuple(outline for _, outline in regions)
    )


def _mask(path: str, picture: str, reading: Reading) -> Mask | None:
    reading.use(path)
    try:
        mask = read_mask(ImageSource(path))
    except PictureError as error:
        reading.tell("unreadable-image", path, error.what, error.remedy)
        return None
    size_wh = reading.size_of(ImageSource(picture))
    if size_wh is None:
        return None
    if mask.shape != size_wh[::-1]:
        height, width = mask.shape
        what = f"the mask has {width} × {height} pixels, its picture {size_wh[0]} × {size_wh[1]}"
        reading.tell("mask-size", path, what, "Export the masks again from pictures of this size")
        return None
    return mask
