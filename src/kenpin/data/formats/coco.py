"""COCO: one JSON file, or a folder with `annotations/*.json` or with Roboflow's `<split>/_annotations.coco.json`.

`bbox` is left, top, width and height in pixels of the displayed picture, fractions allowed; boxes come out as
x1 y1 x2 y2 in pixels. `segmentation` is a list of polygons, or an RLE mask as a list or compressed: the outline; where
there is no `bbox`, the box around it. Ids may be any whole number, 0 too, or text. A picture without annotations is
annotated as empty. CVAT calls its only part `default`, which is no split. Key points are not read. A picture's group is
the text `group` of its image, which is kenpin's own. Boxes survive up to the rounding of one subtraction, outlines
exactly.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kenpin.boxes import xywh_from_xyxy
from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.outlining import outlines_of_example
from kenpin.data.reading import Reading
from kenpin.data.reading.box_forms import BoxForm
from kenpin.data.reading.names import folder_of_split, split_name, split_of_folder
from kenpin.data.reading.pictures import Finder, PictureCopier, id_below, listed, subfolders
from kenpin.data.reading.reading import first_bytes, last_bytes
from kenpin.data.reading.shapes import stated_size
from kenpin.errors import ShapeError
from kenpin.masks import area
from kenpin.outlines import Outline, from_coco, to_coco
from kenpin.plural import counted
from kenpin.records import Box, Detections, Example, ImageSource

SUMMARY = "COCO JSON: a single file, annotations/*.json, or <split>/_annotations.coco.json"
CARRIES = frozenset({"split", "boxes", "crowd", "outlines", "group", "classes"})

_ROBOFLOW = "_annotations.coco.json"
_INSTANCES = re.compile(r"(?:instances|(?P<of_points>person_keypoints))(?:_(?P<split>.+))?")
_NO_SPLIT = "default"  # CVAT's and Datumaro's name of a part of which nobody said what it is
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
_LOOK_AT_BYTES = 65_536


@dataclass(slots=True)
class _File:
    """One annotation file, parsed."""

    path: Path
    split: str | None
    images: list[Any] = field(default_factory=list)
    by_image: dict[int | str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    """Index in the file and content of the annotations of each image id."""
    categories: dict[int | str, str] = field(default_factory=dict)
    headings: set[int | str] = field(default_factory=set)
    """Ids of categories that are above others and below none."""


def recognises(path: Path) -> bool:
    """Whether there is a JSON file with the keys of COCO in one of the usual folders."""
    return bool(_annotation_files(path))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all annotation files; the folder or file name gives the split."""
    root = path if path.is_dir() else path.parent
    if root.name == "annotations":
        root = root.parent
    files = [_parse(file, root, reading) for file in _annotation_files(path)]
    if not files:
        reading.tell("missing-file", path, "there is no COCO file in it", "Name the JSON file itself")
    return Dataset.from_examples(_examples(files, root, reading), classes=_classes(files), root=path, format="coco")


def write(dataset: Dataset, path: Path) -> None:
    """Write `annotations/instances_<split>.json` and `images/<split>/`, without a split `instances.json`, `images/`."""
    copier = PictureCopier(path)
    category_ids = {name: category_id for category_id, name in enumerate(dataset.classes, start=1)}
    images: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    annotations: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for example in dataset:
        split = example.split
        written = copier.copy(example, "images" if split is None else f"images/{_folder(split)}")
        width, height = example.size_wh or displayed_size(example.image)
        image_id = len(images[split]) + 1
        name = written.rpartition("/")[2]
        group = {} if example.group is None else {"group": example.group}
        images[split].append({"id": image_id, "file_name": name, "width": width, "height": height, **group})
        detections = example.boxes or Detections()
        crowd = detections.crowd or (False,) * len(detections)
        for box, label, is_crowd, outline in zip(
            xywh_from_xyxy(detections.boxes_xyxy_px).tolist(),
            detections.labels,
            crowd,
            outlines_of_example(example) or (None,) * len(detections),
            strict=True,
        ):
            annotations[split].append(
                {
                    "id": len(annotations[split]) + 1,
                    "image_id": image_id,
                    "category_id": category_ids[label],
                    "bbox": box,
                    "area": box[2] * box[3] if outline is None else area(outline, (width, height)),
                    "iscrowd": int(is_crowd),
                    "segmentation": [] if outline is None else to_coco(outline),
                }
            )
    copier.make("annotations")
    categories = [{"id": number, "name": name} for name, number in category_ids.items()]
    for split in images or [None]:
        name = "instances.json" if split is None else f"instances_{_folder(split)}.json"
        content = {"images": images[split], "annotations": annotations[split], "categories": categories}
        (path / "annotations" / name).write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def _folder(split: str) -> str:
    name = folder_of_split(split)
    return name if name != _NO_SPLIT else f"%{ord(name[0]):02X}{name[1:]}"


