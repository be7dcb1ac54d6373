"""Augmentation that knows the labels: what could change a class is off until a class map says what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from typing_extensions import TypeIs

from kenpin.boxes import area, clip
from kenpin.codecs import chosen
from kenpin.config import AugmentOptions, FlipRule, TrainOptions
from kenpin.data.flip_classes import flip_swapped_pairs
from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.records import Box, Example
from kenpin.targets import Target

_FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Augmenter:
    """Varies one training picture, the same way whenever asked with the same seed, epoch and row."""

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
        flips = self.horizontal is not None or self.vertical is not None
        return flips or self.crop or bool(self.rotate_degrees or self.brightness or self.contrast)

    def __call__(self, image: Image.Image, example: Example, epoch: int, row: int) -> tuple[Image.Image, Example]:
        """The varied picture, of the same size and mode, and the example with its label and boxes as they now are."""
        # loaded here: it weighs 50 MB, and most trainings vary nothing
        import kornia.enhance
        import kornia.geometry.transform as geometry

        # drawn from (seed, epoch, row) alone: neither workers, nor resuming, nor processes change a picture
        draw = np.random.default_rng((self.seed, epoch, row))
        pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
        for classes, mirror, axis in ((self.horizontal, geometry.hflip, 0), (self.vertical, geometry.vflip, 1)):
            mirrored = draw.random() < 0.5
            if mirrored and classes is not None and _classes_of(example) <= classes.keys():
                pixels, example = mirror(pixels), _mirrored(example, classes, image.size, axis)
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


def augments(options: object) -> TypeIs[AugmentOptions]:
    """Whether pictures are varied at all: the family can, and the other options do not leave it idle."""
    idle = options.idle() if isinstance(options, TrainOptions) else frozenset()
    return isinstance(options, AugmentOptions) and not idle.issuperset(AugmentOptions.own_fields())


def plan_augmentation(
    options: AugmentOptions, labels: Sequence[str], target: Target, seed: int
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


def _moves(options: AugmentOptions) -> str | None:
    """The first option by which things in a picture come to lie elsewhere; None where there is none."""
    moving = ("flip_horizontal", "flip_vertical", "crop", "rotate_degrees")
    return next((name for name in moving if getattr(options, name) != AugmentOptions.model_fields[name].default), None)


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
