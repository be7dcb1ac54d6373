"""How a data set shows itself: counts in a line, and in a notebook a table of them with a few of the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from kenpin.data.images import jpeg_thumbnail, read_image
from kenpin.display import card, figures, sentences, shortened, table
from kenpin.errors import ImageError
from kenpin.plural import counted

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset
    from kenpin.records import Example

_PICTURES, _SPLITS = 8, 8


def in_a_line(dataset: Dataset) -> str:
    """Source, counts, and counts by class and split."""
    boxes = sum(len(labels or ()) for labels in dataset.column("box_labels"))
    numbers = [counted(len(dataset), "part" if dataset.item_names else "picture")]
    numbers += [counted(len(dataset.item_names), "item")] if dataset.item_names else []
    numbers += [
        f"{name}s {shortened(counts)}" for name in ("label", "split") if (counts := _counted(dataset.column(name)))
    ]
    numbers += [counted(boxes, "box")] if boxes else []
    numbers += [counted(len(dataset.findings), "finding")] if dataset.findings else []
    return f"<Dataset{f' {dataset.root}' if dataset.root else ''}: {', '.join(numbers)}>"


def as_html(dataset: Dataset) -> str:
    """Counts by class and split, the reader's findings, and pictures from all over the data set."""
    splits = list(_counted(dataset.column("split")))[:_SPLITS] or ["all"]
    pairs = Counter(zip(dataset.column("label"), dataset.column("split"), strict=True))
    labels = sorted({label for label, _ in pairs}, key=lambda label: (label is None, label))
    rows = (
        [label or "no label", *(pairs[label, None if splits == ["all"] else split] for split in splits)]
        for label in labels
    )
    parts = [table(("", *splits), rows, len(labels))]
    if dataset.findings:
        parts.append(sentences(dataset.findings))
    if not dataset.item_names:
        parts.append(figures(_thumbnails(dataset)))
    return card(in_a_line(dataset).strip("<>"), *parts)


def _counted(values: list[str | None]) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    return dict(Counter(value for value in values if value is not None).most_common())


def _thumbnails(dataset: Dataset) -> Iterator[tuple[bytes, str]]:
    """Every n-th picture, so that all parts of a sorted data set are shown; unreadable pictures are left out."""
    every = max(1, -(-len(dataset) // _PICTURES))
    for example in dataset.select(range(0, len(dataset), every)):
        try:
            yield jpeg_thumbnail(read_image(example.image)), _caption(example)
        except ImageError:
            continue


def _caption(example: Example) -> str:
    box_count = None if example.boxes is None else counted(len(example.boxes), "box")
    return ": ".join(part for part in (PurePath(example.id).name, example.label or box_count) if part)
