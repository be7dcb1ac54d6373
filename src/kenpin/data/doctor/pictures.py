"""Checks of the picture files: damage, disguise, orientation, stated size, depth, and what they have in common."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from kenpin.data.doctor.quality import Quality, quality_of
from kenpin.data.doctor.subject import listed
from kenpin.data.duplicates import perceptual_hash
from kenpin.data.images import SUFFIXES, Header, Picture, read_picture
from kenpin.data.picture_files import PictureError, read_bytes_once
from kenpin.plural import counted, is_are
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kenpin.data.doctor.subject import Subject
    from kenpin.records import Example

_GREY_MODES = ("1", "L", "LA", "I")
_SIZE_RATIO = 4  # times as long: the same defect is then seen at very different scales
_CAMERA_BITS = (8, 10, 12, 14)
_LOW_BITS = 14  # a camera of 10, 12 or 14 bits that writes them unshifted into 16


@dataclass(frozen=True, slots=True)
class Look:
    """What was measured on an opened picture; only the finding where it cannot be opened."""

    findings: tuple[Finding, ...]
    header: Header | None = None
    highest: int | None = None
    content: str = ""
    perceptual: bytes = b""
    quality: Quality | None = None
    pages: int = 1

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Displayed width and height in pixels."""
        return None if self.header is None else self.header.size_wh

    def without_findings(self) -> Look:
        """The look without its findings."""
        return replace(self, findings=())


NOT_OPENED = Look(())
"""The look at a picture that was not opened, and at a row of numbers."""


def look_at(example: Example, seen: Callable[[Example, Picture], None] | None = None) -> tuple[Example, Look]:
    """Open the picture once, for everything that the checks need of it, and show it to `seen`."""
    if example.items is not None:
        return example, NOT_OPENED
    try:
        once = read_bytes_once(example.image)  # the hash that copies are found by is of the picture that was seen
        picture = read_picture(once.source)
    except PictureError as error:
        where, about = str(example.image), (example.id,)
        return example, Look((Finding(Severity.ERROR, error.code, where, error.what, error.remedy, about),))
    if seen is not None:
        seen(example, picture)
    header = picture.header
    findings = (*_disguise(example, header), *_orientation(example, header), *_stated_size(example, header))
    perceptual = perceptual_hash(picture.rgb).tobytes()
    quality = quality_of(picture.rgb)
    return example, Look(findings, header, picture.highest, once.content, perceptual, quality, picture.pages)


def _disguise(example: Example, header: Header) -> Iterator[Finding]:
    suffix = PurePath(example.image.path or "").suffix
    expected = SUFFIXES.get(suffix.lower())
    if expected not in (None, header.format):
        what = f"the name ends in {suffix} but the content is {header.format}"
        remedy = "Rename it; other programs go by the name and may refuse it"
        yield Finding(Severity.WARNING, "image-disguised", str(example.image), what, remedy, (example.id,))


def _orientation(example: Example, header: Header) -> Iterator[Finding]:
    if header.orientation == 1:
        return
    what = f"the picture is stored turned or mirrored (EXIF orientation {header.orientation})"
    severity, remedy = Severity.INFO, "Nothing to do; it is turned upright when opened"
    if example.boxes:
        what += " and has boxes"
        severity = Severity.WARNING
        remedy = "Check that its boxes were drawn on the picture as displayed; kenpin assumes so"
    yield Finding(severity, "exif-orientation", str(example.image), what, remedy, (example.id,))


def _stated_size(example: Example, header: Header) -> Iterator[Finding]:
    if example.size_wh is None or example.size_wh == header.size_wh:
        return
    stated, displayed = (f"{width} × {height}" for width, height in (example.size_wh, header.size_wh))
    if header.orientation >= 5 and example.size_wh == header.size_wh[::-1]:
        what = f"the annotation states {stated}, the size before EXIF rotation; the picture is displayed as {displayed}"
        remedy = "Its boxes were drawn on the unrotated picture: rotate the file for good, or annotate it again"
    else:
        what = f"the annotation states {stated}, but the picture is {displayed}"
        remedy = "Put back the picture that was annotated, or scale the boxes and correct the size"
    where = example.origin or str(example.image)
    yield Finding(Severity.ERROR, "image-size-mismatch", where, what, remedy, (example.id,))


