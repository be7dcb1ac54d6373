"""What stands still, in a sentence with what to do."""

from __future__ import annotations

from dataclasses import dataclass

from kenpin.station.standstills import Cause, Standstill
from kenpin.words import Texts

_BUT_SLOWED = (Cause.SINK_BEHIND, Cause.MESSAGES_ASIDE)


@dataclass(frozen=True, slots=True)
class ToldStandstill:
    """A standstill in sentences."""

    what: str
    todo: str
    since_us: int | None
    detail: str | None
    url: str | None
    """Of the page where something can be done; None: not on a page."""
    is_grave: bool
    """Whether parts or records stand still, and not merely come late."""


def told_standstill(words: Texts, one: Standstill, title: str, product: str) -> ToldStandstill:
    """A standstill in a language. title: of the product; product: its name, for addresses."""
    values = {"name": title if one.cause in _OF_PRODUCT else one.name, "count": f"{_few_digits(one.count or 0):,}"}
    what, todo = _sentences(words)[one.cause]
    page = _PAGES.get(one.cause)
    return ToldStandstill(
        what=what % values,
        todo=todo,
        since_us=one.since_us,
        detail=one.detail,
        url=None if page is None else f"{page}?product={product}",
        is_grave=one.cause not in _BUT_SLOWED,
    )


def _few_digits(count: int) -> int:
    """A count rounded down to two digits, so that a sentence does not change with each message."""
    power = int(10 ** max(0, len(f"{count}") - 2))
    return count // power * power


def nothing_set_up(words: Texts) -> ToldStandstill:
    """What a station says that has no product."""
    what, todo = words("No product is set up yet"), words("Set one up from pictures of good parts.")
    return ToldStandstill(what, todo, None, None, "/set-up", is_grave=True)


_OF_PRODUCT = (
    Cause.DISK_FULL, Cause.CANNOT_RECORD, Cause.NO_VERSION, Cause.VERSION_WAITS, Cause.NOT_LOADED, Cause.SILENT,
)  # fmt: skip
_PAGES = {Cause.NO_VERSION: "/set-up", Cause.VERSION_WAITS: "/learn", Cause.NOT_LOADED: "/learn"}


def _sentences(words: Texts) -> dict[Cause, tuple[str, str]]:
    """Of each cause: what stands still, and what to do."""
    again = words("It is tried again by itself.")
    return {
        Cause.DISK_FULL: (
            words("%(name)s takes no parts: the disk is full"),
            words("Make room on the station’s disk; the line then goes on by itself."),
        ),
        Cause.CANNOT_RECORD: (
            words("%(name)s takes no parts: records cannot be written"),
            words("Check the station’s disk and its store. %(again)s", again=again),
        ),
        Cause.NO_VERSION: (
            words("%(name)s takes no parts: no version judges yet"),
            words("Set the product up from pictures of good parts."),
        ),
        Cause.VERSION_WAITS: (
            words("%(name)s takes no parts: version %(count)s waits for a decision"),
            words("Approve it and switch to it, or reject it, on the page Learn."),
        ),
        Cause.NOT_LOADED: (
            words("%(name)s: version %(count)s is to judge, and cannot be loaded"),
            words("Switch back to a version that ran, and look into the reason below."),
        ),
        Cause.SILENT: (
            words("No parts come to %(name)s"),
            words("They came much faster before. Check conveyor, trigger and camera, or whoever sends them."),
        ),
        Cause.SOURCE_AWAY: (
            words("The source %(name)s cannot be read"),
            words("Check its cable, its power and its address. %(again)s", again=again),
        ),
        Cause.SOURCE_WAITS: (
            words("Parts of the source %(name)s wait"),
            words("The reason stands below. %(again)s", again=again),
        ),
        Cause.SINK_AWAY: (
            words("The sink %(name)s cannot be reached; messages that wait: %(count)s or more"),
            words("Check that it runs and can be reached. Nothing is lost. %(again)s", again=again),
        ),
        Cause.SINK_REFUSES: (
            words("The sink %(name)s refuses a message; messages that wait: %(count)s or more"),
            words("Check its settings and what it says below. %(again)s", again=again),
        ),
        Cause.SINK_BEHIND: (
            words("The sink %(name)s is behind; messages that wait: %(count)s or more"),
            words("It takes messages more slowly than they come. Nothing is lost."),
        ),
        Cause.MESSAGES_ASIDE: (
            words("The sink %(name)s refused messages; put aside: %(count)s or more"),
            words("Find out why, then have them sent again, or give them up."),
        ),
    }
