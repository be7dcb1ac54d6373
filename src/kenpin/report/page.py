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
from kenpin.plural import counted
from kenpin.records import Evaluation, Measure, Severity
from kenpin.report import charts, words
from kenpin.report.cards import Card, class_cards, in_order, looked_at_cards, pair_card
from kenpin.report.changes import change_sentences, change_table
from kenpin.report.content import Kept, ReportContent, read_content
from kenpin.report.document import fill, write_document
from kenpin.report.effects import confirmation_sentence, effects_figure
from kenpin.report.embedding import Layout, Scatter, neighbour_layout, scatter
from kenpin.report.findings import Findings
from kenpin.report.judged import judged
from kenpin.report.plots import Table
from kenpin.report.provenance import about, changed, provenance
from kenpin.report.split_counts import counts_table
from kenpin.report.trust import trust_sentence
from kenpin.run.thumbnails import smaller
from kenpin.words import Language, Texts

MOST_BYTES = 15_000_000
_SIDES_PX = ((None, None), (None, 96), (None, 64), (None, 48), (None, 32), (128, 32), (64, 32))
"""Longer sides of the pictures on cards and under the mouse to try, in this order."""
_PICTURES, _OF_FURTHER = 60, 24  # most cards of each kind on the page; the counts include all
_FINDINGS = 30


def render_report(
    content: ReportContent, *, findings: Sequence[Findings] = (), umap: bool = False, language: Language = "en"
) -> str:
    """One HTML page of a run; text from data and labels is escaped, pictures are embedded. Raises as write_report.

    language: of the page; what the run recorded in English and no template knows stays so, and is marked as English.

    Where pictures would make it larger than `MOST_BYTES`, those under the mouse become smaller, then those on cards.
    """
    neighbours = None if content.embedding is None or not umap else neighbour_layout(content.embedding)
    page, texts = "", Texts(language)
    for on_cards_px, under_mouse_px in _SIDES_PX:
        page = _rendered(content, findings, neighbours, on_cards_px, under_mouse_px, texts)
        if len(page.encode()) <= MOST_BYTES:
            break
    return page


def _rendered(
    content: ReportContent,
    findings: Sequence[Findings],
    neighbours: Layout | None,
    on_cards_px: int | None,
    under_mouse_px: int | None,
    texts: Texts,
) -> str:
    """The page with pictures of these longer sides at most; None: unchanged."""
    under_mouse = {} if content.embedding is None else smaller(content.thumbnails, under_mouse_px)
    content = _shrunk(content, on_cards_px)
    leading = content.leading
    shown, *further = (
        judged(name, evaluation, content.kept(name), content.noun, _OF_FURTHER if number else _PICTURES, texts)
        for number, (name, evaluation) in enumerate(content.evaluations.items())
    )
    return fill(
        "page.html.jinja",
        texts,
        content=content,
        about=about(content.run, texts),
        leading=shown,
        further=further,
        threshold=leading.threshold,
        trust=trust_sentence(content.evaluations, texts),
        tiles=[(words.title(name, texts), *_figures(name, measure, texts)) for name, measure in _tiles(leading)],
        measures=_measure_rows(content.evaluations, texts, of_boxes=False),
        box_measures=_measure_rows(content.evaluations, texts, of_boxes=True),
        figures=charts.evaluation_figures(content.evaluations, texts),
        costs=charts.cost_figure(leading, texts),
        looked_at=looked_at_cards(content.looked_at, content.thumbnails, texts),
        training=charts.training_figures(content.training, texts),
        scatter=_scatter(content, under_mouse, neighbours, texts),
        under_mouse_px=under_mouse_px,
        effects=None if content.selection is None else effects_figure(content.selection, texts),
        confirmation="" if content.selection is None else confirmation_sentence(content.selection, texts),
        classes=[] if content.noun == "parts" else class_cards(leading, content.thumbnails, texts),
        counts=counts_table(content, texts),
        doctor=_doctor(content.doctor, texts),
        findings=findings,
        provenance=provenance(content.run, texts),
        against=None if content.before is None else _against(content, content.before, texts),
        words=words,
        of_parts=content.noun == "parts" or content.is_by_part,
    )


