"""Pascal VOC: one XML file a picture, in `Annotations/` with `JPEGImages/` and `ImageSets/Main/`, or beside it.

Both folders may be named otherwise, lie in split folders, and have class folders in them, as published sets have them.
`bndbox` is xmin ymin xmax ymax in pixels and is taken as written, fractions allowed: boxes come out as x1 y1 x2 y2.
The original challenge counts pixels from 1 and includes the last one; most tools that write this form today count from
0, and the file does not say which. Of `robndbox` and `polygon` the surrounding box is read. A picture without an XML
file is not annotated; with an XML file without objects it is annotated as empty.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.reading import Reading
from kenpin.data.reading.box_forms import BoxForm, four_numbers
from kenpin.data.reading.names import familiar, readable, require_standard_split, require_xml_text, split_name
from kenpin.data.reading.pictures import ByStem, PictureCopier, files_below, id_below, is_picture, listed, subfolders
from kenpin.data.reading.reading import first_text
from kenpin.data.reading.shapes import Point, box_around, corners_of, outline_of, points_of, stated_size
from kenpin.outlines import Outline
from kenpin.records import Box, Detections, Example, ImageSource, Severity

SUMMARY = "Pascal VOC: Annotations/*.xml with JPEGImages/ and ImageSets/Main/, or XML files beside the pictures"
CARRIES = frozenset({"split", "boxes", "unannotated"})

_LISTS = {"train": "train", "validation": "val", "test": "test"}
_ANNOTATIONS = ("annotations", "annotation", "xml", "xmls", "labels", "label", "lable", "ann")  # GC10-DET writes lable
_PICTURES = ("jpegimages", "images", "image", "imgs", "img", "pictures", "photos")
_FILES_TRIED = 20_000
_LOOK_AT_BYTES = 1_000
_START = re.compile(r"<annotations\b")  # CVAT's XML


@dataclass(frozen=True, slots=True)
class _Section:
    """A folder of XML files with the folder of their pictures, both with all that is below them."""

    annotations: Path
    pictures: Path
    split: str | None
    without: frozenset[str] = frozenset()
    """Names of folders in them that are sections of their own."""

    def files(self) -> tuple[list[str], list[str]]:
        """Paths of the XML files and of the pictures; of XML files beside the pictures, those in the same folders."""
        xmls = [path for path in self._below(self.annotations) if _is_xml(path)]
        pictures = [path for path in self._below(self.pictures) if is_picture(path)]
        if self.annotations == self.pictures:
            folders = {str(self.pictures), *map(os.path.dirname, xmls)}
            pictures = [path for path in pictures if os.path.dirname(path) in folders]
        return xmls, pictures

    def _below(self, folder: Path) -> Iterator[str]:
        start = len(str(folder)) + 1
        return (p for p in files_below(folder, unlisted=[]) if p[start:].partition(os.sep)[0] not in self.without)

    def has_xml(self) -> bool:
        """Whether the first XML file is of this form; of a folder of many files, the first are looked at."""
        files = islice(self._below(self.annotations), _FILES_TRIED)
        first = next(filter(_is_xml, files), None)
        return first is not None and "<annotation" in _START.sub("", first_text(first, _LOOK_AT_BYTES))


def recognises(path: Path) -> bool:
    """Whether one of the usual folders holds an XML file of this form."""
    return path.is_dir() and any(section.has_xml() for section in _sections(path))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures with the objects of their XML files."""
    return Dataset.from_examples(_examples(path, reading), root=path, format="voc")


def write(dataset: Dataset, path: Path) -> None:
    """Write `Annotations/`, `JPEGImages/`, `ImageSets/Main/`. Raises LabelError, and DatasetError for other splits."""
    copier = PictureCopier(path)
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        copier.make(folder)
    stems: dict[str, list[str]] = {}
    for example in dataset:
        if example.split is not None:
            require_standard_split(example.split, "voc")
        name = copier.copy(example, "JPEGImages").removeprefix("JPEGImages/")
        stem = os.path.splitext(name)[0]
        if example.split is not None:
            stems.setdefault(example.split, []).append(stem)
        if example.boxes is not None:
            size = example.size_wh or displayed_size(example.image)
            xml = _annotation(name, size, example.boxes)
            ElementTree.ElementTree(xml).write(path / "Annotations" / f"{stem}.xml", encoding="utf-8")
    for split, names in stems.items():
        (path / "ImageSets" / "Main" / f"{_LISTS[split]}.txt").write_text("".join(f"{n}\n" for n in names), "utf-8")