def _annotation_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" and _looks_like_coco(path) else []
    exports = [Path(entry.path) / _ROBOFLOW for entry in subfolders(path)]
    candidates = [path / _ROBOFLOW, *exports]
    for folder in (path / "annotations", path):
        files = [Path(entry.path) for entry in listed(folder).ending(".json")]
        # the original's captions and key points name the same pictures once more
        named = [(file, match) for file in files if (match := _INSTANCES.fullmatch(file.stem))]
        boxes = {match["split"] for _, match in named if not match["of_points"]}
        candidates += [file for file, match in named if not match["of_points"] or match["split"] not in boxes] or files
    return [file for file in dict.fromkeys(candidates) if file.is_file() and _looks_like_coco(file)]


def _looks_like_coco(file: Path) -> bool:
    """Whether both ends of the file hold two of COCO's three keys: the third may lie deep inside a long file."""
    ends = first_bytes(file, _LOOK_AT_BYTES) + last_bytes(file, _LOOK_AT_BYTES)
    return ends.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and sum(key in ends for key in _KEYS) >= 2


def _split_of(file: Path, root: Path) -> str | None:
    if file.name == _ROBOFLOW:
        return split_name(file.parent.name) if file.parent != root else None
    if match := _INSTANCES.fullmatch(file.stem):
        return None if match["split"] in (None, _NO_SPLIT) else split_of_folder(match["split"])
    return split_name(file.stem)


def _parse(path: Path, root: Path, reading: Reading) -> _File:
    file = _File(path, _split_of(path, root))
    content = reading.json_of(path)
    if not isinstance(content, dict):
        if content is not None:
            reading.tell("unparsable-file", path, "it does not hold a JSON object", "Export it again as COCO")
        return file
    lists = {key: content.get(key, []) for key in ("images", "annotations", "categories")}
    for key, value in lists.items():
        if not isinstance(value, list):
            reading.tell("unparsable-file", path, f"{key} is not a list", "Export it again as COCO")
            lists[key] = []
    file.images = lists["images"]
    above = [category.get("supercategory") for category in lists["categories"] if isinstance(category, dict)]
    for index, category in enumerate(lists["categories"]):
        where = f"{path}: category {index}"
        if (number := _id_in(category, "id")) is None or not isinstance(category.get("name"), str):
            reading.tell("unparsable-line", where, "it has no id or no name", "Give it both")
        elif number in file.categories:
            what = f"id {number} already belongs to {file.categories[number]!r}"
            reading.tell("duplicate-id", where, what, "Give every category an id of its own")
        else:
            file.categories[number] = category["name"]
            if category["name"] in above and category.get("supercategory") in (None, "none"):
                file.headings.add(number)
    for index, annotation in enumerate(lists["annotations"]):
        if (number := _id_in(annotation, "image_id")) is None:
            reading.tell("unparsable-line", f"{path}: annotation {index}", "it has no image_id", "Give it one")
        else:
            file.by_image.setdefault(number, []).append((index, annotation))
    return file


def _classes(files: list[_File]) -> list[str]:
    """Names of the categories, without headings that no box has: Roboflow puts one above a project's classes."""
    used = {
        file.categories.get(_id_in(annotation, "category_id") or 0)
        for file in files
        for annotations in file.by_image.values()
        for _, annotation in annotations
    }
    names = [
        name
        for file in files
        for number, name in file.categories.items()
        if number not in file.headings or name in used
    ]
    return list(dict.fromkeys(names))


def _id_in(entry: Any, key: str) -> int | str | None:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, int | str) else None


