"""Small made pictures that tests and the documentation's snippets work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE_WH = (64, 64)


def part(seed: int, *, scratched: bool) -> Image.Image:
    """A grey, noisy part, with a bright scratch across it where asked. The same seed gives the same picture."""
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.normal(110, 12, SIZE_WH[::-1]).clip(0, 255).astype(np.uint8)).convert("RGB")
    if scratched:
        x1, y1, x2, y2 = (float(v) for v in rng.uniform((4, 4, 40, 40), (24, 24, 60, 60)))
        ImageDraw.Draw(picture).line((x1, y1, x2, y2), fill=(250, 250, 250), width=4)
    return picture


def write_parts(folder: Path, *, count: int = 60, first: int = 0) -> Path:
    """Class folders `ok` and `scratch` with `count` pictures each, from seed `first` on; returns the folder."""
    for place, label in enumerate(("ok", "scratch")):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            picture = part(first + place * count + number, scratched=label == "scratch")
            picture.save(folder / label / f"{number:03}.png")
    return folder


SHIFTS_PX = {"passed": (0, 0), "Xplus": (6, 0), "Xminus": (-6, 0), "Yplus": (0, -6), "Yminus": (0, 6)}
"""Classes of `shifted_terminal`: how far the terminal sits from the middle, x to the right, y downwards."""


def shifted_terminal(seed: int, shift_px: tuple[int, int]) -> Image.Image:
    """A terminal in its frame, moved by `shift_px`; frame, light and noise differ from seed to seed."""
    rng = np.random.default_rng(seed)
    width, height = SIZE_WH
    picture = Image.fromarray(rng.normal(70, 6, (height, width)).clip(0, 255).astype(np.uint8)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    left, top = (int(v) for v in rng.integers(6, 11, 2))
    metal, light = int(rng.integers(120, 150)), int(rng.integers(200, 250))
    draw.rectangle((left, top, left + 46, top + 46), outline=(metal,) * 3, width=3)
    x, y = left + 13 + shift_px[0], top + 13 + shift_px[1]
    draw.rectangle((x, y, x + 20, y + 20), fill=(light,) * 3)
    return picture


def write_terminals(folder: Path, *, count: int = 24) -> Path:
    """Class folders passed, Xplus, Xminus, Yplus, Yminus of shifted terminals; returns the folder."""
    for place, (label, shift) in enumerate(SHIFTS_PX.items()):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            shifted_terminal(1000 * place + number, shift).save(folder / label / f"{number:03}.png")
    return folder


def write_mvtec(root: Path, tested: int) -> Path:
    """An MVTec folder of 40 good parts and `tested` of each kind, with masks of the scratches."""
    for folder in ("train/good", "test/good", "test/scratch", "ground_truth/scratch"):
        (root / folder).mkdir(parents=True)
    for seed in range(40):
        part(seed, scratched=False).save(root / f"train/good/{seed:03}.png")
    for seed in range(tested):
        part(100 + seed, scratched=False).save(root / f"test/good/{seed:03}.png")
        part(200 + seed, scratched=True).save(root / f"test/scratch/{seed:03}.png")
        mask = np.asarray(part(200 + seed, scratched=True).convert("L")) > 230
        Image.fromarray(mask).save(root / f"ground_truth/scratch/{seed:03}_mask.png")
    return root
