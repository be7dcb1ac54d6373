"""The page: content in, one HTML document out, with nothing to load from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from kenpin.records import Evaluation, JudgedExample, Measure, Verdict
from kenpin.report import charts, words
from kenpin.report.changes import change_sentences, change_table
from kenpin.report.comparison import Comparison, Pair, compare
from kenpin.report.content import ReportContent, read_content
from kenpin.report.document import data_url, template, write_document
from kenpin.report.effects import confirmation_sentence, effects_figure
from kenpin.report.embedding import Layout, Scatter, neighbour_layout, scatter
from kenpin.report.findings import Findings
from kenpin.report.headline import headline
from kenpin.report.heat import Heat, heat_of
from kenpin.report.maps import highest_scored
from kenpin.report.mistakes import mistake_of, worst_first
from kenpin.report.overlay import overlay
from kenpin.report.thumbnails import smaller
from kenpin.report.trust import trust_sentence

MOST_BYTES = 15_000_000
_SIDES_PX = ((None, None), (None, 96), (None, 64), (None, 48), (None, 32), (128, 32), (64, 32))
"""Longer sides of the pictures on cards and under the mouse, from the first to the last that is tried."""
_PICTURES = 60  # of each kind on the page; the counts tell of all
_FINDINGS = 30
_ITEMS = 3  # of a part's distance
_VALUES = 12  # of a list in the provenance
_ELSEWHERE = ("dataset › counts", "notes", "base probe")  # or for programs alone
_TILES = ("escape_rate", "overkill_rate", "review_rate", "accuracy", "auroc", "cost_per_part")
_TEXT_TILES = ("exact_match", "token_f1", "edit_distance")
_BOX_TILES = ("escape_rate", "overkill_rate", "review_rate", "map_50", "box_recall", "box_precision")


@dataclass(frozen=True, slots=True)
class Card:
    """A picture with its caption; `image` is a data URL, None where no thumbnail was kept."""

    title: str
    tag: str
    lines: tuple[str, ...]
    image: str | None
    good: bool = False
    """Whether the tag is good news."""
    overlay: Markup | None = None
    """Boxes or outlines to be laid over the picture."""
    heat: Markup | None = None
    """A map to be laid over the picture once more."""


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
    """The page with pictures of these longer sides at most; None: as they were kept."""
    under_mouse = {} if content.embedding is None else smaller(content.thumbnails, under_mouse_px)
    content = replace(content, thumbnails=smaller(content.thumbnails, on_cards_px))
    leading = content.leading
    mistakes = worst_first(leading.judged)
    shown = [part.id for _, part in mistakes[:_PICTURES]]
    highest = _highest_with_maps(content, {part.id for _, part in mistakes})
    heat = heat_of(content.maps, [*shown, *(part.id for part in highest)])
    return template("page.html.jinja").render(
        content=content,
        leading=leading,
        leading_name=next(iter(content.evaluations)),
        sentences=[words.bound(sentence) for sentence in headline(leading)],
        trust=trust_sentence(content.evaluations),
        tiles=[(words.title(name), *_figures(name, measure)) for name, measure in _tiles(leading)],
        measures=_measure_rows(content.evaluations, of_boxes=False),
        box_measures=_measure_rows(content.evaluations, of_boxes=True),
        box_figures=charts.box_figures(leading),
        mistakes=[_card(part, content.thumbnails, mistake, heat) for mistake, part in mistakes[:_PICTURES]],
        highest=[_card(part, content.thumbnails, "", heat) for part in highest],
        heat=heat,
        mistake_counts=Counter(str(mistake) for mistake, _ in mistakes),
        confusion=_confusion(leading),
        per_class=[(label, leading.per_class[label]) for label in _in_order(leading, leading.per_class)],
        verdicts=_verdicts(leading),
        figures=charts.evaluation_figures(content.evaluations),
        costs=charts.cost_figure(leading),
        training=charts.training_figures(content.training),
        scatter=_scatter(content, under_mouse, neighbours),
        under_mouse_px=under_mouse_px,
        effects=None if content.selection is None else effects_figure(content.selection),
        confirmation="" if content.selection is None else confirmation_sentence(content.selection),
        classes=_class_cards(content),
        counts=_counts(content),
        doctor=_doctor(content.doctor),
        findings=findings,
        provenance=_flat(content.run),
        comparison=_comparison(content),
        words=words,
        things=content.things,
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
    """Draw the report of a run, beside an earlier one if asked, into one HTML file that needs no other.

    `name`: the run's name on the page; None: its folder's; `findings`: what commands on decisions found, in sections of
    their own; `umap`: lay the pictures' vectors out by UMAP too.

    Raises RunError for a folder without results, OutputExistsError where `out` exists, unless `overwrite`, and
    MissingExtraError.
    """
    before = None if against is None else Path(against)
    return write_document(
        lambda: render_report(read_content(Path(run_folder), against=before, name=name), findings=findings, umap=umap),
        Path(out),
        overwrite,
    )


def _tiles(evaluation: Evaluation) -> list[tuple[str, Measure]]:
    names = {"boxes": _BOX_TILES, "text": _TEXT_TILES}.get(evaluation.target, _TILES)
    measures = [(name, evaluation.measures.get(name, Measure(None))) for name in names]
    return [(name, measure) for name, measure in measures if measure.value is not None]


def _figures(name: str, measure: Measure) -> tuple[str, str]:
    return words.value(name, measure.value), words.interval(name, measure)


def _measure_rows(
    evaluations: Mapping[str, Evaluation], *, of_boxes: bool
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Title, meaning and, for each evaluation, value and interval; measures that none has are left out."""
    names = dict.fromkeys(name for one in evaluations.values() for name in one.measures)
    rows = []
    for name in names:
        if (name in words.OF_BOXES) is not of_boxes:
            continue
        measures = [one.measures.get(name, Measure(None)) for one in evaluations.values()]
        if any(measure.value is not None for measure in measures):
            figures = [_figures(name, measure) for measure in measures]
            rows.append((words.title(name), words.OF_BOXES.get(name, ""), figures))
    return rows


