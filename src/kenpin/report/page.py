"""The page: content in, one self-contained HTML document out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kenpin.evaluation.comparison import Comparison, compare_runs
from kenpin.evaluation.kinds import Section
from kenpin.evaluation.measures import TILES, kind_of
from kenpin.records import Evaluation, Measure, Severity
from kenpin.report import charts, words
from kenpin.report.cards import Card, class_cards, in_order, pair_card
from kenpin.report.changes import change_sentences, change_table
from kenpin.report.content import Kept, ReportContent, read_content
from kenpin.report.document import template, write_document
from kenpin.report.effects import confirmation_sentence, effects_figure
from kenpin.report.embedding import Layout, Scatter, neighbour_layout, scatter
from kenpin.report.findings import Findings
from kenpin.report.judged import judged
from kenpin.report.plots import Table
from kenpin.report.provenance import about, changed, provenance
from kenpin.report.split_counts import counts_table
from kenpin.report.trust import trust_sentence
from kenpin.run.thumbnails import smaller

MOST_BYTES = 15_000_000
_SIDES_PX = ((None, None), (None, 96), (None, 64), (None, 48), (None, 32), (128, 32), (64, 32))
"""Longer sides of the pictures on cards and under the mouse to try, in this order."""
_PICTURES, _OF_FURTHER = 60, 24  # most cards of each kind on the page; the counts include all
_FINDINGS = 30


def render_report(content: ReportContent, *, findings: Sequence[Findings] = (), umap: bool = False) -> str:
    """One HTML page of a run; text from data and labels is escaped, pictures are embedded. Raises as write_report.

    Where pictures would make it larger than `MOST_BYTES`, those under the mouse become smaller, then those on cards.
    """
    neighbours = None if content.embedding is None or not umap else neighbour_layout(content.embedding)
    page = ""
    for on_cards_px, under_mouse_px in _SIDES_PX:
        page = _rendered(content, findings, neighbours, on_cards_px, under_mouse_px)
        if len(page.encode()) <= MOST_BYTES:
            break
    return page


def _rendered(
    content: ReportContent,
    findings: Sequence[Findings],
    neighbours: Layout | None,
    on_cards_px: int | None,
    under_mouse_px: int | None,
) -> str:
    """The page with pictures of these longer sides at most; None: unchanged."""
    under_mouse = {} if content.embedding is None else smaller(content.thumbnails, under_mouse_px)
    content = _shrunk(content, on_cards_px)
    leading = content.leading
    shown, *further = (
        judged(name, evaluation, content.kept(name), content.noun, _OF_FURTHER if number else _PICTURES)
        for number, (name, evaluation) in enumerate(content.evaluations.items())
    )
    return template("page.html.jinja").render(
        content=content,
        about=about(content.run),
        leading=shown,
        further=further,
        threshold=leading.threshold,
        trust=trust_sentence(content.evaluations),
        tiles=[(words.title(name), *_figures(name, measure)) for name, measure in _tiles(leading)],
        measures=_measure_rows(content.evaluations, of_boxes=False),
        box_measures=_measure_rows(content.evaluations, of_boxes=True),
        figures=charts.evaluation_figures(content.evaluations),
        costs=charts.cost_figure(leading),
        training=charts.training_figures(content.training),
        scatter=_scatter(content, under_mouse, neighbours),
        under_mouse_px=under_mouse_px,
        effects=None if content.selection is None else effects_figure(content.selection),
        confirmation="" if content.selection is None else confirmation_sentence(content.selection),
        classes=class_cards(leading, content.thumbnails),
        counts=counts_table(content),
        doctor=_doctor(content.doctor),
        findings=findings,
        provenance=provenance(content.run),
        against=None if content.before is None else _against(content, content.before),
        words=words,
        noun=content.noun,
    )


def write_report(
    run_folder: str | Path,
    out: str | Path,
    *,
    against: str | Path | None = None,
    name: str | None = None,
    findings: Sequence[Findings] = (),
    umap: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the report of a run, compared with an earlier one if given, as one self-contained HTML file.

    `name`: the run's name on the page; None: its folder's; `findings`: of commands on decisions, in sections of their
    own; `umap`: also lay out the pictures' embeddings by UMAP.

    Raises RunError for a folder without results, OptionError for an earlier run that judged none of the same parts,
    OutputExistsError where `out` exists, unless `overwrite`, and MissingExtraError.
    """
    before = None if against is None else Path(against)
    return write_document(
        lambda: render_report(read_content(Path(run_folder), against=before, name=name), findings=findings, umap=umap),
        Path(out),
        overwrite,
    )


