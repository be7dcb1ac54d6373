"""Change of escapes and overkills between two runs on the same parts: a sentence on each, and a table."""

from __future__ import annotations

from collections.abc import Mapping

from kenpin.quality.paired import PairedDifference
from kenpin.quality.planning import Wrong
from kenpin.report.plots import Table
from kenpin.words import ENGLISH, Texts

Changes = Mapping[Wrong, PairedDifference | None]


def change_sentences(changes: Changes, texts: Texts = ENGLISH) -> tuple[str, ...]:
    """A sentence for each kind of mistake, with the exact interval and McNemar's test."""
    return tuple(_sentence(wrong, change, texts) for wrong, change in changes.items())


def change_table(changes: Changes, texts: Texts = ENGLISH) -> Table:
    """The changes as a table; a kind of part of which none was judged has no row."""
    names = {"escape": texts("escapes in NG parts"), "overkill": texts("overkills in OK parts")}
    head = (
        texts("parts"),
        texts("before"),
        texts("now"),
        texts("corrected"),
        texts("new"),
        texts("change, points"),
        texts("two-sided 95 % interval"),
    )
    return Table(
        texts("Wrong decisions on the same parts"),
        ("", *head, "p"),
        tuple(
            (
                names[wrong],
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
                texts("%(low)s to %(high)s", low=_points(difference.low), high=_points(difference.high)),
                f"{difference.p_value:.2g}",
            )
            for wrong, difference in changes.items()
            if difference is not None
        ),
    )


def _sentence(wrong: Wrong, change: PairedDifference | None, texts: Texts) -> str:
    if change is None:
        if wrong == "escape":
            return texts("No NG part was judged by both runs, so the rate of escapes is unknown.")
        return texts("No OK part was judged by both runs, so the rate of overkills is unknown.")
    if wrong == "escape":
        counts = texts.count("Escapes in %(count)s NG part", "Escapes in %(count)s NG parts", change.parts)
    else:
        counts = texts.count("Overkills in %(count)s OK part", "Overkills in %(count)s OK parts", change.parts)
    return texts(
        "%(counts)s: %(before)s before, %(now)s now (%(gained)s corrected, %(lost)s new). Their rate changed by "
        "%(change)s percentage points (exact two-sided 95 %% interval %(low)s to %(high)s), p = %(p)s (exact McNemar "
        "test).",
        counts=counts,
        before=change.wrong_before,
        now=change.wrong_now,
        gained=change.gained,
        lost=change.lost,
        change=_points(change.change),
        low=_points(change.low),
        high=_points(change.high),
        p=f"{change.p_value:.2g}",
    )


def _points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{share * 100:+.1f}".replace("-", "−")