def _highest_with_maps(content: ReportContent, mistaken: Collection[str]) -> list[JudgedExample]:
    """Parts that are judged rightly and have a map, the highest score first."""
    kept = {} if content.maps is None else content.maps.by_id
    return [part for part in highest_scored(content.leading.judged) if part.id in kept and part.id not in mistaken]


def _card(part: JudgedExample, thumbnails: Mapping[str, bytes], tag: str, heat: Heat | None) -> Card:
    prediction = part.prediction
    lines = [words.truth(part)]
    if part.text is not None:
        lines = [*words.asked(part), *lines, words.answered(part)]
    if part.boxes is not None:
        lines.append(f"drawn: {words.drawn(part)}")
    if prediction.label is not None:
        chance = (prediction.probabilities or {}).get(prediction.label)
        lines.append(f"called {prediction.label}" + ("" if chance is None else f" ({words.percent(chance, 0)})"))
    if prediction.defect_score is not None:
        lines.append(f"score {words.score(prediction.defect_score)}" + (f", {part.verdict}" if part.verdict else ""))
    if prediction.contributions and part.id not in thumbnails:
        # where there is nothing to look at, the items tell where the distance comes from
        strongest = sorted(prediction.contributions.items(), key=lambda item: -item[1])[:_ITEMS]
        lines.append(", ".join(f"{name} {share:.2g}" for name, share in strongest if share > 0))
    laid = over = None
    if heat is not None and (over := heat.over(part.id)) is not None:
        laid = heat.outline(part.id)
        if not heat.maps.of_score:
            lines.append(f"map: {heat.maps.by_id[part.id].shows}")
    return Card(part.id, tag, tuple(lines), data_url(thumbnails.get(part.id)), overlay=overlay(part) or laid, heat=over)


def _confusion(evaluation: Evaluation) -> list[tuple[str, list[tuple[int, float]]]]:
    """Label, and for each column the count with its share of the row; in the order of the other tables."""
    rows = dict(zip(evaluation.labels, evaluation.confusion, strict=True))
    labels = evaluation.labels if evaluation.target == "boxes" else _in_order(evaluation, evaluation.labels)
    columns = [evaluation.labels.index(label) for label in labels]
    return [
        (label, [(rows[label][i], rows[label][i] / sum(rows[label]) if sum(rows[label]) else 0.0) for i in columns])
        for label in labels
    ]


def _verdicts(evaluation: Evaluation) -> list[tuple[str, bool | None, list[tuple[int, float]]]]:
    """For each label of the data, where boxes are judged for OK and not OK: whether it is a defect, and how many parts
    pass, are reviewed and fail."""
    decided = [part for part in evaluation.judged if part.verdict is not None]
    counts = Counter((words.side(part), part.verdict) for part in decided)
    defective = {words.side(part): part.defective for part in decided}
    table = []
    for label in _in_order(evaluation, defective):
        row = [counts[label, verdict] for verdict in (Verdict.PASS, Verdict.REVIEW, Verdict.FAIL)]
        table.append((label, defective[label], [(count, count / sum(row)) for count in row]))
    return table


def _scatter(content: ReportContent, thumbnails: Mapping[str, bytes], neighbours: Layout | None) -> Scatter | None:
    vectors, judged = content.embedding, content.leading.judged
    if vectors is None:
        return None
    labels = _in_order(content.leading, {words.side(part) for part in judged})
    return scatter(vectors, judged, labels, thumbnails, neighbours)


