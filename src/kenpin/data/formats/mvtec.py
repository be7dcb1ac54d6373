"""MVTec AD and its kin: `train/good`, `test/<defect>`, and masks in `ground_truth/<defect>/<name>_mask.png`.

The folder's name is the label. A mask is a picture whose non-zero pixels are defective; each of its connected
components (corners count as touching) becomes one box x1 y1 x2 y2 in pixels, x2 and y2 just past the last defective
pixel. Good pictures are annotated as empty; a defective one without a mask has no boxes at all. Read as well:
MVTec AD 2 (`test_public/bad` with `test_public/ground_truth/bad`, `validation/good`; `test_private…` has no labels),
MVTec LOCO (`ground_truth/<defect>/<name>/000.png`: several masks of a picture, which become outlines), and BTAD
(`train/ok`, `test/ko`, `ground_truth/ko/<name>.png`). Masks of pictures to train on lie in `train/ground_truth`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kenpin.data.dataset import Dataset
from kenpin.data.images import displayed_size, png_of, read_mask
from kenpin.data.outlining import boxes_of_mask, mask_of_regions, outlines_to_write
from kenpin.data.reading import Reading
from kenpin.data.reading.mask_pictures import MaskedPicture, examples_of, is_good, masks_by_stem, tell_orphans
from kenpin.data.reading.names import folders_of_labels, label_of_folder, split_name
from kenpin.data.reading.pictures import PictureCopier, copy_bytes, pictures_below, subfolders
from kenpin.errors import DatasetError
from kenpin.records import Detections, Example, ImageSource

SUMMARY = "MVTec AD, AD 2, LOCO and BTAD: train/good, test/<defect>, ground_truth/<defect>/<name>_mask.png"
CARRIES = frozenset({"split", "label", "boxes", "outlines", "mask", "unannotated", "classes"})

_GOOD = "good"
_MASKS = "ground_truth"
_PUBLIC = "test_public"


def recognises(path: Path) -> bool:
    """Whether there are a folder of good parts to train on and one of masks."""
    has_good = any(is_good(entry.name) for entry in subfolders(path / "train"))
    return has_good and any(folder.is_dir() for folder in (path / _MASKS, *_mask_folders_of_tests(path)))


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of the train and test folders with the boxes of their masks."""
    folders = list(_class_folders(path))
    labels = {label for _, _, label in folders if label is not None}
    classes = sorted(labels, key=lambda label: (not is_good(label), label))
    return Dataset.from_examples(_examples(path, folders, reading), classes=classes, root=path, format="mvtec")


def write(dataset: Dataset, path: Path) -> None:
    """Copy pictures and masks, or make these of outlines: one a picture, whose regions are the outlines.

    A picture without a label has that of its boxes. Raises DatasetError for what no mask says, and for other splits.
    """
    copier = PictureCopier(path)
    labels = {example.label or _label_of_boxes(example) for example in dataset}
    folder_of = folders_of_labels([*dataset.declared_classes, *(label for label in labels if label is not None)])
    for folder in ("train/good", _MASKS, *(f"test/{folder_of[label]}" for label in dataset.declared_classes)):
        copier.make(folder)
    for example in dataset:
        label = example.label if example.label is not None else _label_of_boxes(example)
        if example.split not in ("train", "test") or label is None:
            raise DatasetError(
                f"{example.id}: split {example.split}, label {label}; the MVTec layout needs a label and the "
                "split train or test. Split the data so, or write another format."
            )
        mask = _mask_of(example, label)
        folder = folder_of[label]
        written = Path(copier.copy(example, f"{example.split}/{folder}"))
        if mask is not None:
            # pictures to train on may have the names of those to test on
            masks = f"{_MASKS}/{folder}" if example.split == "test" else f"{example.split}/{_MASKS}/{folder}"
            copier.make(masks)
            # a mask of another file type keeps its ending, for it is copied as it is
            copy_bytes(mask, path / masks / f"{written.stem}_mask{Path(mask.path or '').suffix}")


