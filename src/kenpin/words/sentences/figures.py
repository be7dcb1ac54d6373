"""Words of the charts and tables of studies, as their JSON files keep them: each in its place, and nowhere else.

A class may be called `good` and an appraiser `total`. A word is therefore looked for only where kenpin writes words of
its own, in a chart or table that its title and head tell. All but heads and axes are templates in the notation of
`kenpin.words.recorded`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

NAMELESS = "The inspector"
"""The appraiser of verdicts and measurements whose table names none."""
EVERYBODY = "everybody"
OF_TWO = "%(text_now)s against %(text_before)s"
"""The name of what a comparison of two runs found."""

_OF_ONE = ("repeats itself", "effectiveness", "missed NG", "false alarms on OK")
_OF_ALL = ("all agree", "all agree with truth")
_TRUTH, _COHEN, _FLEISS = "with truth", "Cohen’s kappa", "Fleiss’ kappa"
TWO_NAMES = "%(who_first)s, %(who_second)s"
_OF = "%(number)s of %(number_all)s"
_SPAN, _SPAN_PERCENT = "%(number_low)s to %(number_high)s", "%(number_low)s %% to %(number_high)s %%"
_INTERVAL = "two-sided 95 % interval"
_SOURCES = ("repeatability", "reproducibility", "gage R&R", "parts", "total")
_VERDICTS = ("PASS", "REVIEW", "FAIL")


@dataclass(frozen=True, slots=True)
class TableWords:
    """The words of a table that kenpin writes."""

    titles: tuple[str, ...]
    head: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]
    """By the head of a column its words, beside which it holds numbers alone."""
    names: tuple[str, ...] = ()
    """Heads of columns with names that users gave."""
    of_all: frozenset[str] = frozenset()
    of_two: frozenset[str] = frozenset()
    """Words of the second column whose row is of all appraisers together, or of two."""

    def __iter__(self) -> Iterator[str]:
        yield from (*self.titles, *self.head, *chain(*self.cells.values()), *([EVERYBODY] if self.of_all else []))


@dataclass(frozen=True, slots=True)
class PlotWords:
    """The words of a chart that kenpin writes."""

    titles: tuple[str, ...]
    axes: tuple[str, ...]
    names: tuple[str, ...]
    """Of its lines or bars."""

    def __iter__(self) -> Iterator[str]:
        yield from (*self.titles, *self.axes, *self.names)


TABLES = (
    TableWords(
        ("Attribute agreement (share, two-sided 95 %% interval)",),
        ("who", "what", "share", _INTERVAL, "parts or decisions"),
        {"what": (*_OF_ONE, *_OF_ALL), _INTERVAL: (_SPAN_PERCENT,), "parts or decisions": (_OF,)},
        names=("who",),
        of_all=frozenset(_OF_ALL),
    ),
    TableWords(
        ("Kappa: agreement beyond chance",),
        ("who", "which", "kappa", _INTERVAL, "agreeing", "by chance"),
        {"which": (_TRUTH, _COHEN, _FLEISS), _INTERVAL: (_SPAN,)},
        names=("who",),
        of_all=frozenset({_FLEISS}),
        of_two=frozenset({_COHEN}),
    ),
    TableWords(
        ("Gage R&R of %(text_measure)s, by analysis of variance",),
        ("source", "squares", "df", "F", "p"),
        {"source": ("part", "appraiser", "part × appraiser", "repeatability")},
    ),
    TableWords(("Standard deviations",), ("source", "deviation", "of the total"), {"source": _SOURCES}),
    TableWords(
        ("Wrong decisions on the same parts",),
        ("", "parts", "before", "now", "corrected", "new", "change, points", _INTERVAL, "p"),
        {"": ("escapes in NG parts", "overkills in OK parts"), _INTERVAL: (_SPAN,)},
    ),
    TableWords(
        ("Other verdicts", "Other verdicts, the first %(number)s of %(number_all)s"),
        ("part", "truth", "before", "now", "now it"),
        {
            "before": _VERDICTS,
            "now": _VERDICTS,
            "now it": ("is reviewed", "escapes", "is caught", "passes", "is overkilled"),
        },
        names=("part", "truth"),
    ),
)
LINE_PLOTS = (
    PlotWords(
        (
            "EWMA of %(text_measure)s",
            "Mean %(text_measure)s of lots",
            "Share of FAIL in lots",
            "EWMA of the embeddings’ distance from the reference",
        ),
        ("parts", "lots", "deviations from the reference", "share of FAIL"),
        ("points", "alarms", "upper limit", "lower limit"),
    ),
    PlotWords(
        ("Cost of each cut",),
        ("FAIL from this score", "cost per part"),
        ("without review", "with the best review band", "chosen", "chosen, as expected", "realised"),
    ),
)
BAR_PLOTS = (
    PlotWords(
        ("Agreement",),
        ("share",),
        (*(f"%(who)s: {what}" for what in _OF_ONE), *(f"{EVERYBODY}: {what}" for what in _OF_ALL)),
    ),
    PlotWords(
        ("Kappa",),
        ("kappa",),
        (f"%(who)s: {_TRUTH}", f"{TWO_NAMES}: {_COHEN}", f"{EVERYBODY}: {_FLEISS}"),
    ),
    PlotWords(
        ("Where the spread of %(text_measure)s comes from",),
        ("share of the total standard deviation",),
        _SOURCES[:-1],
    ),
)
WORDS = tuple(filter(None, (NAMELESS, OF_TWO, TWO_NAMES, *chain(*TABLES, *LINE_PLOTS, *BAR_PLOTS))))
"""All of them, for the catalogue."""
