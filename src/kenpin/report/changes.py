"""Change of escapes and overkills between two runs on the same parts: a sentence on each, and a table."""

from __future__ import annotations

from collections.abc import Mapping

from kenpin.plural import counted
from kenpin.quality.paired import PairedDifference
from kenpin.quality.planning import PARTS_OF, Wrong
from kenpin.report.plots import Table

Changes = Mapping[Wrong, PairedDifference | None]


def change_sentences(changes: Changes) -> tuple[str, ...]:
    """A sentence for each kind of mistake, with the exact interval and McNemar's test."""
    return tuple(_sentence(wrong, change) for wrong, change in changes.items())


def change_table(changes: Changes) -> Table:
    """The changes as a table; a kind of part of which none was judged has no row."""
    return Table(
        "Wrong decisions on the same parts",
        ("", "parts", "before", "now", "corrected", "new", "change, points", "two-sided 95 % interval", "p"),
        tuple(
            (
                f"{wrong}s in {PARTS_OF[wrong]} parts",
                *(
                    str(count)
                    for count in (
                        difference.parts,
                        difference.wrong_before,
                        difference.wrong_now,
                        difference.gained,
                        difference.lost,
                    )
                ),
                _points(difference.change),
                f"{_points(difference.low)} to {_points(difference.high)}",
                f"{difference.p_value:.2g}",
            )
            for wrong, difference in changes.items()
            if difference is not None
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
