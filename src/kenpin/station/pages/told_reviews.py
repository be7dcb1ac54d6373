"""Gage studies and costs as the page of quality shows them: figures in the words of a language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from kenpin.quality.agreement import Kappa
from kenpin.quality.attribute_gage import Share
from kenpin.records import Verdict
from kenpin.report.plots import Bar, BarPlot, bar_figure
from kenpin.station.reviewing.costs import PeriodCost
from kenpin.station.reviewing.gage import INSPECTOR, ReviewGage
from kenpin.words import Texts

_GOOD_KAPPA = 0.75  # AIAG, MSA 4th edition, III-C


@dataclass(frozen=True, slots=True)
class ToldKappa:
    """Agreement beyond chance."""

    who: str
    kappa: Kappa


@dataclass(frozen=True, slots=True)
class ToldGage:
    """A gage study with its words."""

    pairs: int
    """Parts with two looks."""
    waiting: int
    agreeing: Sequence[tuple[Verdict, Share]]
    looks: int
    """Parts by which people and the line are compared."""
    looks_of: Sequence[tuple[Verdict, int]]
    kappas: Sequence[ToldKappa]
    svg: Markup | None
    """Of the kappas; None where there are none."""


@dataclass(frozen=True, slots=True)
class ToldCosts:
    """Costs over time."""

    rows: Sequence[tuple[str, PeriodCost]]
    """Beginning of each period, UTC, and what it cost; the oldest first."""
    svg: Markup | None
    """None where nothing is known of any."""


def told_gage(words: Texts, found: ReviewGage) -> ToldGage:
    """The study in a language."""
    kappas = [] if found.people is None else [ToldKappa(f"{a} – {b}", kappa) for a, b, kappa in found.people.pairs]
    if found.people is not None and found.people.overall is not None and len(kappas) > 1:
        kappas.append(ToldKappa(words("All people (Fleiss)"), found.people.overall))
    for first, second, kappa in found.with_line:
        person = second if first == INSPECTOR else first
        kappas.append(ToldKappa(words("%(person)s – the line", person=person), kappa))
    return ToldGage(
        pairs=sum(found.pairs.values()),
        waiting=found.waiting,
        agreeing=[*found.agreeing.items()],
        looks=sum(found.looks.values()),
        looks_of=[*found.looks.items()],
        kappas=kappas,
        svg=_kappa_figure(words, kappas),
    )


def told_costs(words: Texts, costs: Sequence[PeriodCost]) -> ToldCosts:
    """The costs in a language."""
    hours = bool(costs) and costs[0].to_us - costs[0].from_us < 24 * 3600 * 1_000_000
    rows = [(_moment(one.from_us, "%m-%d %H:%M" if hours else "%Y-%m-%d"), one) for one in costs]
    bars = tuple(Bar(name, one.cost.value, one.cost.low, one.cost.high) for name, one in rows if one.cost is not None)
    if not bars:
        return ToldCosts(rows, None)
    title = words("Cost of a part over time")
    described = words("A bar for each period, with its interval.")
    plot = BarPlot(title, described, words("cost of a part"), bars, in_percent=False, to=0.0)
    return ToldCosts(rows, bar_figure(plot).svg)


def _kappa_figure(words: Texts, kappas: Sequence[ToldKappa]) -> Markup | None:
    bars = tuple(
        Bar(one.who, one.kappa.value, one.kappa.low, one.kappa.high) for one in kappas if one.kappa.value is not None
    )
    if not bars:
        return None
    described = words("Kappa of each pair, with its interval: 0 is chance, 1 is full agreement.")
    plot = BarPlot(words("Agreement beyond chance"), described, words("kappa"), bars, (_GOOD_KAPPA,), in_percent=False)
    return bar_figure(plot).svg


def _moment(us: int, form: str) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime(form)