def collection_findings(subject: Subject) -> Iterator[Finding]:
    """Findings across pictures: grey beside colour, sizes, bit depths, pages."""
    headers = {name: look.header for name, look in zip(subject.ids, subject.looks, strict=True) if look.header}
    yield from _depth(subject, headers)
    yield from _pages(subject)
    if not headers:
        return
    grey = [name for name, header in headers.items() if header.mode.split(";")[0] in _GREY_MODES]
    if 0 < len(grey) < len(headers):
        what = f"{len(grey)} of {counted(len(headers), 'picture')} {is_are(len(grey))} grey, the others have colour"
        remedy = "Nothing to do if both kinds occur in use; if colour depends on the class, the model learns the colour"
        yield Finding(Severity.INFO, "grey-and-colour", subject.name, what, remedy)
    longest = {name: max(header.size_wh) for name, header in headers.items()}
    smallest, largest = min(longest, key=longest.__getitem__), max(longest, key=longest.__getitem__)
    if longest[largest] > _SIZE_RATIO * longest[smallest]:
        sizes = [f"{name} is {w} × {h}" for name in (smallest, largest) for w, h in (headers[name].size_wh,)]
        what = f"the sizes of the pictures differ a lot: {', '.join(sizes)}"
        remedy = "Check that a defect is large enough in each of them; a network scales all to one size"
        yield Finding(Severity.INFO, "sizes-differ", subject.name, what, remedy)


def _depth(subject: Subject, headers: dict[str, Header]) -> Iterator[Finding]:
    deep = [name for name, header in headers.items() if header.bit_depth > 8]
    if not deep:
        return
    depths = Counter(headers[name].bit_depth for name in deep)
    counts = ", ".join(f"{number} of {counted(bits, 'bit')}" for bits, number in sorted(depths.items()))
    highest = {
        name: look.highest
        for name, look in zip(subject.ids, subject.looks, strict=True)
        if look.highest is not None and look.header is not None and look.header.bit_depth == 16
    }
    low = [name for name, value in highest.items() if value.bit_length() <= _LOW_BITS]
    what, remedy = f"deep pictures ({counts}): {listed(deep)}", "Their full range is scaled to 8 bits"
    yield Finding(Severity.INFO, "image-deep", subject.name, what, remedy if low else f"Nothing to do. {remedy}")
    if not low:
        return
    bits = max(highest[name].bit_length() for name in low)
    camera = next(depth for depth in _CAMERA_BITS if bits <= depth)
    if len(low) == len(highest):
        what = f"no 16-bit picture uses more than the lowest {counted(bits, 'bit')}, so all look nearly black"
    else:
        what = f"{len(low)} of {counted(len(highest), '16-bit picture')} {'uses' if len(low) == 1 else 'use'} no more "
        what += f"than the lowest {counted(bits, 'bit')} and {'looks' if len(low) == 1 else 'look'} nearly black"
    remedy = f"If the camera has {counted(camera, 'bit')}, rewrite the grey ones: "
    remedy += f"`kenpin convert {shlex.quote(subject.name)} OUT --to FORMAT --range 0 {2**camera - 1}`"
    yield Finding(Severity.WARNING, "image-low-bits", subject.name, f"{what}: {listed(low)}", remedy, tuple(low))


def _pages(subject: Subject) -> Iterator[Finding]:
    several = {
        name: look.pages
        for name, look in zip(subject.ids, subject.looks, strict=True)
        if look.header and look.pages > 1
    }
    if several:
        most = max(several, key=several.__getitem__)
        more = f", the most of them {several[most]}" if several[most] > 2 else ""
        what = f"{counted(len(several), 'file')} with more than one page{more}, of which only the first is read: "
        what += listed(list(several))
        remedy = "Save each page as a picture of its own where the others matter"
        yield Finding(Severity.WARNING, "image-pages", subject.name, what, remedy, tuple(several))