def _class_cards(content: ReportContent) -> list[Card]:
    """One picture of each class, a rightly judged one where there is any; none where answers are judged."""
    judged = content.leading.judged if content.leading.target != "text" else ()
    number = Counter(kind for part in judged for kind in words.kinds(part))
    best: dict[str, JudgedExample] = {}
    for part in sorted(judged, key=lambda part: (part.id not in content.thumbnails, mistake_of(part) is not None)):
        for kind in words.kinds(part):
            best.setdefault(kind, part)
    ok_labels = (
        (*content.leading.ok_labels, words.NO_BOXES) if content.leading.target == "boxes" else content.leading.ok_labels
    )
    return [
        Card(
            title=label,
            tag="OK" if label in ok_labels else "",
            lines=(f"{number[label]} judged",),
            image=data_url(content.thumbnails.get(best[label].id)),
            good=True,
            overlay=overlay(best[label]),
        )
        for label in _in_order(content.leading, best)
    ]


def _in_order(evaluation: Evaluation, labels: Iterable[str]) -> list[str]:
    """OK labels first, then the inspector's own in their order, then others by name."""
    place = {label: i for i, label in enumerate(dict.fromkeys((*evaluation.ok_labels, *evaluation.labels)))}
    return sorted(labels, key=lambda label: (place.get(label, len(place)), label))


def _counts(content: ReportContent) -> tuple[list[str], list[tuple[str, list[int]]]]:
    """Labels, and for each split the pictures of each; from run.json, or of the evaluated pictures alone."""
    dataset = content.run.get("dataset")
    stated = dataset.get("counts") if isinstance(dataset, Mapping) else None
    if not isinstance(stated, Mapping):
        stated = {
            name: Counter(kind for part in one.judged for kind in words.kinds(part))
            for name, one in content.evaluations.items()
        }
    occurring = dict.fromkeys(label for row in stated.values() for label in row)
    labels = _in_order(content.leading, occurring)
    return labels, [(split, [int(row.get(label, 0)) for label in labels]) for split, row in stated.items()]


def _doctor(doctor: Mapping[str, Any] | None) -> tuple[Counter[str], list[Mapping[str, Any]]] | None:
    if doctor is None:
        return None
    findings = list(doctor.get("findings", []))
    order = ("error", "warning", "info")
    findings.sort(key=lambda one: order.index(one["severity"]) if one["severity"] in order else len(order))
    return Counter(str(one["severity"]) for one in findings), findings[:_FINDINGS]


def _flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Names and values as text; counts and notes stand elsewhere on the page."""
    rows: list[tuple[str, str]] = []
    for key, item in value.items():
        name = prefix + (key if "." in key else key.replace("_", " "))  # files keep their names
        if name in _ELSEWHERE:
            continue
        if isinstance(item, Mapping):
            rows += _flat(item, f"{name} › ")
        elif isinstance(item, Sequence) and not isinstance(item, str):
            more = f", … ({len(item)} in all)" if len(item) > _VALUES else ""
            rows.append((name, ", ".join(_word(one) for one in item[:_VALUES]) + more))
        elif item is not None:
            rows.append((name, _word(item)))
    return rows


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _comparison(content: ReportContent) -> dict[str, Any] | None:
    if content.before is None:
        return None
    name = next(iter(content.evaluations))
    before = content.before.evaluations.get(name, content.before.leading)
    found: Comparison = compare(content.leading, before)
    thumbnails = {**content.before.thumbnails, **content.thumbnails}
    return {
        "found": found,
        "name": content.before.name,
        "changes": change_sentences(found.decisions),
        "change_table": change_table(found.decisions) if found.decisions else None,
        "regressions": [_pair_card(pair, thumbnails) for pair in found.regressions[:_PICTURES]],
        "improvements": [_pair_card(pair, thumbnails) for pair in found.improvements[:_PICTURES]],
        "changed": _changed(content.before.run, content.run),
    }


def _pair_card(pair: Pair, thumbnails: Mapping[str, bytes]) -> Card:
    lines = [words.truth(pair.now), f"before: {_said(pair.before)}", f"now: {_said(pair.now)}"]
    wrong_before, wrong_now = pair.mistakes
    tag = f"was {wrong_before}" if wrong_now is None else str(wrong_now)
    image, good = data_url(thumbnails.get(pair.now.id)), wrong_now is None
    return Card(pair.now.id, tag, tuple(lines), image, good, overlay(pair.now))


def _said(part: JudgedExample) -> str:
    drawn = None if part.boxes is None else words.drawn(part)
    answered = None if part.text is None else words.answered(part)
    said = [part.prediction.label, drawn, answered, str(part.verdict) if part.verdict else None]
    if part.prediction.defect_score is not None:
        said.append(f"score {words.score(part.prediction.defect_score)}")
    return ", ".join(word for word in said if word)


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What the two runs' records say differently."""
    old, new = dict(_flat(before)), dict(_flat(now))
    names = dict.fromkeys([*old, *new])
    return [(n, old.get(n, words.NONE), new.get(n, words.NONE)) for n in names if old.get(n) != new.get(n)]
