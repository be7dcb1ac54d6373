"""Augmentation that knows the labels: what could change a class is off until a class map says what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from kenpin.boxes import area, clip
from kenpin.codecs import chosen
from kenpin.config import FlipRule, TrainOptions, TransformOptions
from kenpin.data.flip_classes import flip_swapped_pairs
from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.records import Box, Example
from kenpin.targets import Target

_FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Augmenter:
    """Transforms one training picture, the same way whenever asked with the same seed, epoch and row."""

    horizontal: Mapping[str, str] | None
    """The class that each class becomes in the mirror; a class that is missing is not mirrored. None: never mirror."""
    vertical: Mapping[str, str] | None
    crop: bool
    rotate_degrees: float
    brightness: float
    contrast: float
    seed: int

    @property
    def varies(self) -> bool:
        """Whether any picture can come out different."""
        return bool(self._flips) or self.is_random

    @property
    def is_random(self) -> bool:
        """Whether more than flips is done, by random amounts."""
        return self.crop or bool(self.rotate_degrees or self.brightness or self.contrast)

    @property
    def most_copies(self) -> int | None:
        """Copies of one picture, at most, that differ from it and from one another; None: any number."""
        return None if self.is_random else 2 ** len(self._flips) - 1

    def __call__(self, image: Image.Image, example: Example, epoch: int, row: int) -> tuple[Image.Image, Example]:
        """The transformed RGB picture, of the same size, and the example with its label and boxes as they now are."""
        # sampled by (seed, epoch, row) alone: neither workers, nor resuming, nor processes change a picture
        draw = np.random.default_rng((self.seed, epoch, row))
        wanted = [axis for axis in range(2) if draw.random() < 0.5]
        return self._transformed(image, example, wanted, draw)

    def copy(self, image: Image.Image, example: Example, number: int, content: str) -> tuple[Image.Image, Example]:
        """A copy of an RGB picture, by its content hash and a number from 1 on: copies go through all flips in turn, by
        `flips_of_copy`, and all else is random."""
        # by what the picture shows, and not by its row: folds of a data set, which change that, share their copies
        draw = np.random.default_rng((self.seed, number, int(content, 16)))
        return self._transformed(image, example, self.flips_of_copy(number), draw)

    def flips_of_copy(self, number: int) -> list[int]:
        """Axes along which a copy of this number is mirrored, where the class of its picture allows it."""
        return [axis for place, axis in enumerate(self._flips) if number >> place & 1]

    def flipped(self, example: Example, wanted: Sequence[int], size_wh: tuple[int, int]) -> tuple[list[int], Example]:
        """Along which of these axes the example's class allows to mirror it, and the example as it then is; axis 0:
        left and right, 1: top and bottom."""
        done = list[int]()
        for axis in wanted:
            classes = (self.horizontal, self.vertical)[axis]
            if classes is not None and _classes_of(example) <= classes.keys():
                example = _mirrored(example, classes, size_wh, axis)
                done.append(axis)
        return done, example

    @property
    def _flips(self) -> list[int]:
        return [axis for axis, classes in enumerate((self.horizontal, self.vertical)) if classes is not None]

    def _transformed(
        self, image: Image.Image, example: Example, wanted: Sequence[int], draw: np.random.Generator
    ) -> tuple[Image.Image, Example]:
        # loaded here: it weighs 50 MB, and most trainings augment nothing
        import kornia.enhance
        import kornia.geometry.transform as geometry

        pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
        axes, example = self.flipped(example, wanted, image.size)
        for axis in axes:
            pixels = (geometry.hflip, geometry.vflip)[axis](pixels)
        if self.crop:
            pixels, example = _cropped(pixels, example, draw)
        if self.rotate_degrees:
            angle = torch.tensor([draw.uniform(-self.rotate_degrees, self.rotate_degrees)], dtype=torch.float32)
            pixels = geometry.rotate(pixels, angle, padding_mode="reflection")
        if self.brightness:
            pixels = kornia.enhance.adjust_brightness_accumulative(
                pixels, 1 + float(draw.uniform(-self.brightness, self.brightness))
            )
        if self.contrast:
            pixels = kornia.enhance.adjust_contrast_with_mean_subtraction(
                pixels, 1 + float(draw.uniform(-self.contrast, self.contrast))
            )
        array = (pixels[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        return Image.fromarray(array), example


def augmenter_of(
    options: TrainOptions, labels: Sequence[str], target: Target
) -> tuple[Augmenter | None, tuple[str, ...]]:
    """What `plan_augmentation` gives; None where the family transforms no pictures, or the other options leave that
    idle. Raises OptionError."""
    if not isinstance(options, TransformOptions) or options.idle().issuperset(TransformOptions.own_fields()):
        return None, ()
    return plan_augmentation(options, labels, target, options.seed)


def plan_augmentation(
    options: TransformOptions, labels: Sequence[str], target: Target, seed: int
) -> tuple[Augmenter, tuple[str, ...]]:
    """The augmenter that these options allow, and sentences that say what is off and why. Raises OptionError."""
    if target.locates and options.rotate_degrees:
        raise OptionError("option `rotate_degrees`: boxes do not turn with a picture; leave it out.")
    if target is Target.TEXT and (moved := _moves(options)):
        raise OptionError(f"option `{moved}`: an answer may say where something is; leave it out.")
    augmenter = Augmenter(
        horizontal=_class_map("flip_horizontal", options.flip_horizontal, labels),
        vertical=_class_map("flip_vertical", options.flip_vertical, labels),
        crop=options.crop == "same",
        rotate_degrees=options.rotate_degrees,
        brightness=options.brightness,
        contrast=options.contrast,
        seed=seed,
    )
    if target is Target.TEXT:
        return augmenter, ()
    notes = []
    swapped = flip_swapped_pairs(labels)
    off = [
        name
        for name, used in (
            ("horizontal flips", augmenter.horizontal),
            ("vertical flips", augmenter.vertical),
            ("crops", augmenter.crop),
        )
        if not used
    ]
    if off:
        pairs = ", ".join(f"{a}/{b}" for a, b, _ in swapped)
        reason = f"they could turn one class into another ({pairs})" if pairs else "they could change a label"
        notes.append(f"Augmentation: {', '.join(off)} are off because {reason}; allow them with a class map or `same`.")
    return augmenter, tuple(notes)


def _moves(options: TransformOptions) -> str | None:
    """The first option by which things in a picture come to lie elsewhere; None where there is none."""
    moving = ("flip_horizontal", "flip_vertical", "crop", "rotate_degrees")
    return next(
        (name for name in moving if getattr(options, name) != TransformOptions.model_fields[name].default), None
    )


def _class_map(option: str, rule: FlipRule, labels: Sequence[str]) -> Mapping[str, str] | None:
    if rule == "off":
        return None
    if rule == "same":
        return {label: label for label in labels}
    if rule == "on":
        axis = "x" if option == "flip_horizontal" else "y"
        pairs = ", ".join(f"{a}/{b}" for a, b, along in flip_swapped_pairs(labels) if along == axis)
        raise OptionError(
            f"option `{option}`: a flip can turn one class into another{f' (here {pairs})' if pairs else ''}; give a "
            f"class map such as {{{labels[0]}: {labels[-1]}, …}} in a YAML file, or `same` if no class changes."
        )
    for name in [*rule, *(value for value in rule.values() if value != _FORBID)]:
        if name not in labels:
            raise OptionError(
                f"option `{option}`: {name!r} is not a class of this data set; {did_you_mean(name, labels)}"
            )
    if missing := [label for label in labels if label not in rule]:
        raise OptionError(
            f"option `{option}`: the class map lacks {', '.join(missing)}; give the class that each becomes, or "
            f"`{_FORBID}`."
        )
    for label, becomes in rule.items():
        if becomes != _FORBID and rule[becomes] != label:
            raise OptionError(
                f"option `{option}`: {label} becomes {becomes}, but {becomes} becomes {rule[becomes]}; mirroring twice "
                "must give the class back. Correct the class map."
            )
    return {label: becomes for label, becomes in rule.items() if becomes != _FORBID}


def _classes_of(example: Example) -> set[str]:
    boxes = () if example.boxes is None else example.boxes.labels
    return {*boxes, *(() if example.label is None else (example.label,))}


def _mirrored(example: Example, classes: Mapping[str, str], size_wh: tuple[int, int], axis: int) -> Example:
    """Label and boxes in the mirror; axis 0: left and right, 1: top and bottom."""
    label = None if example.label is None else classes[example.label]
    if example.boxes is None:
        return replace(example, label=label)
    corners = np.array(example.boxes.boxes_xyxy_px, np.float64).reshape(-1, 4)
    corners[:, [axis, axis + 2]] = size_wh[axis] - corners[:, [axis + 2, axis]]
    labels = tuple(classes[name] for name in example.boxes.labels)
    # segments are pictures of the unmirrored object
    boxes = replace(example.boxes, boxes_xyxy_px=_as_boxes(corners), labels=labels, segments=None, outlines=None)
    return replace(example, label=label, boxes=boxes)


def _cropped(pixels: Tensor, example: Example, draw: np.random.Generator) -> tuple[Tensor, Example]:
    """80 to 100 % of the area at a random row, brought back to the same size. (1, 3, h, w) -> the same.

    Boxes are clipped; a box of which less than half is left is dropped.
    """
    from kornia.geometry.transform import resize

    height, width = pixels.shape[2:]
    side = np.sqrt(draw.uniform(0.8, 1.0))
    h, w = max(1, round(height * side)), max(1, round(width * side))
    top, left = draw.integers(0, height - h + 1), draw.integers(0, width - w + 1)
    cut = pixels[:, :, top : top + h, left : left + w]
    resized: Tensor = resize(cut, (height, width), antialias=True)
    if example.boxes is None:
        return resized, example
    corners = np.array(example.boxes.boxes_xyxy_px, np.float64).reshape(-1, 4)
    moved = clip(corners - [left, top, left, top], (w, h))
    rest = np.flatnonzero(area(moved) >= 0.5 * area(corners))
    boxes = chosen(example.boxes, rest.tolist())
    scaled = _as_boxes(moved[rest] * [width / w, height / h, width / w, height / h])
    return resized, replace(example, boxes=replace(boxes, boxes_xyxy_px=scaled, segments=None, outlines=None))


def _as_boxes(corners: NDArray[np.float64]) -> tuple[Box, ...]:
    return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in corners.tolist())
