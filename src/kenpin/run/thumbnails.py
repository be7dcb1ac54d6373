"""Small JPEGs of the pictures in one Parquet file, so that a report can be drawn without the data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from kenpin.data.images import jpeg_thumbnail, read_header, read_image
from kenpin.errors import ImageError, RunError
from kenpin.records import Example, ImageSource

_SCHEMA = pa.schema([("id", pa.string()), ("jpeg", pa.binary())])
_LARGEST_PX = 1024
"""Longer side that a thumbnail may have; kenpin writes 128."""


def write_thumbnails(
    examples: Iterable[Example],
    path: Path,
    read_image: Callable[[ImageSource], Image.Image],
    *,
    first: Iterable[str] = (),
    max_side_px: int = 128,
    at_most: int = 2_000,
) -> int:
    """Write thumbnails of at most `at_most` pictures and return their number.

    The pictures of the ids in `first`, usually mistakes, come before all others; of the others every n-th is taken, so
    that all parts of a sorted data set are shown. Unreadable pictures are left out.
    """
    chosen = {example.id: example.image for example in examples}
    front = [id for id in dict.fromkeys(first) if id in chosen][:at_most]
    rest = [id for id in chosen if id not in set(front)]
    room = at_most - len(front)
    every = max(1, -(-len(rest) // room)) if room else len(rest) + 1
    rows = []
    for id in (*front, *(rest[::every] if room else ())):
        try:
            rows.append({"id": id, "jpeg": jpeg_thumbnail(read_image(chosen[id]), max_side_px)})
        except ImageError:
            continue
    path.parent.mkdir(parents=True, exist_ok=True)
    # JPEGs do not compress further
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), path, compression="none")
    return len(rows)


def read_thumbnails(path: Path) -> Mapping[str, bytes]:
    """JPEG bytes by picture id; empty where there is no such file. Raises RunError for a damaged one."""
    if not path.exists():
        return {}
    try:
        table = pq.read_table(path, schema=_SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise RunError(
            f"{path}: it is no table of thumbnails ({error}). Delete it or evaluate the run again."
        ) from error
    thumbnails = dict(zip(table.column("id").to_pylist(), table.column("jpeg").to_pylist(), strict=True))
    for id, jpeg in thumbnails.items():
        if not is_jpeg(jpeg or b"", _LARGEST_PX):
            raise RunError(f"{path}: {id!r:.60} has no small JPEG in it. Delete it or evaluate the run again.")
    return thumbnails


def is_jpeg(data: bytes, largest_px: int) -> bool:
    """Whether the bytes begin as a JPEG with sides of at most so many pixels; nothing is decoded."""
    try:
        header = read_header(ImageSource("thumbnail", data))
    except ImageError:
        return False
    return header.format == "JPEG" and max(header.size_wh) <= largest_px


def smaller(thumbnails: Mapping[str, bytes], max_side_px: int | None) -> Mapping[str, bytes]:
    """The thumbnails with longer sides of at most `max_side_px`; None: unchanged."""
    if max_side_px is None:
        return thumbnails
    opened = ((id, read_image(ImageSource(id, jpeg))) for id, jpeg in thumbnails.items())
    return {id: jpeg_thumbnail(image, max_side_px) for id, image in opened}
