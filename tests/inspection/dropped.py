"""Pictures as a line drops them: whole or in pieces, renamed or not, some of them bad; run, it writes them slowly.

Usage: python -m tests.inspection.dropped FOLDER COUNT
"""

from __future__ import annotations

import io
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ASIDE_AFTER_S = 3.0
_ENDINGS = {"PNG": "png", "JPEG": "jpg", "BMP": "bmp"}


@dataclass(frozen=True)
class Dropped:
    """A file that the line drops."""

    name: str
    data: bytes
    good: bool
    way: str
    """at-once, pieces, renamed (from a hidden name), other-ending (renamed from one that is not a picture's)."""


def dropped(number: int) -> Dropped:
    """The file of this number, always the same one."""
    lot = random.Random(number)
    format = lot.choice([*_ENDINGS])
    good, way = lot.random() > 0.05, lot.choice(["at-once", "pieces", "pieces", "renamed", "other-ending"])
    file = io.BytesIO()
    noise = np.random.default_rng(number // 2).integers(0, 256, (24, 32, 3), np.uint8)  # each twice, under two names
    Image.fromarray(noise).save(file, format)
    data = file.getvalue() if good else lot.choice([file.getvalue()[:-200], b"", b"no picture at all"])
    folder = lot.choice(["", "", "left/", "right/deep/"])
    return Dropped(f"{folder}{number:05}.{_ENDINGS[format]}", data, good, way)


def drop(folder: Path, one: Dropped) -> None:
    """Write it in its way."""
    path = folder / one.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if one.way == "at-once":
        path.write_bytes(one.data)
    elif one.way == "pieces":
        lot = random.Random(one.name)
        cuts = sorted(lot.randint(0, len(one.data)) for _ in range(3))
        with path.open("wb", buffering=0) as file:
            for start, end in zip([0, *cuts], [*cuts, len(one.data)], strict=True):
                file.write(one.data[start:end])
                time.sleep(lot.uniform(0.0, 0.03))
    else:
        temporary = path.with_name(f".{path.name}") if one.way == "renamed" else path.with_name(f"{path.name}.part")
        temporary.write_bytes(one.data)
        time.sleep(0.002)
        temporary.rename(path)


if __name__ == "__main__":
    for number in range(int(sys.argv[2])):
        drop(Path(sys.argv[1]), dropped(number))