def _shrunk(content: ReportContent, most_px: int | None) -> ReportContent:
    """The content with thumbnails of longer sides of at most `most_px`, those of the earlier run included."""
    further = {
        name: Kept(smaller(pictures.thumbnails, most_px), pictures.maps) for name, pictures in content.further.items()
    }
    before = None if content.before is None else _shrunk(content.before, most_px)
    return replace(content, thumbnails=smaller(content.thumbnails, most_px), further=further, before=before)


def _tiles(evaluation: Evaluation) -> list[tuple[str, Measure]]:
    measures = [(name, evaluation.measures.get(name, Measure(None))) for name in TILES[evaluation.target]]
    return [(name, measure) for name, measure in measures if measure.value is not None]


def _figures(name: str, measure: Measure) -> tuple[str, str]:
    return words.value(name, measure.value), words.interval(name, measure)


def _measure_rows(
    evaluations: Mapping[str, Evaluation], *, of_boxes: bool
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Title, meaning and, for each evaluation, value and interval; measures without any value are left out."""
    names = dict.fromkeys(name for evaluation in evaluations.values() for name in evaluation.measures)
    rows = []
    for name in names:
        if (kind_of(name).section is Section.BOXES) is not of_boxes:
            continue
        measures = [evaluation.measures.get(name, Measure(None)) for evaluation in evaluations.values()]
        if any(measure.value is not None for measure in measures):
            figures = [_figures(name, measure) for measure in measures]
            rows.append((words.title(name), kind_of(name).meaning, figures))
    return rows


def _scatter(content: ReportContent, thumbnails: Mapping[str, bytes], neighbours: Layout | None) -> Scatter | None:
    vectors, parts = content.embedding, content.leading.judged
    if vectors is None:
        return None
    labels = in_order(content.leading, {words.side(part) for part in parts})
    return scatter(vectors, parts, labels, thumbnails, neighbours)


def _doctor(doctor: Mapping[str, Any] | None) -> tuple[Counter[str], list[Mapping[str, Any]]] | None:
    if doctor is None:
        return None
    findings = list(doctor.get("findings", []))
    order = ("error", "warning", "info")
    findings.sort(key=lambda finding: order.index(finding["severity"]) if finding["severity"] in order else len(order))
    shown: list[Mapping[str, Any]] = [{**finding, "severity": _noun(str(finding["severity"]))} for finding in findings]
    return Counter(str(finding["severity"]) for finding in shown), shown[:_FINDINGS]


def _noun(severity: str) -> str:
    return Severity(severity).noun if severity in set(Severity) else severity


@dataclass(frozen=True, slots=True)
class _Compared:
    """Two runs on one evaluation, ready for the page."""

    where: str
    """Names of the compared evaluations."""
    found: Comparison
    changes: tuple[str, ...]
    change_table: Table | None
    regressions: list[Card]
    improvements: list[Card]


def _against(content: ReportContent, before: ReportContent) -> dict[str, Any]:
    """The section on the earlier run: its name, the comparisons and the records' differences. Raises OptionError."""
    return {
        "name": before.name,
        "compared": [
            _compared(
                comparison,
                f"“{name}”" if name == earlier else f"“{name}” of this run and “{earlier}” of the earlier one",
                {**before.kept(earlier).thumbnails, **content.kept(name).thumbnails},
                _OF_FURTHER if number else _PICTURES,
            )
            for number, (name, earlier, comparison) in enumerate(compare_runs(content.evaluations, before.evaluations))
        ],
        "changed": changed(before.run, content.run),
    }


def _compared(comparison: Comparison, where: str, thumbnails: Mapping[str, bytes], most: int) -> _Compared:
    return _Compared(
        where=f"On {where}",
        found=comparison,
        changes=change_sentences(comparison.decisions),
        change_table=change_table(comparison.decisions) if comparison.decisions else None,
        regressions=[pair_card(pair, thumbnails) for pair in comparison.regressions[:most]],
        improvements=[pair_card(pair, thumbnails) for pair in comparison.improvements[:most]],
    )
