"""CVAT for images 1.1: one `annotations.xml` with all pictures, which lie in `images/`, beside it or below.

A `box` is xtl ytl xbr ybr in pixels. A turned one, a `polygon`, an `ellipse` and a `mask` are outlines with the box
around them, of a `cuboid` and a turned `ellipse` this box alone is read; `points`, `polyline` and `skeleton` have no
area. Outlines are written as polygons and masks. A subset is the split, except CVAT's `default`. A picture
without shapes is annotated as empty. A `tag` is the label of the whole picture; in a file of tags alone no picture has
boxes. Tags are read and not written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.outlining import outlines_to_write
from kenpin.data.reading import Reading
from kenpin.data.reading.box_forms import BoxForm, four_numbers
from kenpin.data.reading.names import folder_of_split, require_xml_text, split_of_folder
from kenpin.data.reading.pictures import Finder, PictureCopier, id_below, listed
from kenpin.data.reading.reading import first_text
from kenpin.data.reading.shapes import Point, box_around, corners_of, ellipse, outline_of, points_of, stated_size
from kenpin.errors import ShapeError
from kenpin.masks import framed, joined_ring, outline_of_rows
from kenpin.masks import outline_of as outline_of_mask
from kenpin.outlines import Outline
from kenpin.records import Box, Detections, Example, ImageSource, Severity

SUMMARY = "CVAT for images 1.1: annotations.xml with images/"
CARRIES = frozenset({"split", "boxes", "outlines", "classes"})

_LOOK_AT_BYTES = 2_000
_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_FRAME = ("left", "top", "width", "height")
_SHAPES = ("box", "polygon", "ellipse", "cuboid", "mask")
_WITHOUT_AREA = ("points", "polyline", "skeleton")


def recognises(path: Path) -> bool:
    """Whether there is an XML file of this form."""
    return bool(_files(path))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all XML files of this form in the folder."""
    root = path if path.is_dir() else path.parent
    files = _files(path)
    if not files:
        reading.tell("missing-file", path, "there is no annotations.xml of CVAT in it", "Name the XML file itself")
    parsed = [(file, xml) for file in files if (xml := _parse(file, reading)) is not None]
    classes = [name.text or "" for _, xml in parsed for name in xml.findall("./meta/*/labels/label/name")]
    listed: set[str] = set()
    examples = (example for file, xml in parsed for example in _examples(file, xml, root, listed, reading))
    return Dataset.from_examples(examples, classes=list(dict.fromkeys(classes)), root=path, format="cvat")


def write(dataset: Dataset, path: Path) -> None:
    """Write `annotations.xml` and `images/`, a folder in it for each split. Raises LabelError, DatasetError for a mask
    of another size than its picture's."""
    copier = PictureCopier(path)
    copier.make("images")
    xml = ElementTree.Element("annotations")
    ElementTree.SubElement(xml, "version").text = "1.1"
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(xml, "meta"), "task"), "labels")
    for name in dataset.classes:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = require_xml_text(name)
    for number, example in enumerate(dataset):
        folder = "images" if example.split is None else f"images/{folder_of_split(example.split)}"
        written = copier.copy(example, folder)
        width, height = example.size_wh or displayed_size(example.image)
        about = {"id": str(number), "name": written.rpartition("/")[2], "width": str(width), "height": str(height)}
        if example.split is not None:
            about["subset"] = folder_of_split(example.split)
        image = ElementTree.SubElement(xml, "image", about)
        detections = example.boxes or Detections()
        outlines = outlines_to_write(example, (width, height))
        for box, name, outline in zip(detections.boxes_xyxy_px, detections.labels, outlines, strict=True):
            tag, shape = _drawn(box, outline, (width, height))
            ElementTree.SubElement(image, tag, {"label": name, "occluded": "0", **shape})
    ElementTree.indent(xml)
    ElementTree.ElementTree(xml).write(path / "annotations.xml", encoding="utf-8", xml_declaration=True)


