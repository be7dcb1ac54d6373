"""labelme: a JSON file beside each picture, with shapes in pixels; X-AnyLabeling's dialect of it too.

A `rectangle` is a box, whichever of its corners was drawn first. A `polygon`, `circle`, `rotation`, `mask` and whatever
else has an area is an outline with the box around it; `point`, `line`, `linestrip` and `points` have none. Shapes of
one label and `group_id` are one object, as labelme's own converters have it. `imagePath` names the picture, else it is
the one of the file's own stem. A picture without a JSON file is not annotated; with one that has no shapes it is
annotated as empty. A single flag that is true is the label.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size, png_of, read_mask
from kenpin.data.outlining import outlines_to_write
from kenpin.data.picture_files import PictureError
from kenpin.data.reading import Reading
from kenpin.data.reading.box_forms import BoxForm
from kenpin.data.reading.names import familiar, is_of_another_machine, require_standard_split, split_name
from kenpin.data.reading.pictures import ByStem, Finder, PictureCopier, files_below, id_below, is_picture
from kenpin.data.reading.reading import first_text, last_bytes
from kenpin.data.reading.shapes import Point, box_around, ellipse, outline_of, points_of, stated_size
from kenpin.errors import ShapeError
from kenpin.masks import framed, union_of
from kenpin.masks import outline_of as outline_of_mask
from kenpin.outlines import Outline
from kenpin.records import Box, Detections, Example, ImageSource, Severity

SUMMARY = "labelme: a JSON file with shapes beside each picture; X-AnyLabeling too"
CARRIES = frozenset({"split", "boxes", "outlines", "unannotated"})

_FOLDERS = {"train": "train", "validation": "val", "test": "test"}
_WITHOUT_AREA = ("point", "points", "line", "linestrip", "lines")
_AS_BOXES = ("rectangle", "mask")
_SHAPES = re.compile(r'"shapes"\s*:')
_OWN_KEYS = ("imagePath", "imageHeight", "imageWidth")
_LOOK_AT_BYTES = 65_536
_FILES_TRIED, _JSON_TRIED = 20_000, 20


def recognises(path: Path) -> bool:
    """Whether there is a JSON file of this form among the first that are found."""
    if path.is_file():
        return _is_json(str(path)) and _looks_right(str(path))
    files = filter(_is_json, islice(files_below(path, unlisted=[]), _FILES_TRIED))
    return any(map(_looks_right, islice(files, _JSON_TRIED)))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures with the shapes of their JSON files."""
    return Dataset.from_examples(_examples(path, reading), root=path, format="labelme")


def write(dataset: Dataset, path: Path) -> None:
    """Write pictures and JSON files into `train/`, `val/` and `test/`. Raises DatasetError for other splits and
    for a mask of another size than its picture's."""
    copier = PictureCopier(path)
    for example in dataset:
        folder = "" if example.split is None else _FOLDERS[require_standard_split(example.split, "labelme")]
        written = Path(copier.copy(example, folder))
        if example.boxes is None:
            continue
        width, height = example.size_wh or displayed_size(example.image)
        outlines = outlines_to_write(example, (width, height))
        shapes: list[dict[str, Any]] = []
        for number, (box, label, outline) in enumerate(
            zip(example.boxes.boxes_xyxy_px, example.boxes.labels, outlines, strict=True), start=1
        ):
            drawn = _drawn(box, outline, (width, height))
            group = number if len(drawn) > 1 else None  # the parts of one object
            shapes += [{"label": label, "group_id": group, "flags": {}, **shape} for shape in drawn]
        content: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": written.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        text = json.dumps(content, ensure_ascii=False, indent=2)
        (path / written.with_suffix(".json")).write_text(text, "utf-8")


def _drawn(box: Box, outline: Outline | None, size_wh: tuple[int, int]) -> list[dict[str, Any]]:
    """Kind and points of the shapes that are one object."""
    x1, y1, x2, y2 = box
    if outline is None:
        return [{"points": [[x1, y1], [x2, y2]], "shape_type": "rectangle"}]
    if outline.runs is None:
        rings = ([list(point) for point in zip(ring[0::2], ring[1::2], strict=True)] for ring in outline.rings)
        return [{"points": ring, "shape_type": "polygon"} for ring in rings]
    mask, (left, top) = framed(outline, size_wh)
    last = [left + mask.shape[1] - 1, top + mask.shape[0] - 1]
    png = base64.b64encode(png_of(mask.astype(np.uint8), "mask")).decode()
    return [{"points": [[left, top], last], "shape_type": "mask", "mask": png}]


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")


