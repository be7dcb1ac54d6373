"""What surrounds every page: screens, products, the person, and what hinders the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.words import Texts

_SCREENS = ("line", "review", "parts", "quality", "learn", "set-up")


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen in the bar."""

    name: str
    url: str
    title: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A product in the bar."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Shell:
    """What surrounds a page."""

    screen: str
    screens: Sequence[Screen]
    products: Sequence[Choice]
    product: str
    """The one that is shown; empty where there is none."""
    person: str | None
    csrf: str
    url: str
    """Of this page, to come back to."""
    hindrances: Sequence[str]
    is_demonstration: bool
    unassigned: int
    """Parts that wait for somebody to say what they are."""


def screens(words: Texts, product: str) -> list[Screen]:
    """The screens in a language, for a product."""
    titles = {
        "line": words("Line"),
        "review": words("Review"),
        "parts": words("Parts"),
        "quality": words("Quality"),
        "learn": words("Learn"),
        "set-up": words("Set-up"),
    }
    suffix = f"?product={product}" if product else ""
    return [Screen(name, f"/{name}{suffix}", titles[name]) for name in _SCREENS]
