"""Augmented copies of pictures, which a fit learns from beside them: each is made when it is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kenpin.config import CopyOptions
from kenpin.data.dataset import Dataset
from kenpin.data.held_pictures import HeldPictures
from kenpin.data.images import as_rgb
from kenpin.data.picture_files import PictureBytes, in_memory
from kenpin.errors import OptionError
from kenpin.models.augment import Augmenter, plan_augmentation
from kenpin.plural import counted, was_were
from kenpin.records import Example, ImageSource
from kenpin.targets import Target


@dataclass(frozen=True, slots=True)
class AugmentedCopies:
    """How many copies of each picture there are to be, and what makes them."""

    augmenter: Augmenter
    count: int

    def added_to(self, pictures: Dataset) -> Dataset:
        """All pictures in order, each with its copies behind it. These are in its group and split, and have the label
        that augmentation gives them; other annotations are left out."""
        found = Dataset.from_examples(
            _examples(pictures, self), classes=pictures.declared_classes, root=pictures.root, format=pictures.format
        )
        return found.cut_out_of(pictures, _OpensCopies(pictures, self))

    def in_words(self) -> str:
        """What a fit says of them, as one sentence."""
        made = self.augmenter
        how = [
            *(["mirrored left and right"] if made.horizontal is not None else []),
            *(["mirrored top and bottom"] if made.vertical is not None else []),
            *(["cropped"] if made.crop else []),
            *([f"turned by up to {made.rotate_degrees:g}°"] if made.rotate_degrees else []),
            *([f"brighter or darker by up to {made.brightness:.0%}"] if made.brightness else []),
            *([f"changed in contrast by up to {made.contrast:.0%}"] if made.contrast else []),
        ]
        copies = counted(self.count, "augmented copy", "augmented copies")
        return f"{copies} of each {was_were(self.count)} learned from as well: {', '.join(how)}."


def apiece(copies: AugmentedCopies | None) -> int:
    """Rows of each picture that is learned from, its copies included."""
    return 1 if copies is None else 1 + copies.count


def copies_by(
    options: CopyOptions, labels: Sequence[str], ok_labels: Sequence[str] | None = None
) -> AugmentedCopies | None:
    """The copies that a family's options ask for; None where they ask for none. ok_labels: of the good parts, where
    these alone are learned from. Raises OptionError."""
    if not options.augmented_copies:
        return None
    augmenter, _ = plan_augmentation(options, labels, Target.LABEL, options.seed)
    if ok_labels is not None:
        augmenter = replace(
            augmenter,
            horizontal=_of_good(augmenter.horizontal, "flip_horizontal", ok_labels),
            vertical=_of_good(augmenter.vertical, "flip_vertical", ok_labels),
        )
    most = augmenter.most_copies
    if most == 0:
        raise OptionError(
            "option `augmented_copies`: no augmentation is on, and copies would be the pictures themselves; allow one, "
            "such as brightness 0.1, or leave the option out."
        )
    if most is not None and options.augmented_copies > most:
        raise OptionError(
            f"option `augmented_copies` is {options.augmented_copies}: flips alone make "
            f"{counted(most, 'other picture')} of one; take {most}, or allow other augmentations."
        )
    return AugmentedCopies(augmenter, options.augmented_copies)


def _of_good(classes: Mapping[str, str] | None, option: str, ok_labels: Sequence[str]) -> Mapping[str, str] | None:
    """A class map of good parts alone; None where none of them may be mirrored. Raises OptionError."""
    if classes is None:
        return None
    for label in ok_labels:
        if (becomes := classes.get(label, label)) not in ok_labels:
            raise OptionError(
                f"option `{option}`: {label} becomes {becomes} in the mirror, which is no good part to learn from; "
                "leave the option out."
            )
    return {label: classes[label] for label in ok_labels if label in classes} or None


def _examples(pictures: Dataset, copies: AugmentedCopies) -> Iterator[Example]:
    for row, example in enumerate(pictures):
        plain = Example(
            id=f"{row}+0 {example.id}",
            image=ImageSource(),  # so that whatever does not ask the data set for it fails
            label=example.label,
            split=example.split,
            group=example.group or example.id,
            size_wh=example.size_wh,
            origin=example.origin,
        )
        yield plain
        for number in range(1, copies.count + 1):
            _, copy = copies.augmenter.flipped(plain, copies.augmenter.flips_of_copy(number), (1, 1))
            yield replace(copy, id=f"{row}+{number} {example.id}")


class _OpensCopies:
    """Opens pictures and their copies; one is decoded once for all that are asked for in a row."""

    def __init__(self, pictures: Dataset, copies: AugmentedCopies) -> None:
        self.pictures, self.copies = pictures, copies
        self._held = HeldPictures(pictures)

    def content(self, example: Example) -> str:
        """Hash that tells a copy by its picture's bytes and what is done to them; of a picture itself, its own."""
        row, number = _numbers_of(example)
        return self._content_of(row, number, self._held.content(row))

    def open(self, example: Example) -> PictureBytes:
        """The pixels, and their `content`. Raises ImageError."""
        row, number = _numbers_of(example)
        if not number:
            return self.pictures.read_once(self.pictures[row])
        image, content = self._held.open(row)
        copy, _ = self.copies.augmenter.copy(as_rgb(image), self._bare(row), number, content)
        return PictureBytes(in_memory(copy), self._content_of(row, number, content), None)

    def _bare(self, row: int) -> Example:
        return replace(self.pictures[row], boxes=None, mask=None)

    def _content_of(self, row: int, number: int, whole: str) -> str:
        if not number or not whole:
            return whole
        augmenter = self.copies.augmenter
        axes, _ = augmenter.flipped(self._bare(row), augmenter.flips_of_copy(number), (1, 1))
        if not augmenter.is_random and not axes:
            return whole
        done = f"mirrored {axes}"
        if augmenter.is_random:
            amounts = (augmenter.crop, augmenter.rotate_degrees, augmenter.brightness, augmenter.contrast)
            done += f" copy {number} {amounts} {augmenter.seed}"
        return hashlib.blake2b(f"{whole} {done}".encode(), digest_size=16).hexdigest()


def _numbers_of(example: Example) -> tuple[int, int]:
    """Row of the picture that an example of `added_to` is of, and the number of its copy; 0: the picture itself."""
    row, _, number = example.id.partition(" ")[0].partition("+")
    return int(row), int(number)