def _looks_right(file: str) -> bool:
    """Whether a JSON file has shapes and says whose; a picture may lie in it between the two."""
    text = first_text(file, _LOOK_AT_BYTES)
    if _SHAPES.search(text) is None:
        return False
    return any(f'"{key}"' in text or f'"{key}"'.encode() in last_bytes(file, _LOOK_AT_BYTES) for key in _OWN_KEYS)


@dataclass(frozen=True, slots=True)
class _Annotation:
    """A JSON file of this form, and the folder and split that it lies in."""

    file: str
    content: Mapping[str, Any]


def _examples(path: Path, reading: Reading) -> Iterator[Example]:
    root = path if path.is_dir() else path.parent
    all_files = list(files_below(root, unlisted=[]))
    pictures = [file for file in all_files if is_picture(file)]
    files = [str(path)] if path.is_file() else [file for file in all_files if _is_json(file) and _looks_right(file)]
    finder = Finder([root], root, reading)
    by_folder = _by_folder(pictures)
    left = dict.fromkeys(pictures)
    folders: set[str] = set()
    for file in files:
        content = reading.json_of(file)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            if content is not None:
                reading.tell("unparsable-file", file, "its shapes are not a list", "Save it again in labelme")
            continue
        picture = _picture_of(file, content.get("imagePath"), root, by_folder, finder)
        if picture is None:
            finder.tell_missing(file, str(content.get("imagePath")), "Put it beside the JSON file, or remove that")
        elif picture not in left:
            what, remedy = f"another JSON file already annotates {picture!r}", "Keep one of the two"
            reading.tell("duplicate-id", file, what, remedy)
        else:
            del left[picture]
            folders |= {os.path.dirname(picture), os.path.dirname(file)}
            label = _flag(content.get("flags"), file, reading)
            size = stated_size(content.get("imageWidth"), content.get("imageHeight"))
            boxes: Detections | None = _detections(content["shapes"], file, (ImageSource(picture), size), reading)
            if label is not None and not content["shapes"]:
                boxes = None  # it was sorted, not searched
            yield Example(
                id_below(picture, root),
                ImageSource(picture),
                _split_of(picture, root),
                label,
                boxes,
                size_wh=size,
                origin=file,
            )
    for picture in left if path.is_dir() else ():
        if os.path.dirname(picture) in folders or _split_of(picture, root) is not None:
            yield Example(id_below(picture, root), ImageSource(picture), _split_of(picture, root), origin=picture)


def _by_folder(pictures: list[str]) -> dict[str, ByStem]:
    names: dict[str, list[str]] = {}
    for picture in pictures:
        names.setdefault(os.path.dirname(picture), []).append(picture)
    return {folder: ByStem(found) for folder, found in names.items()}


def _split_of(picture: str, root: Path) -> str | None:
    """The split whose name a folder above the picture has."""
    parts = os.path.dirname(picture)[len(str(root)) :].split(os.sep)
    return next((split for part in parts if (split := split_name(part)) is not None), None)


def _picture_of(file: str, stated: object, root: Path, by_folder: Mapping[str, ByStem], finder: Finder) -> str | None:
    """The picture of a JSON file: the one that it names beside it, that of its own stem, or the one that it names."""
    folder, name = os.path.split(file)
    stated = familiar(stated) if isinstance(stated, str) and "\0" not in stated else ""
    own = os.path.normpath(os.path.join(folder, stated))
    if stated and os.path.isfile(own):
        return own
    if (beside := by_folder.get(folder)) is not None:
        wanted = os.path.basename(stated)
        of_name = beside.of(os.path.splitext(wanted)[0])
        found = [path for path in of_name if os.path.basename(path) == wanted] or of_name
        if found := found or beside.of(os.path.splitext(name)[0]):
            return found[0]
    if not stated or is_of_another_machine(stated):
        return finder.find(stated)
    below = os.path.relpath(own, root)
    return finder.find(stated if below.startswith("..") else below)


class _Part(NamedTuple):
    """A shape: its kind, the points of its edge, and of a mask the outline."""

    kind: str
    edge: list[Point]
    mask: Outline | None = None


