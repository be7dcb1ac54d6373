"""Examples as rows of an Arrow table, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from kenpin.data.reading.names import path_of_stored, readable, stored_path
from kenpin.outlines import from_text, to_text
from kenpin.records import Detections, Example, ImageSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("split", pa.string()),
        ("label", pa.string()),
        ("boxes_xyxy_px", pa.list_(pa.list_(pa.float64()))),
        ("box_labels", pa.list_(pa.string())),
        ("box_segments", pa.list_(pa.string())),
        ("box_crowd", pa.list_(pa.bool_())),
        ("group", pa.string()),
        ("prefix", pa.string()),
        ("suffix", pa.string()),
        ("mask", pa.string()),
        ("size_wh", pa.list_(pa.int64())),
        ("attributes", pa.string()),  # a JSON object; "{}" where there are none
        ("origin", pa.string()),
        ("items", pa.list_(pa.float64())),
        ("box_outlines", pa.list_(pa.string())),  # of `outlines.to_text`
    ]
)
_BLOCK = 10_000  # examples turned into columns at a time, so that a long reader never holds them all as objects
READ = 1_000
"""Rows turned into examples at a time."""


def row_of(example: Example) -> dict[str, Any]:
    """The values of an example by the columns of `SCHEMA`."""
    boxes = example.boxes
    outlines = None if boxes is None else boxes.outlines
    return {
        "id": readable(example.id),
        "image": {"bytes": example.image.data, "path": stored_path(example.image.path)},
        "split": example.split,
        "label": example.label,
        "boxes_xyxy_px": None if boxes is None else [list(box) for box in boxes.boxes_xyxy_px],
        "box_labels": None if boxes is None else list(boxes.labels),
        "box_segments": None if boxes is None or boxes.segments is None else list(boxes.segments),
        "box_crowd": None if boxes is None or boxes.crowd is None else list(boxes.crowd),
        "group": example.group,
        "prefix": example.prefix,
        "suffix": example.suffix,
        "mask": stored_path(example.mask),
        "size_wh": None if example.size_wh is None else list(example.size_wh),
        "attributes": json.dumps(dict(example.attributes), ensure_ascii=False) if example.attributes else "{}",
        "origin": readable(example.origin),
        "items": None if example.items is None else list(example.items),
        "box_outlines": None if outlines is None else [outline and to_text(outline) for outline in outlines],
    }


def _example(row: Sequence[Any]) -> Example:
    """The values of a row, in the order of `SCHEMA`, as an example."""
    (id, image, split, label, boxes_xyxy_px, box_labels, box_segments, box_crowd,
     group, prefix, suffix, mask, size_wh, attributes, origin, items, box_outlines) = row  # fmt: skip
    boxes = None
    if boxes_xyxy_px is not None:
        boxes = Detections(
            boxes_xyxy_px=tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in boxes_xyxy_px),
            labels=tuple(box_labels),
            segments=None if box_segments is None else tuple(box_segments),
            crowd=None if box_crowd is None else tuple(box_crowd),
            outlines=None if box_outlines is None else tuple(text and from_text(text) for text in box_outlines),
        )
    return Example(
        id=id,
        image=ImageSource() if image is None else ImageSource(path_of_stored(image["path"]), image["bytes"]),
        split=split,
        label=label,
        boxes=boxes,
        group=group,
        prefix=prefix,
        suffix=suffix,
        mask=path_of_stored(mask),
        size_wh=None if size_wh is None else (size_wh[0], size_wh[1]),
        attributes={} if attributes == "{}" else json.loads(attributes),
        origin=origin,
        items=None if items is None else tuple(items),
    )


def examples_of(block: pa.Table | pa.RecordBatch) -> Iterator[Example]:
    """The rows of a block as examples. Most columns are empty; no value is read from those."""
    columns = (block.column(name) for name in SCHEMA.names)
    values = (repeat(None) if column.null_count == len(block) else column.to_pylist() for column in columns)
    return map(_example, zip(*values, strict=False))


def gathered(arrow: pa.Table, rows: NDArray[np.int64]) -> Iterator[Example]:
    """The examples of these rows, taken batch by batch: cut out row by row, each would cost as much as opening a small
    picture."""
    batches = arrow.to_batches()
    ends = np.cumsum([len(batch) for batch in batches])
    for start in range(0, len(rows), READ):
        wanted = rows[start : start + READ]
        examples: dict[int, Example] = {}
        of_batch = np.searchsorted(ends, wanted, side="right")
        for number in np.unique(of_batch):
            at = np.flatnonzero(of_batch == number)
            batch = batches[number]
            taken = batch.take(pa.array(wanted[at] - (ends[number] - len(batch))))
            examples.update(zip(at.tolist(), examples_of(taken), strict=True))
        yield from (examples[row] for row in range(len(wanted)))


def blocks_of(examples: Iterable[Example]) -> Iterator[pa.Table]:
    """The examples as tables, one after the other."""
    rows: list[dict[str, Any]] = []
    for example in examples:
        rows.append(row_of(example))
        if len(rows) == _BLOCK:
            yield pa.Table.from_pylist(rows, schema=SCHEMA)
            rows = []
    yield pa.Table.from_pylist(rows, schema=SCHEMA)