def _examples(files: list[_File], root: Path, reading: Reading) -> Iterator[Example]:
    listed: set[str] = set()
    for file in files:
        match = _INSTANCES.fullmatch(file.path.stem)
        name = match["split"] or "" if match else file.path.stem
        finder = Finder([file.path.parent, root / "images" / name, root / name, root / "images", root], root, reading)
        known: set[int | str] = set()
        for index, image in enumerate(file.images):
            where = f"{file.path}: image {index}"
            number = _id_in(image, "id")
            if number is None or not isinstance(image.get("file_name"), str):
                reading.tell("unparsable-line", where, "it has no id or no file_name", "Give it both")
                continue
            if number in known:
                reading.tell("duplicate-id", where, f"another image has id {number}", "Give every image its own id")
                continue
            known.add(number)
            if (path := finder.find(image["file_name"])) is None:
                finder.tell_missing(where, image["file_name"], "Put it there, or remove the image and its annotations")
                continue
            if path in listed:
                what = f"the picture {image['file_name']!r} is listed a second time"
                reading.tell("duplicate-id", where, what, "List each picture once")
                continue
            listed.add(path)
            picture = ImageSource(path), _size(image)
            boxes = _detections(file, file.by_image.get(number, []), picture, reading)
            group = image["group"] if isinstance(image.get("group"), str) else None
            yield Example(
                id_below(path, root), picture[0], file.split, group=group, boxes=boxes, size_wh=picture[1], origin=where
            )
        for number in file.by_image.keys() - known:
            for index, _ in file.by_image[number]:
                what, remedy = f"there is no image with id {number}", "Add the image, or remove the annotation"
                reading.tell("orphan-annotation", f"{file.path}: annotation {index}", what, remedy)


def _detections(
    file: _File,
    annotations: list[tuple[int, dict[str, Any]]],
    picture: tuple[ImageSource, tuple[int, int] | None],
    reading: Reading,
) -> Detections:
    if not annotations:
        return Detections()
    boxes: list[Box] = []
    labels: list[str] = []
    crowd: list[bool] = []
    outlines: list[Outline | None] = []
    for index, annotation in annotations:
        where = f"{file.path}: annotation {index}"
        if annotation.get("keypoints"):
            what = "key points are not read, only the boxes and outlines beside them"
            reading.tell_once("key-points-not-read", where, what, "Nothing to do if these are enough")
        category = _id_in(annotation, "category_id")
        if category is None or category not in file.categories:
            what = f"it names category {category}, which is not among the {counted(len(file.categories), 'category')}"
            reading.tell("unknown-class-id", where, what, "Fix the id, or add the category")
            continue
        outline = _outline(annotation.get("segmentation"), where, picture, reading)
        given = annotation.get("bbox")
        box = outline.box_xyxy_px if outline and given in (None, []) else reading.box(given, BoxForm.XYWH, *picture)
        if box is None:
            what = f"bbox {given!r} is not a list of four numbers"
            what += "" if outline else ", and there is no outline that it could be taken from"
            reading.tell("box-unparsable", where, what, "Write left, top, width and height in pixels")
            continue
        boxes.append(box)
        labels.append(file.categories[category])
        crowd.append(bool(annotation.get("iscrowd")))
        outlines.append(outline)
    return Detections(
        tuple(boxes),
        tuple(labels),
        crowd=tuple(crowd) if any(crowd) else None,
        outlines=tuple(outlines) if any(outlines) else None,
    )


def _outline(
    segmentation: Any, where: str, picture: tuple[ImageSource, tuple[int, int] | None], reading: Reading
) -> Outline | None:
    """The outline of one annotation; None where there is none, or where it is told to be none."""
    if not segmentation:
        return None
    try:
        outline = from_coco(segmentation)
    except ShapeError as error:
        reading.tell("outline-unparsable", where, str(error), "Draw the outline again, or remove it")
        return None
    size_wh = (picture[1] or reading.size_of(picture[0])) if outline.runs is not None else None
    if size_wh is not None and outline.size_wh != size_wh:
        mask = " × ".join(map(str, outline.size_wh or ()))
        what = f"its mask has {mask} pixels, its picture {size_wh[0]} × {size_wh[1]}"
        reading.tell("mask-size", where, what, "Export the masks again from pictures of this size")
        return None
    if outline.runs is not None and not any(outline.runs[1::2]):
        reading.tell("empty-mask", where, "its mask has no pixel inside", "Draw it again, or remove the annotation")
        return None
    return outline


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    return stated_size(image.get("width"), image.get("height"))