def _label_of_boxes(example: Example) -> str | None:
    """The only label of a picture's boxes, good without any; None where nobody looked for boxes."""
    if example.boxes is None:
        return None
    names = sorted(set(example.boxes.labels))
    if len(names) > 1:
        raise DatasetError(
            f"{example.id}: its boxes have several labels ({', '.join(names)}), and the MVTec layout has one a "
            "picture. Write coco, yolo or cvat."
        )
    return names[0] if names else _GOOD


def _mask_of(example: Example, label: str) -> ImageSource | None:
    """The mask picture that says where a picture's boxes are; None where it has none to say."""
    boxes = example.boxes
    if boxes is None or example.mask is not None:
        if boxes is not None and _says_more_than_mask(boxes, label, example.mask or ""):
            raise _not_of_a_mask(example)
        return None if example.mask is None else ImageSource(example.mask)
    if not boxes and is_good(label):
        return None
    size_wh = displayed_size(example.image)
    outlines = [outline for outline in outlines_to_write(example, size_wh) if outline is not None]
    if not boxes or len(outlines) < len(boxes) or set(boxes.labels) != {label}:
        raise _not_of_a_mask(example)
    if is_good(label) and example.split == "train":
        raise DatasetError(
            f"{example.id}: it is labelled {label!r} and has boxes, and the MVTec layout has no masks of good "
            "pictures to train on. Label it otherwise, or write coco, yolo or voc."
        )
    mask = mask_of_regions(outlines, size_wh)
    if mask is None:
        raise DatasetError(
            f"{example.id}: two of its outlines touch, or one has several parts, and the MVTec layout has one box "
            "for each connected region of a mask. Write coco, yolo or cvat."
        )
    return ImageSource("mask.png", png_of(mask.astype(np.uint8) * np.uint8(255), f"mask of {example.id}"))


def _not_of_a_mask(example: Example) -> DatasetError:
    return DatasetError(
        f"{example.id}: its boxes are not those of a mask, and the MVTec layout carries only masks. Write coco, yolo "
        "or voc."
    )


def _says_more_than_mask(found: Detections, label: str, mask: str) -> bool:
    boxes = boxes_of_mask(read_mask(ImageSource(mask)))
    return found != Detections(boxes, (label,) * len(boxes))


def _mask_folders_of_tests(root: Path) -> list[Path]:
    return [Path(entry.path, _MASKS) for entry in subfolders(root) if entry.name.startswith("test")]


def _class_folders(root: Path) -> Iterator[tuple[str, str, str | None]]:
    """Folder, split and label of each class folder; the private tests of AD 2 have no label."""
    for entry in subfolders(root):
        split = "test" if entry.name == _PUBLIC else split_name(entry.name)
        if split is None and entry.name.startswith("test_"):
            yield entry.path, entry.name, None
        for inner in subfolders(entry.path) if split is not None else ():
            if inner.name != _MASKS:
                yield inner.path, split or "", label_of_folder(inner.name)


def _examples(root: Path, folders: list[tuple[str, str, str | None]], reading: Reading) -> Iterator[Example]:
    masks: dict[Path, dict[str, tuple[str, ...]]] = {}
    used: set[str] = set()

    def pictures() -> Iterator[MaskedPicture]:
        for folder, split, label in folders:
            own = Path(folder).parent / _MASKS
            of_label = (own if own.is_dir() else root / _MASKS) / os.path.basename(folder)
            if of_label not in masks:
                masks[of_label] = masks_by_stem(of_label, ending="_mask")
            for path in pictures_below(folder, []):
                # the test masks' numbers start at 000 too: they do not belong to the training pictures
                has_masks = label is not None and not (split != "test" and is_good(label))
                found = masks[of_label].get(os.path.splitext(os.path.basename(path))[0], ()) if has_masks else ()
                used.update(found)
                yield MaskedPicture(path, split, label, found, is_masked=split != "train")

    yield from examples_of(pictures(), root, reading)
    for folder in sorted({*masks, *(Path(entry.path) for entry in subfolders(root / _MASKS))}):
        every = (mask for found in masks_by_stem(folder, ending="_mask").values() for mask in found)
        tell_orphans(every, used, reading)
