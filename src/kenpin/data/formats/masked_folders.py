"""Pictures in `images` and masks of the same names in `masks` beside it, as anomalib and tools for segmentation have.

`test/anomalous/images/000.png` belongs to `test/anomalous/masks/000.png`. The folder above `images` or the one within
is the label, a folder `train` or `test` on the way the split; without a label, a picture is `defective` where its mask
has a pixel inside, and else `good`. Folders within `images` are those within `masks`. Good parts need no masks. Only
read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.mask_pictures import (
    MaskedPicture,
    examples_of,
    is_good,
    masks_by_stem,
    only_read,
    tell_orphans,
)
from kenpin.data.reading.names import label_of_folder, split_name
from kenpin.data.reading.pictures import listed, pictures_below, subfolders
from kenpin.records import Example

SUMMARY = "images/ with masks/ beside it, of equal names: anomalib's test/anomalous/images and masks"
CARRIES: frozenset[str] = frozenset()

_IMAGES = ("images", "image", "imgs", "img")
_MASKS = ("masks", "mask", "ground_truth", "gt", "labels", "label", "annotations")
_DEEPEST = 3  # folders such as test/anomalous above `images`


def recognises(path: Path) -> bool:
    """Whether a picture in a folder `images` has a mask of the same name in the folder beside it."""
    return path.is_dir() and any(_has_pair(images, masks) for images, masks in _folders(path) if masks is not None)


def read(path: Path, reading: Reading) -> Dataset:
    """The pictures of all folders called `images`."""
    examples = _examples(path, reading)
    data = Dataset.from_examples(examples, root=path, format="masked_folders")
    classes = sorted(data.classes, key=lambda label: (not is_good(label), label))
    return Dataset(data.arrow, classes=classes, root=str(path), format="masked_folders")


def write(dataset: Dataset, path: Path) -> None:
    """This layout is only read. Raises DatasetError."""
    raise only_read("masked_folders")


def _folders(path: Path, depth: int = _DEEPEST) -> Iterator[tuple[Path, Path | None]]:
    """Each folder of pictures with the folder of masks beside it."""
    inside = {entry.name.casefold(): entry for entry in subfolders(path)}
    images = next((inside[name] for name in _IMAGES if name in inside), None)
    masks = next((inside[name] for name in _MASKS if name in inside), None)
    if images is not None:
        yield Path(images.path), None if masks is None else Path(masks.path)
        return
    for entry in inside.values() if depth else ():
        yield from _folders(Path(entry.path), depth - 1)


def _has_pair(images: Path, masks: Path) -> bool:
    for folder in (images, *(Path(entry.path) for entry in subfolders(images))):
        found = masks_by_stem(masks / folder.relative_to(images))
        if found and any(os.path.splitext(entry.name)[0] in found for entry in listed(folder).files):
            return True
    return False


def _examples(path: Path, reading: Reading) -> Iterator[Example]:
    for images, masks in _folders(path):
        pictures = list(_pictures(images, masks, path))
        yield from examples_of(pictures, path, reading)
        if masks is not None:
            folders = {masks / os.path.dirname(os.path.relpath(picture.path, images)) for picture in pictures}
            every = (mask for folder in folders for found in masks_by_stem(folder).values() for mask in found)
            tell_orphans(every, (mask for picture in pictures for mask in picture.masks), reading)


def _pictures(images: Path, masks: Path | None, root: Path) -> Iterator[MaskedPicture]:
    by_folder: dict[str, dict[str, tuple[str, ...]]] = {}
    above = images.relative_to(root).parts[:-1]
    for path in pictures_below(images, []):
        folder, name = os.path.split(os.path.relpath(path, images))
        if folder not in by_folder:
            by_folder[folder] = {} if masks is None else masks_by_stem(masks / folder)
        found = by_folder[folder].get(os.path.splitext(name)[0], ())
        way = (*above, *(part for part in folder.split(os.sep) if part))
        splits = [split for part in way if (split := split_name(part)) is not None]
        labels = [label_of_folder(part) for part in way if split_name(part) is None]
        label = labels[-1] if labels else None
        by_mask = label is None and bool(found)
        yield MaskedPicture(path, splits[0] if splits else None, label, found, is_labelled_by_mask=by_mask)
