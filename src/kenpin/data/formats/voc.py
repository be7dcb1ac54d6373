"""Pascal VOC: one XML file a picture, in `Annotations/` with `JPEGImages/` and `ImageSets/Main/`, or beside it.

`bndbox` is xmin ymin xmax ymax in pixels and is taken as written, fractions allowed: boxes come out as x1 y1 x2 y2.
The original challenge counts pixels from 1 and includes the last one; most tools that write this form today count from
0, and the file does not say which. A picture without an XML file is not annotated; with an XML file without objects it
is annotated as empty.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size
from kenpin.data.reading import Reading
from kenpin.data.reading.box_forms import BoxForm
from kenpin.data.reading.names import require_standard_split, split_name
from kenpin.data.reading.pictures import PictureCopier, entries, id_below, is_picture, subfolders
from kenpin.errors import LabelError
from kenpin.records import Box, Detections, Example, ImageSource

SUMMARY = "Pascal VOC: Annotations/*.xml with JPEGImages/ and ImageSets/Main/, or XML files beside the pictures"
CARRIES = frozenset({"split", "boxes", "unannotated"})

_LISTS = {"train": "train", "validation": "val", "test": "test"}
_NO_XML_TEXT = re.compile("[\x00-\x08\x0a-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class _Section:
    """A folder of XML files with the folder of their pictures."""

    annotations: Path
    pictures: Path
    split: str | None


def recognises(path: Path) -> bool:
    """Whether one of the usual folders holds an XML file of this form."""
    return path.is_dir() and any(
        b"<annotation" in _start(entry.path)
        for section in _sections(path)
        for entry in [e for e in entries(section.annotations) if e.name.lower().endswith(".xml")][:1]
    )


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


def _start(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(1_000)


def _sections(root: Path) -> list[_Section]:
    if (root / "Annotations").is_dir():
        pictures = root / "JPEGImages"
        return [_Section(root / "Annotations", pictures if pictures.is_dir() else root / "images", None)]
    splits = [(Path(e.path), split_name(e.name)) for e in subfolders(root)]
    return [_Section(root, root, None), *(_Section(p, p, split) for p, split in splits if split is not None)]


def _splits(root: Path, reading: Reading) -> dict[str, str]:
    """Split by the stem of the picture, from `ImageSets/Main`; lists of single classes are left alone."""
    splits: dict[str, str] = {}
    lists = {entry.name.removesuffix(".txt"): Path(entry.path) for entry in entries(root / "ImageSets" / "Main")}
    named = [(split, lists[name]) for name in lists if (split := split_name(name)) is not None]
    if "trainval" in lists:  # last, for pictures that the other lists do not name
        named.append(("train", lists["trainval"]))
    for split, file in named:
        for line in (reading.text_of(file) or "").splitlines():
            if line.strip():
                splits.setdefault(line.strip(), split)
    return splits


def _examples(root: Path, reading: Reading) -> Iterator[Example]:
    splits = _splits(root, reading)
    missing = set(splits)
    for section in _sections(root):
        pictures = {e.name: e.path for e in entries(section.pictures) if is_picture(e.name)}
        names = frozenset(pictures)
        by_stem = {os.path.splitext(name)[0]: name for name in pictures}

        def example(
            name: str, boxes: Detections | None, size: tuple[int, int] | None, origin: str, at: _Section = section
        ) -> Example:
            path = str(at.pictures / name)
            stem = os.path.splitext(name)[0]
            missing.discard(stem)
            split = at.split or splits.get(stem)
            return Example(id_below(path, root), ImageSource(path), split, boxes=boxes, size_wh=size, origin=origin)

        for entry in entries(section.annotations):
            if not entry.name.lower().endswith(".xml"):
                continue
            xml = _parse(Path(entry.path), reading)
            stated = None if xml is None else xml.findtext("filename")
            stem = os.path.splitext(entry.name)[0]
            # the stem first, unless two pictures have it: file names inside are often those of before a renaming
            name = by_stem.get(stem)
            if stated in names and (name is None or os.path.splitext(stated)[0] == stem):
                name = stated
            if name is None:
                what, remedy = f"its picture {stated!r} is missing", "Put it there, or remove the XML file"
                reading.tell("missing-image", entry.path, what, remedy)
                missing.discard(stem)
            elif pictures.pop(name, None) is None:
                what, remedy = f"another XML file already annotates {name!r}", "Keep one of the two"
                reading.tell("duplicate-id", entry.path, what, remedy)
            else:
                boxes = None if xml is None else _detections(xml, entry.path, str(section.pictures / name), reading)
                yield example(name, boxes, None if xml is None else _size(xml), entry.path)
        for name, path in pictures.items():
            yield example(name, None, None, path)
    for stem in sorted(missing):
        what, remedy = f"the {splits[stem]} list names {stem!r}, but there is no such picture", "Correct the list"
        reading.tell("missing-image", root / "ImageSets" / "Main", what, remedy)


def _parse(file: Path, reading: Reading) -> ElementTree.Element | None:
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
    for index, item in enumerate(xml.iter("object")):
        name = item.findtext("name") or ""
        if "\n" in name:  # an editor's line breaks; spaces on one line are somebody's own
            name = name.strip()
        texts = [item.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
        box = reading.box(texts, BoxForm.XYXY, ImageSource(picture), _size(xml))
        if not name or box is None:
            what = f"name {name!r} with xmin, ymin, xmax, ymax {texts} is not a labelled box"
            reading.tell("box-unparsable", f"{where}: object {index}", what, "Give it a name and four numbers")
            continue
        boxes.append(box)
        labels.append(name)
    return Detections(tuple(boxes), tuple(labels))


def _size(xml: ElementTree.Element) -> tuple[int, int] | None:
    try:
        width, height = int(xml.findtext("size/width") or 0), int(xml.findtext("size/height") or 0)
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _annotation(name: str, size_wh: tuple[int, int], detections: Detections) -> ElementTree.Element:
    xml = ElementTree.Element("annotation")
    ElementTree.SubElement(xml, "filename").text = name
    size = ElementTree.SubElement(xml, "size")
    for key, pixels in zip(("width", "height"), size_wh, strict=True):
        ElementTree.SubElement(size, key).text = str(pixels)
    for box, label in zip(detections.boxes_xyxy_px, detections.labels, strict=True):
        if _NO_XML_TEXT.search(label):
            raise LabelError(f"label {label!r} holds a character that XML cannot carry. Rename the class.")
        item = ElementTree.SubElement(xml, "object")
        ElementTree.SubElement(item, "name").text = label
        box_element = ElementTree.SubElement(item, "bndbox")
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ElementTree.SubElement(box_element, key).text = repr(value).removesuffix(".0")
    ElementTree.indent(xml)
    return xml
