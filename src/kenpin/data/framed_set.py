"""Framed pictures as a data set: each opened, framed and described when its turn comes."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from kenpin.data.alignment import NotAlignedError
from kenpin.data.dataset import Dataset
from kenpin.data.framing import Framed, Framing
from kenpin.data.images import bytes_of_size, displayed_size, read_grey_or_rgb, read_mask
from kenpin.data.picture_files import PictureBytes, PictureError, in_memory
from kenpin.errors import ImageError
from kenpin.masks import Mask
from kenpin.records import Box, Detections, Example, ImageSource

_HELD_BYTES = 256 * 1024**2
"""Of framed pictures: threads open them ahead, and each is asked for again where its outputs come back."""


class OpensFramed:
    """Opens framed pictures, and keeps the last ones."""

    def __init__(self, pictures: Dataset, framing: Framing) -> None:
        self.pictures, self.framing = pictures, framing
        self._held: OrderedDict[int, tuple[Framed, str]] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"pictures": self.pictures, "framing": self.framing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def content(self, example: Example) -> str:
        """Hash that tells a framed picture by its picture's bytes and how it is framed."""
        picture = self.pictures[row_of_framed(example)]
        try:
            framing = self.framing_of(picture)
        except ImageError:  # opening it says why
            return ""
        return _content_of(self.pictures.content_of(picture), framing)

    def open(self, example: Example) -> PictureBytes:
        """The framed picture's pixels. Raises ImageError, also where it cannot be aligned."""
        framed, content = self._framed(row_of_framed(example))
        return PictureBytes(in_memory(framed.image), content, None)

    def framed(self, example: Example) -> Framed:
        """How one of the pictures is framed. Raises ImageError."""
        return self._framed(row_of_framed(example))[0]

    def framing_of(self, picture: Example, size_wh: tuple[int, int] | None = None) -> Framing:
        """How one of the pictures is to be framed. Raises ImageError where it has no region."""
        if self.framing.by_picture is None:
            return self.framing
        return self.framing.of_picture(
            picture, size_wh or picture.size_wh or displayed_size(self.pictures.source_of(picture))
        )

    def _framed(self, row: int) -> tuple[Framed, str]:
        with self._lock:
            if row in self._held:
                return self._held[row]
        example = self.pictures[row]
        once = self.pictures.read_once(example)
        try:
            image = read_grey_or_rgb(once.source)
            framing = self.framing_of(example, image.size)
            framed = framing.of(image)
        except NotAlignedError as error:
            raise PictureError(example.image, error.code, f"{error}", error.remedy) from error
        found = framed, _content_of(once.content, framing)
        with self._lock:
            if row not in self._held:
                self._held[row] = found
                self._held_bytes += _bytes_of(framed)
            while self._held_bytes > _HELD_BYTES and len(self._held) > 1:
                self._held_bytes -= _bytes_of(self._held.popitem(last=False)[1][0])
        return found


def _content_of(whole: str, framing: Framing) -> str:
    return whole and hashlib.blake2b(f"{whole} {framing.key}".encode(), digest_size=16).hexdigest()


def _bytes_of(framed: Framed) -> int:
    return bytes_of_size(framed.image.size) + (0 if framed.inside is None else framed.inside.nbytes)


def row_of_framed(example: Example) -> int:
    """The row of the picture that an example of `framed_set` is of."""
    return int(example.id.partition(" ")[0])


def framed_set(
    pictures: Dataset, framing: Framing, sizes_wh: Sequence[tuple[int, int]] | None = None, *, annotated: bool = False
) -> tuple[Dataset, OpensFramed]:
    """All pictures, framed, and what opens them. sizes_wh: of the pictures as displayed, else read from their headers;
    annotated: with their annotations in the new frame, for which each is opened. Raises ImageError."""
    opener = OpensFramed(pictures, framing)
    found = Dataset.from_examples(
        _examples(pictures, opener, sizes_wh, annotated=annotated),
        classes=pictures.declared_classes,
        root=pictures.root,
        format=pictures.format,
    )
    return found.cut_out_of(pictures, opener), opener


def _examples(
    pictures: Dataset, opener: OpensFramed, sizes_wh: Sequence[tuple[int, int]] | None, *, annotated: bool
) -> Iterator[Example]:
    for row, example in enumerate(pictures):
        size_wh = (example.size_wh or displayed_size(example.image)) if sizes_wh is None else sizes_wh[row]
        moved = replace(
            example,
            id=f"{row} {example.id}",
            image=ImageSource(),  # so that whatever does not ask the data set for it fails
            size_wh=_framed_size(opener, example, size_wh),
            group=example.group or example.id,
            mask=None,
            boxes=None,
        )
        if annotated and (example.boxes is not None or example.mask is not None):
            moved = replace(moved, boxes=_boxes(example, opener.framing, opener.framed(moved)))
        yield moved


def _framed_size(opener: OpensFramed, example: Example, size_wh: tuple[int, int]) -> tuple[int, int]:
    """Size of a picture once it is framed; its own where it has no region, which is said when it is opened."""
    try:
        return opener.framing_of(example, size_wh).size_of(size_wh)
    except ImageError:
        return size_wh


def _boxes(example: Example, framing: Framing, framed: Framed) -> Detections:
    """What is marked in the picture, as boxes of the framed one; those that lie outside of it are left out."""
    if example.boxes is None:
        assert example.mask is not None
        mask = framing.moved_mask(read_mask(ImageSource(example.mask)), framed)
        found = _boxes_of_mask(mask)
        return Detections(tuple(found), (example.label or "",) * len(found))
    boxes = framing.boxes_in_frame(example.boxes.boxes_xyxy_px, framed)
    kept = [index for index, (x1, y1, x2, y2) in enumerate(boxes) if x1 < x2 and y1 < y2]
    crowd = example.boxes.crowd
    return Detections(
        tuple(boxes[index] for index in kept),
        tuple(example.boxes.labels[index] for index in kept),
        crowd=None if crowd is None else tuple(crowd[index] for index in kept),
    )


def _boxes_of_mask(mask: Mask) -> list[Box]:
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    return [
        (float(across.start), float(down.start), float(across.stop), float(down.stop))
        for down, across in ndimage.find_objects(labels)
    ]
