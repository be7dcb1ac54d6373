"""What became of escapes and overkills between two runs on the same parts: a sentence on each, and a table."""

from __future__ import annotations

from collections.abc import Mapping

from kenpin.plural import counted
from kenpin.quality.paired import PairedDifference
from kenpin.quality.planning import PARTS_OF, Wrong
from kenpin.report.plots import Table

Changes = Mapping[Wrong, PairedDifference | None]


def change_sentences(changes: Changes) -> tuple[str, ...]:
    """One for each kind of mistake, with the exact interval and McNemar's test."""
    return tuple(_sentence(wrong, change) for wrong, change in changes.items())


def change_table(changes: Changes) -> Table:
    """The same in numbers; a kind of part that none was judged of has no row."""
    return Table(
        "Wrong decisions on the same parts",
        ("", "parts", "before", "now", "corrected", "new", "change, points", "two-sided 95 % interval", "p"),
        tuple(
            (
                f"{wrong}s in {PARTS_OF[wrong]} parts",
                *(str(count) for count in (one.parts, one.wrong_before, one.wrong_now, one.gained, one.lost)),
                _points(one.change),
                f"{_points(one.low)} to {_points(one.high)}",
                f"{one.p_value:.2g}",
            )
            for wrong, one in changes.items()
            if one is not None
        ),
    )


def _sentence(wrong: Wrong, change: PairedDifference | None) -> str:
    kind = f"{PARTS_OF[wrong]} part"
    if change is None:
        return f"No {kind} was judged by both runs, so the rate of {wrong}s is unknown."
    return (
        f"{wrong.capitalize()}s in {counted(change.parts, kind)}: {change.wrong_before} before, {change.wrong_now} now "
        f"({change.gained} corrected, {change.lost} new). Their rate changed by {_points(change.change)} percentage "
        f"points (exact two-sided 95 % interval {_points(change.low)} to {_points(change.high)}), "
        f"p = {change.p_value:.2g} (exact McNemar test)."
    )


def _points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{share * 100:+.1f}".replace("-", "−")
