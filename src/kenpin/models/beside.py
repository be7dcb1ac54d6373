"""Networks that look beside a base: how they are named, and the options of families that take them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from kenpin.config import FeatureOptions
from kenpin.strict_options import OptionGroup

_WORD = re.compile(r"(?P<name>.+?)(?:@(?P<px>[1-9]\d*))?(?::(?P<layers>\d+(?:,\d+)*))?(?:~(?P<mirrored>hv|vh|h|v))?")


@dataclass(frozen=True, slots=True)
class NetworkBeside:
    """A network beside the base: `NAME@PIXELS:LAYERS~AXES`, of which the name alone is needed."""

    name: str
    """As option `base` takes it."""
    picture_px: int | None = None
    """Side in pixels of the pictures that it sees; None: its own."""
    layers: tuple[int, ...] | None = None
    """Layers whose features it gives, in rising order; None: those that a base would give."""
    mirrored: tuple[int, ...] = ()
    """Axes along which it sees pictures mirrored: h, 0, left and right; v, 1, top and bottom."""

    @classmethod
    def of(cls, text: str) -> NetworkBeside:
        """From its text. Raises ValueError where there is none."""
        found = _WORD.fullmatch(text.strip())
        if found is None:
            raise ValueError("a network has no name; give NAME, NAME@PIXELS, NAME@PIXELS:LAYER,LAYER or NAME~h.")
        px, layers = found["px"], found["layers"]
        numbers = None if layers is None else tuple(sorted({int(layer) for layer in layers.split(",")}))
        axes = tuple(sorted("hv".index(axis) for axis in found["mirrored"] or ""))
        return cls(found["name"], None if px is None else int(px), numbers, axes)


class BesideOptions(FeatureOptions):
    """Options of families whose features may be those of several networks."""

    group: ClassVar[OptionGroup] = "model"

    beside: tuple[str, ...] = Field(
        (),
        description="Further networks, each named as `base` is, that see every picture beside it; all decide together. "
        "NAME@140 sees pictures of 140 pixels, NAME@140:6,9 gives the features of its layers 6 and 9; with ~h, ~v or "
        "~hv at its end it sees them mirrored left and right, top and bottom, or both.",
    )

    @field_validator("beside")
    @classmethod
    def _are_named(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            NetworkBeside.of(text)
        return texts

    @model_validator(mode="after")
    def _are_others(self) -> BesideOptions:
        known = [NetworkBeside(self.base, self.picture_px), *self.networks_beside]
        alike = [one.name for number, one in enumerate(known) if one in known[:number]]
        if alike:
            raise ValueError(
                f"`beside` names {alike[0]} as another network does, and sees no more by it; leave it out."
            )
        return self

    @property
    def networks_beside(self) -> tuple[NetworkBeside, ...]:
        """What `beside` names."""
        return tuple(NetworkBeside.of(text) for text in self.beside)
