"""A gage study as findings: sentences, tables, and charts of shares, kappa and deviations."""

from __future__ import annotations

from collections.abc import Iterator

from kenpin.plural import counted, is_are
from kenpin.quality.agreement import Kappa
from kenpin.quality.attribute_gage import AttributeStudy, Share
from kenpin.quality.gage import GOOD, USABLE, GageStudy
from kenpin.report.findings import Findings
from kenpin.report.plots import Bar, BarPlot, Table

_EVERYBODY = "everybody"
_PARTS, _MEASURED_PARTS = 50, 10  # least numbers by AIAG, MSA 4th edition, III-C and III-B


def gage_findings(
    name: str,
    attribute: AttributeStudy | None,
    variable: tuple[str, GageStudy] | None,
    tolerance: float | None = None,
) -> Findings:
    """Findings of an attribute study, of a variable one (with the name of what was measured), or of both.

    tolerance: its width, in the unit of what was measured. Raises OptionError.
    """
    sentences: list[str] = []
    bars: list[BarPlot] = []
    tables: list[Table] = []
    if attribute is not None:
        shares, kappas = list(_shares(attribute)), list(_kappas(attribute))
        sentences += _attribute_sentences(attribute)
        tables += [_share_table(shares), *([_kappa_table(kappas)] if kappas else [])]
        bars += [_share_plot(shares), *_kappa_plots(kappas)]
    if variable is not None:
        measure, study = variable
        sentences += _variable_sentences(study, tolerance)
        tables += [_variance_table(measure, study), _deviation_table(study)]
        bars.append(_deviation_plot(measure, study))
    return Findings("gage", name, tuple(sentences), bars=tuple(bars), tables=tuple(tables))


def _shares(study: AttributeStudy) -> Iterator[tuple[str, str, Share]]:
    """Appraiser, criterion and share."""
    for appraiser in study.appraisers:
        for what, share in (
            ("repeats itself", appraiser.within),
            ("effectiveness", appraiser.effectiveness),
            ("missed NG", appraiser.missed),
            ("false alarms on OK", appraiser.false_alarms),
        ):
            if share is not None:
                yield appraiser.name, what, share
    for what, share in (("all agree", study.between), ("all agree with truth", study.all_right)):
        if share is not None:
            yield _EVERYBODY, what, share


def _kappas(study: AttributeStudy) -> Iterator[tuple[str, str, Kappa]]:
    """Appraiser, comparison and kappa."""
    for appraiser in study.appraisers:
        if appraiser.against_truth is not None:
            yield appraiser.name, "with truth", appraiser.against_truth
    for first, second, kappa in study.pairs:
        yield f"{first}, {second}", "Cohen’s kappa", kappa
    if study.overall is not None:
        yield _EVERYBODY, "Fleiss’ kappa", study.overall


def _attribute_sentences(study: AttributeStudy) -> Iterator[str]:
    for appraiser in study.appraisers:
        if appraiser.rating is not None and appraiser.effectiveness is not None:
            right = f"right on {_of_parts(appraiser.effectiveness)} in every trial"
            yield f"{appraiser.name} is {appraiser.rating} by AIAG’s limits: {right}."
        elif appraiser.within is not None:
            yield f"{appraiser.name} gives the same verdict on {_of_parts(appraiser.within)} in every trial."
    if study.parts < _PARTS:
        few = f"{counted(study.parts, 'part')} {is_are(study.parts)} few"
        yield f"{few}: AIAG studies verdicts on {_PARTS} or more, with doubtful ones among them."
    if study.overall is not None and study.overall.value is not None:
        yield f"Beyond chance, all verdicts agree with Fleiss’ kappa {_kappa_text(study.overall)}."


def _of(share: Share) -> str:
    return f"{share.events} of {share.cases}"


def _of_parts(share: Share) -> str:
    return f"{share.events} of {counted(share.cases, 'part')}"


def _share_table(shares: list[tuple[str, str, Share]]) -> Table:
    return Table(
        "Attribute agreement (share, two-sided 95 % interval)",
        ("who", "what", "share", "two-sided 95 % interval", "parts or decisions"),
        tuple(
            (who, what, _percent(rate.value), f"{_percent(rate.low)} to {_percent(rate.high)}", _of(rate))
            for who, what, rate in shares
        ),
    )