def _drawn(box: Box, outline: Outline | None, size_wh: tuple[int, int]) -> tuple[str, dict[str, str]]:
    """Tag and coordinates of a box or its outline; of several polygons as one, joined by cuts."""
    if outline is None:
        return "box", dict(zip(_CORNERS, map(repr, box), strict=True))
    if outline.runs is None:
        ring = outline.rings[0] if len(outline.rings) == 1 else joined_ring(outline, size_wh)
        return "polygon", {"points": ";".join(f"{x!r},{y!r}" for x, y in zip(ring[0::2], ring[1::2], strict=True))}
    mask, (left, top) = framed(outline, size_wh)
    height, width = mask.shape
    rows = outline_of_mask(mask.T).runs or ()
    frame = dict(zip(_FRAME, map(str, (left, top, width, height)), strict=True))
    return "mask", {"rle": ", ".join(map(str, rows)), **frame}


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else [Path(entry.path) for entry in listed(path).ending(".xml")]
    return [
        file for file in files if file.suffix.lower() == ".xml" and "<annotations" in first_text(file, _LOOK_AT_BYTES)
    ]


def _parse(file: Path, reading: Reading) -> ElementTree.Element | None:
    text = reading.xml_text_of(file)
    if text is None:
        return None
    try:
        xml = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        reading.tell("unparsable-file", file, f"it is not XML ({error})", "Export it again, or correct it there")
        return None
    if (tracks := len(xml.findall("track"))) and not xml.findall("image"):
        what = f"it holds the tracks of a video ({tracks}), whose frames are no pictures"
        reading.tell("unparsable-file", file, what, "Export it as CVAT for images, COCO or YOLO, with images")
        return None
    return xml


def _examples(
    file: Path, xml: ElementTree.Element, root: Path, listed: set[str], reading: Reading
) -> Iterator[Example]:
    images = xml.findall("image")
    has_shapes = any(item.tag in _SHAPES for image in images for item in image)
    has_tags = any(item.tag == "tag" for image in images for item in image)
    finders: dict[str, Finder] = {}
    for index, image in enumerate(images):
        where = f"{file}: image {index}"
        name, subset = image.get("name"), image.get("subset") or ""
        if not name:
            reading.tell("unparsable-line", where, "it has no name", "Export it again")
            continue
        if subset not in finders:  # tasks of one project may hold pictures of the same name
            folders = (f"images/{subset}", subset, "images", "")
            finders[subset] = Finder([file.parent / folder for folder in folders], root, reading)
        picture = finders[subset].find(name)
        if picture is None:
            finders[subset].tell_missing(where, name, "Export it with the option to save the images, or put it there")
            continue
        if picture in listed:
            what = f"the picture {name!r} is listed a second time"
            reading.tell("duplicate-id", where, what, "List each picture once")
            continue
        listed.add(picture)
        size = stated_size(image.get("width"), image.get("height"))
        boxes = _detections(image, where, (ImageSource(picture), size), reading) if has_shapes or not has_tags else None
        yield Example(
            id_below(picture, root),
            ImageSource(picture),
            None if subset.casefold() in ("", "default") else split_of_folder(subset),
            _tag(image, where, reading),
            boxes,
            size_wh=size,
            origin=where,
        )


def _detections(
    image: ElementTree.Element, where: str, pictured: tuple[ImageSource, tuple[int, int] | None], reading: Reading
) -> Detections:
    """What is drawn on a picture, whose stated size comes with it."""
    picture, size_wh = pictured
    if size_wh is None and image.find("mask") is not None:
        size_wh = reading.size_of(picture)
    boxes: list[Box] = []
    labels: list[str] = []
    outlines: list[Outline | None] = []
    for item in image:
        if item.tag in _WITHOUT_AREA:
            what, remedy = (
                "points and lines have no area and are not read",
                "Draw boxes or polygons, if they are wanted",
            )
            reading.tell_once("shape-not-read", where, what, remedy, severity=Severity.WARNING)
        if item.tag not in _SHAPES:
            continue
        label = item.get("label")
        box = _box(item, where, picture, reading)
        if not label or box is None:
            what = f"its {item.tag} has no label, or no coordinates"
            reading.tell("box-unparsable", where, what, "Draw it again, or remove it")
            continue
        outline = _mask(item, where, size_wh, reading) if item.tag == "mask" else _outline(item)
        boxes.append(outline.box_xyxy_px if outline is not None and item.tag == "mask" else box)
        labels.append(label)
        outlines.append(outline)
    return Detections(tuple(boxes), tuple(labels), outlines=tuple(outlines) if any(outlines) else None)