def _detections(
    shapes: list[Any], file: str, pictured: tuple[ImageSource, tuple[int, int] | None], reading: Reading
) -> Detections:
    """A box for each object drawn on a picture, whose stated size comes with it."""
    objects: list[list[_Part]] = []
    labels: list[str] = []
    of_group: dict[tuple[str, object], int] = {}
    for index, shape in enumerate(shapes):
        where = f"{file}: shape {index}"
        label = shape.get("label") if isinstance(shape, dict) else None
        kind = str(shape.get("shape_type") or "polygon") if isinstance(shape, dict) else ""
        if kind in _WITHOUT_AREA:
            what, remedy = (
                "points and lines have no area and are not read",
                "Draw boxes or polygons, if they are wanted",
            )
            reading.tell_once("shape-not-read", where, what, remedy, severity=Severity.WARNING)
            continue
        edge = [] if not isinstance(shape, dict) else _edge(kind, points_of(shape.get("points")))
        if not isinstance(label, str) or not label or len(edge) < 2:
            what = f"it has no label, or too few points for its kind ({kind or 'none'})"
            reading.tell("box-unparsable", where, what, "Draw it again, or remove it")
            continue
        part = _Part(kind, edge) if kind != "mask" else _masked(edge, shape.get("mask"), pictured, where, reading)
        group = shape.get("group_id")
        if isinstance(group, int | str):
            number = of_group.setdefault((label, group), len(objects))
            if number < len(objects):
                objects[number].append(part)
                continue
        objects.append([part])
        labels.append(label)
    around = [box_around(point for part in parts for point in part.edge) for parts in objects]
    boxes: list[Box] = [box for box in around if box is not None]
    if reading.boxes is not None:
        boxes = [reading.box(box, BoxForm.XYXY, pictured[0]) or box for box in boxes]
    outlines = [_outline(parts) for parts in objects]
    return Detections(tuple(boxes), tuple(labels), outlines=tuple(outlines) if any(outlines) else None)


def _outline(parts: list[_Part]) -> Outline | None:
    """The outline of an object of these parts; None where only the box of one of them is known."""
    masks = [part.mask for part in parts if part.mask is not None]
    drawn = [part for part in parts if part.mask is None]
    if any(part.kind in _AS_BOXES for part in drawn):
        return None
    polygons = outline_of([part.edge for part in drawn], oriented={part.kind for part in drawn} == {"rotation"})
    if not masks or (drawn and polygons is None):
        return polygons
    size_wh = masks[0].size_wh
    return masks[0] if len(parts) == 1 or size_wh is None else outline_of_mask(union_of([*masks, polygons], size_wh))


def _masked(
    frame: list[Point], text: object, pictured: tuple[ImageSource, tuple[int, int] | None], where: str, reading: Reading
) -> _Part:
    """A mask as a part; where its pixels are told to be none of the picture, its frame alone.

    frame: the outermost pixels; text: a PNG file of the pixels from the one to the other, in base 64.
    """
    picture, size_wh = pictured
    if (size_wh := size_wh or reading.size_of(picture)) is None:
        return _Part("mask", frame)
    try:
        outline = _outline_of_png(frame, text, size_wh)
    except ShapeError as error:
        remedy = "Draw it again, or remove it; until then only the frame around it is read"
        reading.tell("outline-unparsable", where, str(error), remedy)
        return _Part("mask", frame)
    x1, y1, x2, y2 = outline.box_xyxy_px
    return _Part("mask", [(x1, y1), (x2, y2)], outline)


def _outline_of_png(frame: list[Point], text: object, size_wh: tuple[int, int]) -> Outline:
    left, top, right, bottom = map(int, box_around(frame) or (0, 0, 0, 0))
    try:
        mask = read_mask(ImageSource("mask", base64.b64decode(text, validate=True) if isinstance(text, str) else b""))
    except (ValueError, PictureError) as error:
        what = error.what if isinstance(error, PictureError) else str(error)
        raise ShapeError(f"its mask is not a picture in base 64 ({what})") from error
    height, width = mask.shape
    # labelme counts the last pixel in, others draw the frame around it
    if not (0 <= width - (right - left) <= 1 and 0 <= height - (bottom - top) <= 1):
        frame_wh = f"{right - left + 1} × {bottom - top + 1}"
        raise ShapeError(f"its mask has {width} × {height} pixels, its frame {frame_wh}")
    if not mask.any():
        raise ShapeError("its mask has no pixel inside")
    return outline_of_mask(mask, (left, top), size_wh)


def _edge(kind: str, points: list[Point]) -> list[Point]:
    """The points of a shape's edge; none where they are too few."""
    if kind != "circle":
        return points
    if len(points) != 2:
        return []
    (x, y), (edge_x, edge_y) = points
    radius = ((edge_x - x) ** 2 + (edge_y - y) ** 2) ** 0.5
    return ellipse((x, y), (radius, radius))


def _flag(flags: object, file: str, reading: Reading) -> str | None:
    """The name of the flag that is true."""
    true = [str(name) for name, value in flags.items() if value is True] if isinstance(flags, dict) else []
    if len(true) > 1:
        what, remedy = f"several of its flags are true: {', '.join(true)}", "Set one, if flags are the labels"
        reading.tell("several-labels", file, what, remedy, severity=Severity.WARNING)
    return true[0] if len(true) == 1 else None