def _kappa_table(kappas: list[tuple[str, str, Kappa]]) -> Table:
    return Table(
        "Kappa: agreement beyond chance",
        ("who", "which", "kappa", "two-sided 95 % interval", "agreeing", "by chance"),
        tuple(
            (
                who,
                which,
                "–" if kappa.value is None else f"{kappa.value:.3f}",
                "–" if kappa.low is None else f"{kappa.low:.3f} to {kappa.high:.3f}",
                _percent(kappa.observed),
                _percent(kappa.expected),
            )
            for who, which, kappa in kappas
        ),
    )


def _kappa_text(kappa: Kappa) -> str:
    span = "" if kappa.low is None else f" ({kappa.low:.3f} to {kappa.high:.3f})"
    return f"{kappa.value:.3f}{span}"


def _share_plot(shares: list[tuple[str, str, Share]]) -> BarPlot:
    return BarPlot(
        "Agreement",
        f"{counted(len(shares), 'share')} with exact two-sided 95 % intervals.",
        "share",
        tuple(Bar(f"{who}: {what}", rate.value, rate.low, rate.high) for who, what, rate in shares),
        caption="Effectiveness is acceptable from 90 %, with up to 2 % missed and 5 % false alarms (AIAG).",
    )


def _kappa_plots(kappas: list[tuple[str, str, Kappa]]) -> Iterator[BarPlot]:
    known = [
        (f"{who}: {which}", kappa.value, kappa.low, kappa.high)
        for who, which, kappa in kappas
        if kappa.value is not None
    ]
    if known:
        yield BarPlot(
            "Kappa",
            "Agreement beyond chance with its two-sided 95 % interval: 0 is chance, 1 is full agreement.",
            "kappa",
            tuple(Bar(*kappa) for kappa in known),
            marks=(0.75,),
            caption="AIAG takes 0.75 and more (dashed) for good agreement, below 0.40 for poor.",
            in_percent=False,
        )


def _variable_sentences(study: GageStudy, tolerance: float | None) -> Iterator[str]:
    known = study.distinct_categories
    categories = "any number of categories" if known is None else counted(known, "category")
    share = study.gage_share
    yield f"%GRR {share * 100:.1f}: {_rated(share)}; it tells {categories} of parts apart."
    if tolerance is not None:
        share = study.tolerance_share(tolerance)
        yield f"Six deviations of the gage take {_percent(share)} of the tolerance {tolerance:g}: {_rated(share)}."
    if study.part_count < _MEASURED_PARTS:
        few = f"{counted(study.part_count, 'part')} {is_are(study.part_count)} few"
        yield f"{few}: AIAG measures {_MEASURED_PARTS} or more, from the whole range."
    if study.pooled:
        yield "The interaction may be chance, so it counts as repeatability."


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _rated(share: float) -> str:
    return "good" if share < GOOD else "acceptable for some uses" if share <= USABLE else "not acceptable"


def _deviations(study: GageStudy) -> tuple[tuple[str, float, float], ...]:
    """Source, standard deviation, and its share of the total one."""
    deviations = (
        ("repeatability", study.repeatability),
        ("reproducibility", study.reproducibility),
        ("gage R&R", study.gage),
        ("parts", study.parts),
        ("total", study.total),
    )
    return tuple((name, deviation, deviation / study.total if study.total else 0.0) for name, deviation in deviations)


def _variance_table(measure: str, study: GageStudy) -> Table:
    return Table(
        f"Gage R&R of {measure}, by analysis of variance",
        ("source", "squares", "df", "F", "p"),
        tuple(
            (
                source.name,
                f"{source.squares:.5g}",
                str(source.degrees),
                "" if source.f is None else f"{source.f:.4g}",
                "" if source.p_value is None else f"{source.p_value:.2g}",
            )
            for source in study.sources
        ),
    )


def _deviation_table(study: GageStudy) -> Table:
    return Table(
        "Standard deviations",
        ("source", "deviation", "of the total"),
        tuple((name, f"{deviation:.5g}", _percent(share)) for name, deviation, share in _deviations(study)),
    )


def _deviation_plot(measure: str, study: GageStudy) -> BarPlot:
    return BarPlot(
        f"Where the spread of {measure} comes from",
        f"Gage R&R is {_percent(study.gage_share)} of the total standard deviation.",
        "share of the total standard deviation",
        tuple(Bar(name, share) for name, _, share in _deviations(study)[:-1]),
        marks=(GOOD, USABLE),
        caption="Up to 10 % the gage is good, up to 30 % acceptable for some uses (dashed); squares of shares add up, "
        "shares do not.",
    )