def _is_xml(name: str) -> bool:
    return name.lower().endswith(".xml")


def _sections(root: Path) -> list[_Section]:
    """The folders of XML files in the data set, and in each of its split folders."""
    inner = subfolders(root)
    splits = {entry.name: split for entry in inner if (split := split_name(entry.name)) is not None}
    sections = [_section(root, None, frozenset(splits))]
    return [*sections, *(_section(root / name, split, frozenset()) for name, split in splits.items())]


def _section(base: Path, split: str | None, without: frozenset[str]) -> _Section:
    names = {entry.name.casefold(): Path(entry.path) for entry in reversed(subfolders(base))}
    annotations = next((names[name] for name in _ANNOTATIONS if name in names), None)
    if annotations is None:
        return _Section(base, base, split, without)
    pictures = next((names[name] for name in _PICTURES if name in names), base)
    return _Section(annotations, pictures, split, without)


def _splits(root: Path, reading: Reading) -> dict[str, str]:
    """Split by the composed stem of the picture, from `ImageSets/Main`; lists of single classes are left alone."""
    splits: dict[str, str] = {}
    texts = listed(root / "ImageSets" / "Main").ending(".txt")
    lists = {os.path.splitext(entry.name)[0].lower(): Path(entry.path) for entry in texts}
    named = [(split, lists[name]) for name in lists if (split := split_name(name)) is not None]
    if "trainval" in lists:  # last, for pictures that the other lists do not name
        named.append(("train", lists["trainval"]))
    for split, file in named:
        for line in (reading.text_of(file) or "").splitlines():
            if line.strip():
                splits.setdefault(_key(line.strip()), split)
    return splits


def _key(stem: str) -> str:
    return stem if stem.isascii() else unicodedata.normalize("NFC", readable(stem))


def _examples(root: Path, reading: Reading) -> Iterator[Example]:
    splits = _splits(root, reading)
    missing = set(splits)
    for section in _sections(root):
        xmls, pictures = section.files()
        by_stem = ByStem(pictures)
        left = dict.fromkeys(pictures)

        def example(
            path: str, boxes: Detections | None, size: tuple[int, int] | None, origin: str, at: _Section = section
        ) -> Example:
            stem = _key(_stem(path))
            missing.discard(stem)
            split = at.split or splits.get(stem)
            return Example(id_below(path, root), ImageSource(path), split, boxes=boxes, size_wh=size, origin=origin)

        for file in xmls:
            xml = _parse(file, reading)
            if xml is not None and xml.tag != "annotation":
                what, remedy = (
                    f"it is not read: its XML begins with <{xml.tag}>",
                    "Nothing to do if it is no annotation",
                )
                reading.tell("annotation-not-read", file, what, remedy, severity=Severity.WARNING)
                continue
            found = _pictures_of(file, xml, section, by_stem)
            if len(found) != 1:
                stated = None if xml is None else xml.findtext("filename")
                what, remedy = f"its picture {stated!r} is missing", "Put it there, or remove the XML file"
                if found:
                    what = f"it may belong to {found[0]} or {found[1]}"
                    remedy = "Put the XML files into folders like those of the pictures"
                reading.tell("missing-image", file, what, remedy)
                missing.discard(_key(_stem(file)))
            elif found[0] not in left:
                what, remedy = f"another XML file already annotates {found[0]!r}", "Keep one of the two"
                reading.tell("duplicate-id", file, what, remedy)
            else:
                del left[found[0]]
                boxes = None if xml is None else _detections(xml, file, found[0], reading)
                yield example(found[0], boxes, None if xml is None else _size(xml), file)
        for path in left:
            yield example(path, None, None, path)
    for stem in sorted(missing):
        what, remedy = f"the {splits[stem]} list names {stem!r}, but there is no such picture", "Correct the list"
        reading.tell("missing-image", root / "ImageSets" / "Main", what, remedy)


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _pictures_of(file: str, xml: ElementTree.Element | None, section: _Section, by_stem: ByStem) -> list[str]:
    """The picture of an XML file; none or several where it is not clear which."""
    stated = None if xml is None else xml.findtext("filename")
    # the stem first: file names inside are often those of before a renaming
    found = by_stem.of(_stem(file)) or (by_stem.of(_stem(familiar(stated))) if stated else [])
    if len(found) < 2:
        return found
    folder = os.path.dirname(file)[len(str(section.annotations)) :]
    stated_folder = None if xml is None else xml.findtext("folder")
    for is_it in (
        lambda path: os.path.dirname(path)[len(str(section.pictures)) :] == folder,
        lambda path: os.path.basename(path) == stated,
        lambda path: os.path.basename(os.path.dirname(path)) == stated_folder,
    ):
        found = list(filter(is_it, found)) or found
    return found


