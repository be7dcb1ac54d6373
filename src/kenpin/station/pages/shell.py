"""What surrounds every page: screens, products, the person, and what hinders the line."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from kenpin.station.who.rights import Right
from kenpin.words import Texts

_SCREENS = {
    "line": Right.LOOK,
    "review": Right.REVIEW,
    "parts": Right.LOOK,
    "quality": Right.LOOK,
    "learn": Right.LOOK,
    "set-up": Right.LOOK,
    "machine": Right.OPERATE,
    "people": Right.ADMINISTER,
    "trail": Right.AUDIT,
}
"""The screens in the bar, and the right that each asks for."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen in the bar."""

    name: str
    url: str
    title: str
    still: int = 0
    """How many of what it shows stand still, which whoever looks elsewhere is to see."""


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
    """As pages greet them; None where nobody is signed in."""
    csrf: str
    url: str
    """Of this page, to come back to."""
    hindrances: Sequence[str]
    is_demonstration: bool
    unassigned: int
    """Parts that wait for somebody to say what they are."""


def screens(words: Texts, product: str, rights: Set[Right], still: int = 0) -> list[Screen]:
    """The screens that somebody with these rights may open, in a language, for a product. still: how many sources and
    sinks stand still."""
    titles = {
        "line": words("Line"),
        "review": words("Review"),
        "parts": words("Parts"),
        "quality": words("Quality"),
        "learn": words("Learn"),
        "set-up": words("Set-up"),
        "machine": words("Machine"),
        "people": words("People"),
        "trail": words("Trail"),
    }
    suffix = f"?product={product}" if product else ""
    return [
        Screen(name, f"/{name}{suffix}", titles[name], still if name == "machine" else 0)
        for name, right in _SCREENS.items()
        if right in rights
    ]