def _outline(item: ElementTree.Element) -> Outline | None:
    """The outline of a shape that is drawn by its edge; None where it is its box."""
    turn = _turn(item)
    has_edge = item.tag == "polygon" or (item.tag == "box" and turn) or (item.tag == "ellipse" and not turn)
    return outline_of([_edge(item, turn)], oriented=item.tag == "box") if has_edge else None


def _mask(item: ElementTree.Element, where: str, size_wh: tuple[int, int] | None, reading: Reading) -> Outline | None:
    """The outline of a mask in a picture of this size; None where it is told to be none, as an unknown size was."""
    if size_wh is None:
        return None
    try:
        left, top, width, height = (int(float(item.get(key) or "")) for key in _FRAME)
        runs = [int(run) for run in (item.get("rle") or "").split(",")]
    except (ValueError, OverflowError):
        problem = "the runs of its mask (rle) are no whole numbers"
    else:
        try:
            outline = outline_of_rows(runs, (left, top, width, height), size_wh)
        except ShapeError as error:
            problem = str(error)
        else:
            if any(runs[1::2]):
                return outline
            problem = "its mask has no pixel inside"
    remedy = "Draw it again, or remove it; until then only the frame around it is read"
    reading.tell("outline-unparsable", where, problem, remedy)
    return None


def _box(item: ElementTree.Element, where: str, picture: ImageSource, reading: Reading) -> Box | None:
    """x1, y1, x2, y2 of a shape or of the box around it."""
    turn = _turn(item)
    if item.tag == "box" and not turn:
        return reading.box([item.get(key) for key in _CORNERS], BoxForm.XYXY, picture)
    if item.tag == "cuboid":
        what = "cuboids are not read, only the boxes around them"
        reading.tell_once("segmentation-not-read", where, what, "Draw polygons, if outlines are wanted")
    return box_around(_edge(item, turn))


def _edge(item: ElementTree.Element, turn: float) -> list[Point]:
    """The points of a shape's edge; none where they cannot be had. turn: clockwise, in radians."""
    if item.tag in ("box", "mask"):
        keys = _CORNERS if item.tag == "box" else _FRAME
        four = four_numbers([item.get(key) for key in keys])
        if four is None:
            return []
        x1, y1, x2, y2 = four if item.tag == "box" else BoxForm.XYWH.to_xyxy_px(four, (1, 1))
        return corners_of(((x1 + x2) / 2, (y1 + y2) / 2), (x2 - x1, y2 - y1), turn)
    if item.tag == "ellipse":
        four = four_numbers([item.get(key) for key in ("cx", "cy", "rx", "ry")])
        if four is None:
            return []
        x, y, across, down = four
        if turn:  # the half sides of the box around a turned ellipse
            cos, sin = math.cos(turn), math.sin(turn)
            across, down = math.hypot(across * cos, down * sin), math.hypot(across * sin, down * cos)
        return ellipse((x, y), (across, down))
    if item.tag == "cuboid":
        ends = [key[1:] for key in item.keys() if key.startswith("x") and f"y{key[1:]}" in item.keys()]  # noqa: SIM118
        return points_of([(item.get(f"x{end}"), item.get(f"y{end}")) for end in ends])
    return points_of([pair.split(",") for pair in (item.get("points") or "").split(";") if pair])


def _turn(item: ElementTree.Element) -> float:
    """Rotation of a shape, clockwise as pixels are seen, in radians."""
    angle = points_of([(item.get("rotation") or 0, 0)])
    return math.radians(angle[0][0]) if angle else 0.0


def _tag(image: ElementTree.Element, where: str, reading: Reading) -> str | None:
    tags = list(dict.fromkeys(tag.get("label") or "" for tag in image.findall("tag")))
    if len(tags) > 1:
        what, remedy = f"it has several tags: {', '.join(tags)}", "Leave one; a picture has one label"
        reading.tell("several-labels", where, what, remedy)
        return None
    return tags[0] or None if tags else None