def _parse(file: str, reading: Reading) -> ElementTree.Element | None:
    text = reading.xml_text_of(file)
    if text is None:
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        reading.tell("unparsable-file", file, f"it is not XML ({error})", "Export it again, or correct it there")
        return None


def _detections(xml: ElementTree.Element, where: str, picture: str, reading: Reading) -> Detections:
    boxes: list[Box] = []
    labels: list[str] = []
    outlines: list[Outline | None] = []
    size, source = _size(xml), ImageSource(picture)
    for index, item in enumerate(xml.iter("object")):
        name = item.findtext("name") or ""
        if "\n" in name:  # an editor's line breaks; spaces on one line are somebody's own
            name = name.strip()
        corners = item.find("bndbox")
        texts = [] if corners is None else [corners.findtext(key) for key in ("xmin", "ymin", "xmax", "ymax")]
        points, is_turned = _edge(item)
        box = reading.box(texts, BoxForm.XYXY, source, size) or box_around(points)
        if not name or box is None:
            what = f"name {name!r} with xmin, ymin, xmax, ymax {texts} is not a labelled box"
            reading.tell("box-unparsable", f"{where}: object {index}", what, "Give it a name and four numbers")
            continue
        boxes.append(box)
        labels.append(name)
        outlines.append(outline_of([points], oriented=is_turned))
    return Detections(tuple(boxes), tuple(labels), outlines=tuple(outlines) if any(outlines) else None)


def _edge(item: ElementTree.Element) -> tuple[list[Point], bool]:
    """The corners of an object's oriented box, or of its polygon, and whether it is the former; none without either."""
    if (turned := item.find("robndbox")) is not None:  # of roLabelImg
        values = four_numbers([turned.findtext(key) for key in ("cx", "cy", "w", "h")])
        angle = points_of([(turned.findtext("angle"), 0)])
        if values is None or not angle:
            return [], False
        x, y, width, height = values
        return corners_of((x, y), (width, height), angle[0][0]), True
    polygon = item.find("polygon")
    if polygon is None:
        return [], False
    if (points := polygon.findall("pt")) or (points := polygon.findall("point")):
        return points_of([(point.findtext("x"), point.findtext("y")) for point in points]), False
    texts = [value.text for value in polygon]  # x1, y1, x2, y2 … of Roboflow and V7
    return points_of(list(zip(texts[0::2], texts[1::2], strict=False))), False


def _size(xml: ElementTree.Element) -> tuple[int, int] | None:
    size = xml.find("size")
    return None if size is None else stated_size(size.findtext("width"), size.findtext("height"))


def _annotation(name: str, size_wh: tuple[int, int], detections: Detections) -> ElementTree.Element:
    xml = ElementTree.Element("annotation")
    ElementTree.SubElement(xml, "filename").text = name
    size = ElementTree.SubElement(xml, "size")
    for key, pixels in zip(("width", "height"), size_wh, strict=True):
        ElementTree.SubElement(size, key).text = str(pixels)
    for box, label in zip(detections.boxes_xyxy_px, detections.labels, strict=True):
        item = ElementTree.SubElement(xml, "object")
        ElementTree.SubElement(item, "name").text = require_xml_text(label)
        box_element = ElementTree.SubElement(item, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ElementTree.SubElement(box_element, key).text = repr(value).removesuffix(".0")
    ElementTree.indent(xml)
    return xml
