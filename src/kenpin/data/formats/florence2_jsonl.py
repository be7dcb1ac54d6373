"""JSON lines in Florence-2's form: `{"image": "a.jpg", "prefix": "<OD>", "suffix": "scratch<loc_10><loc_20>…"}`.

The suffix holds a label and x1 y1 x2 y2 in 1000 bins of the displayed picture. Bins are whole numbers: boxes come back
at the bins' centres, up to half a bin from where they were, and are exactly equal from the second writing on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kenpin.codecs import florence2
from kenpin.data.reading import Reading, answers

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset

SUMMARY = "JSON lines of image, prefix and suffix with Florence-2's <loc_#> tokens"
CARRIES = frozenset({"split", "boxes", "prefix", "suffix", "unannotated"})


def recognises(path: Path) -> bool:
    """Whether the first lines hold Florence-2's location tokens, or its task tokens such as `<OD>`."""
    return answers.is_florence2(answers.opening_lines(path))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures with their boxes or texts."""
    return answers.read(path, reading, florence2, "florence2_jsonl")


def write(dataset: Dataset, path: Path) -> None:
    """Write JSON lines and the pictures beside them. Raises LabelError and DatasetError."""
    answers.write(dataset, path, florence2, lambda _: "<OD>")
