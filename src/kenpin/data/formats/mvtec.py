"""The MVTec AD layout: `train/good`, `test/<defect>`, and masks in `ground_truth/<defect>/<name>_mask.png`.

The folder's name is the label. A mask is a picture whose non-zero pixels are defective; each of its connected
components (corners count as touching) becomes one box x1 y1 x2 y2 in pixels, x2 and y2 just past the last defective
pixel. Good pictures are annotated as empty; a defective one without a mask has no boxes at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_mask
from kenpin.data.picture_files import PictureError
from kenpin.data.reading import Reading
from kenpin.data.reading.names import folder_of_label, label_of_folder, split_name
from kenpin.data.reading.pictures import (
    PictureCopier,
    copy_bytes,
    entries,
    id_below,
    is_picture,
    pictures_below,
    subfolders,
)
from kenpin.errors import DatasetError
from kenpin.records import Box, Detections, Example, ImageSource, Severity

SUMMARY = "MVTec AD layout: train/good, test/<defect>, ground_truth/<defect>/<name>_mask.png"
CARRIES = frozenset({"split", "label", "boxes", "mask", "unannotated", "classes"})

_GOOD = "good"
_MASKS = "ground_truth"


def recognises(path: Path) -> bool:
    """Whether there are a folder of good parts to train on and one of masks."""
    return (path / "train" / _GOOD).is_dir() and (path / _MASKS).is_dir()


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of the train and test folders with the boxes of their masks."""
    folders = list(_class_folders(path))
    classes = sorted({label for _, _, label in folders}, key=lambda label: (label != _GOOD, label))
    return Dataset.from_examples(_examples(path, folders, reading), classes=classes, root=path, format="mvtec")


def write(dataset: Dataset, path: Path) -> None:
    """Copy pictures and masks. Raises DatasetError for boxes without a mask, and for other splits."""
    copier = PictureCopier(path)
    for folder in ("train/good", _MASKS, *(f"test/{folder_of_label(label)}" for label in dataset.declared_classes)):
        copier.make(folder)
    for example in dataset:
        if example.split not in ("train", "test") or example.label is None:
            raise DatasetError(
                f"{example.id}: split {example.split}, label {example.label}; the MVTec layout needs a label and the "
                "split train or test. Split the data so, or write another format."
            )
        if _says_more_than_mask(example):
            raise DatasetError(
                f"{example.id}: its boxes are not those of a mask, and the MVTec layout carries only masks. Write "
                "coco, yolo or voc."
            )
        label = folder_of_label(example.label)
        written = Path(copier.copy(example, f"{example.split}/{label}"))
        if example.mask is not None:
            # a mask of another file type keeps its ending, for it is copied as it is
            mask = f"{written.stem}_mask{Path(example.mask).suffix}"
            copier.make(f"{_MASKS}/{label}")
            copy_bytes(ImageSource(example.mask), path / _MASKS / label / mask)


def boxes_of_mask(source: ImageSource) -> tuple[Box, ...]:
    """The boxes around a mask's connected components, from top to bottom. Raises ImageError."""
    from scipy import ndimage

    components, _ = ndimage.label(read_mask(source), structure=np.ones((3, 3)))
    return tuple(
        (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
        for rows, columns in ndimage.find_objects(components)
    )


def _detections(source: ImageSource, label: str) -> Detections:
    boxes = boxes_of_mask(source)
    return Detections(boxes, (label,) * len(boxes))


def _says_more_than_mask(example: Example) -> bool:
    if example.boxes is None:
        return False
    if example.mask is None:
        return bool(example.boxes) or example.label != _GOOD
    return example.boxes != _detections(ImageSource(example.mask), example.label or "")


def _class_folders(root: Path) -> Iterator[tuple[str, str, str]]:
    """Folder, split and label of each class folder."""
    for entry in subfolders(root):
        if (split := split_name(entry.name)) is not None:
            for inner in subfolders(entry.path):
                yield inner.path, split, label_of_folder(inner.name)


def _masks_of(folder: Path) -> dict[str, str]:
    """Paths of the masks by the stem of their picture."""
    pictures = (entry for entry in entries(folder) if is_picture(entry.name))
    return {os.path.splitext(entry.name)[0].removesuffix("_mask"): entry.path for entry in pictures}


def _examples(root: Path, folders: list[tuple[str, str, str]], reading: Reading) -> Iterator[Example]:
    others: list[str] = []
    masks: dict[str, dict[str, str]] = {}
    used: set[str] = set()
    for folder, split, label in folders:
        name = os.path.basename(folder)
        if name not in masks:
            masks[name] = _masks_of(root / _MASKS / name)
        for path in pictures_below(folder, others):
            # the test masks' numbers start at 000 too: they do not belong to the training pictures
            mask = (
                None
                if split == "train" and label == _GOOD
                else masks[name].get(os.path.splitext(os.path.basename(path))[0])
            )
            used.update(filter(None, (mask,)))
            boxes = _annotation(path, split, label, mask, reading)
            yield Example(id_below(path, root), ImageSource(path), split, label, boxes, mask=mask, origin=path)
    for entry in subfolders(root / _MASKS):
        for mask in sorted(set(_masks_of(Path(entry.path)).values()) - used):
            remedy = "Put its picture into the test folder, or remove the mask"
            reading.tell(
                "orphan-annotation", mask, "no picture belongs to this mask", remedy, severity=Severity.WARNING
            )


def _annotation(path: str, split: str, label: str, mask: str | None, reading: Reading) -> Detections | None:
    if mask is None:
        if label == _GOOD:
            return Detections()
        if split != "train":
            remedy = f"Put it into {_MASKS}; until then the picture counts as not annotated"
            reading.tell("missing-file", path, "this defective picture has no mask", remedy, severity=Severity.WARNING)
        return None
    try:
        return _detections(ImageSource(mask), label)
    except PictureError as error:
        reading.tell("unreadable-image", mask, error.what, error.remedy)
        return None
