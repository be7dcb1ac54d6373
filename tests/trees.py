"""Real pictures with boxes: the aerial pictures of tree crowns that the package deepforest carries, cut into tiles."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest

from kenpin.boxes import area, clip
from kenpin.codecs import chosen
from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset
from kenpin.records import Detections, Example, ImageSource

PICTURES = ("OSBS_029", "SOAP_061", "2019_YELL_2_541000_4977000_image_crop")


def trees(folder: Path, side_px: int = 200, *, largest: int = 8) -> Dataset:
    """Tiles of `side_px` with at most `largest` crowns; every fourth tile in validation. Skips where the package is
    absent: it is looked at, never imported."""
    found = importlib.util.find_spec("deepforest")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the pictures come with deepforest: pip install --no-deps deepforest==2.1.0")
    source = Path(found.submodule_search_locations[0], "data")
    folder.mkdir()
    for name in PICTURES:
        for kind in ("png", "xml"):
            (folder / f"{name}.{kind}").write_bytes((source / f"{name}.{kind}").read_bytes())
    tiles = [tile for example in load_dataset(folder, format="voc") for tile in _tiles(example, side_px)]
    kept = [tile for tile in tiles if tile.boxes is not None and len(tile.boxes) <= largest]
    return Dataset.from_examples(
        [
            Example(
                id=tile.id,
                image=tile.image,
                boxes=tile.boxes,
                size_wh=(side_px, side_px),
                split="validation" if place % 4 == 0 else "train",
            )
            for place, tile in enumerate(kept)
        ]
    )


def _tiles(example: Example, side_px: int) -> list[Example]:
    picture, boxes = read_image(example.image), example.boxes or Detections()
    corners = np.array(boxes.boxes_xyxy_px, np.float64).reshape(-1, 4)
    tiles = []
    for top in range(0, picture.height - side_px + 1, side_px):
        for left in range(0, picture.width - side_px + 1, side_px):
            moved = clip(corners - [left, top, left, top], (side_px, side_px))
            inside = np.flatnonzero(area(moved) > 0.5 * area(corners))
            buffer = io.BytesIO()
            picture.crop((left, top, left + side_px, top + side_px)).save(buffer, "PNG")
            name = f"{Path(example.id).stem}-{top}-{left}.png"
            kept = chosen(boxes, inside.tolist())
            cut = tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in moved[inside].tolist())
            tiles.append(
                Example(
                    id=name,
                    image=ImageSource(path=name, data=buffer.getvalue()),
                    boxes=Detections(cut, kept.labels),
                )
            )
    return tiles