def write_report(
    run_folder: str | Path,
    out: str | Path,
    *,
    against: str | Path | None = None,
    name: str | None = None,
    findings: Sequence[Findings] = (),
    umap: bool = False,
    language: Language = "en",
    overwrite: bool = False,
) -> Path:
    """Write the report of a run, compared with an earlier one if given, as one self-contained HTML file.

    `name`: the run's name on the page; None: its folder's; `findings`: of commands on decisions, in sections of their
    own; `umap`: also lay out the pictures' embeddings by UMAP; `language`: of the page's own texts.

    Raises RunError for a folder without results, OptionError for an earlier run that judged none of the same parts,
    OutputExistsError where `out` exists, unless `overwrite`, and MissingExtraError.
    """
    before = None if against is None else Path(against)

    def render() -> str:
        content = read_content(Path(run_folder), against=before, name=name, texts=Texts(language))
        return render_report(content, findings=findings, umap=umap, language=language)

    return write_document(render, Path(out), overwrite)


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


def _figures(name: str, measure: Measure, texts: Texts) -> tuple[str, str]:
    return words.value(name, measure.value), words.interval(name, measure, texts)


def _measure_rows(
    evaluations: Mapping[str, Evaluation], texts: Texts, *, of_boxes: bool
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Title, meaning and, for each evaluation, value and interval; measures without any value are left out."""
    names = dict.fromkeys(name for evaluation in evaluations.values() for name in evaluation.measures)
    rows = []
    for name in names:
        if (kind_of(name).section is Section.BOXES) is not of_boxes:
            continue
        measures = [evaluation.measures.get(name, Measure(None)) for evaluation in evaluations.values()]
        if any(measure.value is not None for measure in measures):
            figures = [_figures(name, measure, texts) for measure in measures]
            rows.append((words.title(name, texts), texts(kind_of(name).meaning), figures))
    return rows


def _scatter(
    content: ReportContent, thumbnails: Mapping[str, bytes], neighbours: Layout | None, texts: Texts
) -> Scatter | None:
    vectors, parts = content.embedding, content.leading.judged
    if vectors is None:
        return None
    labels = in_order(content.leading, {words.side(part) for part in parts})
    return scatter(vectors, parts, labels, thumbnails, neighbours, texts)


def _doctor(doctor: Mapping[str, Any] | None, texts: Texts) -> dict[str, Any] | None:
    """How many findings there are of each kind, in words, their number, and the first, the gravest ones first."""
    if doctor is None:
        return None
    findings = list(doctor.get("findings", []))
    order = ("error", "warning", "info")
    findings.sort(key=lambda finding: order.index(finding["severity"]) if finding["severity"] in order else len(order))
    shown: list[Mapping[str, Any]] = [
        {**finding, "severity": _noun(finding["severity"], texts)} for finding in findings
    ]
    counts = Counter(str(finding["severity"]) for finding in findings)
    return {
        "counts": [_number_of(severity, number, texts) for severity, number in counts.items()],
        "all": len(findings),
        "shown": shown[:_FINDINGS],
    }


def _noun(severity: str, texts: Texts) -> str:
    nouns = {Severity.ERROR: texts("error"), Severity.WARNING: texts("warning"), Severity.INFO: texts("note")}
    return nouns[Severity(severity)] if severity in set(Severity) else severity


def _number_of(severity: str, number: int, texts: Texts) -> str:
    match severity:
        case Severity.ERROR:
            return texts.count("%(count)s error", "%(count)s errors", number)
        case Severity.WARNING:
            return texts.count("%(count)s warning", "%(count)s warnings", number)
        case Severity.INFO:
            return texts.count("%(count)s note", "%(count)s notes", number)
    return counted(number, severity)


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


def _against(content: ReportContent, before: ReportContent, texts: Texts) -> dict[str, Any]:
    """The section on the earlier run: its name, the comparisons and the records' differences. Raises OptionError."""
    return {
        "name": before.name,
        "compared": [
            _compared(
                comparison,
                texts("On “%(name)s”", name=name)
                if name == earlier
                else texts(
                    "On “%(name)s” of this run and “%(earlier)s” of the earlier one", name=name, earlier=earlier
                ),
                {**before.kept(earlier).thumbnails, **content.kept(name).thumbnails},
                _OF_FURTHER if number else _PICTURES,
                texts,
            )
            for number, (name, earlier, comparison) in enumerate(
                compare_runs(content.evaluations, before.evaluations, texts)
            )
        ],
        "changed": changed(before.run, content.run, texts),
    }


def _compared(
    comparison: Comparison, where: str, thumbnails: Mapping[str, bytes], most: int, texts: Texts
) -> _Compared:
    return _Compared(
        where=where,
        found=comparison,
        changes=change_sentences(comparison.decisions, texts),
        change_table=change_table(comparison.decisions, texts) if comparison.decisions else None,
        regressions=[pair_card(pair, thumbnails, texts) for pair in comparison.regressions[:most]],
        improvements=[pair_card(pair, thumbnails, texts) for pair in comparison.improvements[:most]],
    )
