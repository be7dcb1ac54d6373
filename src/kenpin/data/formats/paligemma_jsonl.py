"""JSON lines in PaliGemma's form: `{"image": "a.jpg", "prefix": "detect a ; b", "suffix": "<loc0010>… a ; …"}`.

The suffix holds y1 x1 y2 x2 in 1024 bins of the displayed picture, perhaps sixteen segment codes, and a label. Bins are
whole numbers: boxes come back as x1 y1 x2 y2 in pixels at the bins' centres, up to half a bin from where they were, and
are exactly equal from the second writing on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kenpin.codecs import paligemma
from kenpin.data.reading import Reading, answers

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset

SUMMARY = "JSON lines of image, prefix and suffix with PaliGemma's <loc####> tokens"
CARRIES = frozenset({"split", "boxes", "segments", "prefix", "suffix", "unannotated"})


def recognises(path: Path) -> bool:
    """Whether there are lines of image and suffix, and they are not in Florence-2's form."""
    lines = answers.opening_lines(path)
    return bool(lines) and not answers.is_florence2(lines)


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures with their boxes or texts."""
    return answers.read(path, reading, paligemma, "paligemma_jsonl")


def write(dataset: Dataset, path: Path) -> None:
    """Write JSON lines and the pictures beside them. Raises LabelError and DatasetError."""
    answers.write(dataset, path, paligemma, lambda data: paligemma.prefix(data.classes))
