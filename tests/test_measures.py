"""A measure is one function and one row: all that evaluations, pages, comparisons and documents need."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.cli import _show
from kenpin.evaluation.comparison import compare
from kenpin.evaluation.kinds import Better, MeasureKind, Section, Unit
from kenpin.evaluation.measures import FOLLOWED, MEASURES, PROMISED, TILES, kind_of, watched, worst
from kenpin.evaluation.pairs import change_of
from kenpin.evaluation.sample import Sample
from kenpin.metrics.intervals import mean_measure
from kenpin.records import Evaluation, JudgedExample, Measure
from kenpin.records_json import evaluation_from_json
from kenpin.report import words, write_report
from kenpin.report.headline import headed_json
from kenpin.targets import Target
from kenpin.training.retrieval import K
from tests.measure_tables import PAGE, tables, with_tables
from tests.test_box_report import box_evaluation
from tests.test_report import evaluation
from tests.tree import PACKAGE

evaluated: Callable[[int], Evaluation] = evaluation.__wrapped__
"""Without what was kept before a measure was added."""


def brier_score(part: JudgedExample) -> float | None:
    score, defective = part.prediction.defect_score, part.defective
    return None if score is None or defective is None else (score - defective) ** 2


def score_gap(sample: Sample) -> Measure | None:
    defective, scores = sample.scored
    return Measure(float(np.median(scores[defective]) - np.median(scores[~defective])))


BRIER = MeasureKind(
    "brier_score",
    "Brier score",
    "The mean squared distance of the score from what the part <is>.",
    unit=Unit.NUMBER,
    better=Better.LOWER,
    each=brier_score,
)
GAP = MeasureKind(
    "score_gap",
    "Gap of the scores",
    "The median score of defective parts minus that of good ones.",
    unit=Unit.NUMBER,
    compute=score_gap,
    change=change_of(score_gap),
)


def kept(folder: Path, found: Evaluation) -> Path:
    """A run folder with what a page is drawn from."""
    folder.mkdir()
    (folder / "run.json").write_text("{}", "utf-8")
    (folder / "evaluation.json").write_text(json.dumps(headed_json(found)), "utf-8")
    return folder


@pytest.mark.parametrize("row", [BRIER, GAP], ids=lambda row: row.name)
def test_one_function_and_one_row_add_a_measure(
    row: MeasureKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = evaluated(0)
    assert row.name not in plain.measures
    monkeypatch.setitem(MEASURES, row.name, row)
    now, before = evaluated(0), evaluated(1)

    # in the evaluation, its JSON and on the terminal; the others stay
    found = now.measures[row.name]
    assert replace(now, measures={name: one for name, one in now.measures.items() if name != row.name}) == plain
    assert evaluation_from_json(json.loads(json.dumps(headed_json(now)))).measures[row.name] == found
    assert f"{row.name.replace('_', ' '):<29}{_show.number(found)}" in _show.measures(now)

    # in the comparison
    (change,) = [one for one in compare(now, before).differences if one.name == row.name]
    assert (change.now, change.before) == pytest.approx((found.value, before.measures[row.name].value))
    assert change.now is not None
    assert change.before is not None
    assert change.change.value == pytest.approx(change.now - change.before)

    # on the page of the run beside the earlier one
    page = write_report(kept(tmp_path / "now", now), tmp_path / "page.html", against=kept(tmp_path / "old", before))
    text = page.read_text("utf-8")
    assert text.count(row.title) == 2
    meaning = row.meaning.replace("<is>", "&lt;is&gt;")
    shown = (
        f'{row.title}<small>{meaning}</small></th><td class="n">{words.value(row.name, found.value)}</td>'
        f'<td class="n quiet">{words.interval(row.name, found)}</td>'
    )
    assert shown in text
    assert words.change(row.name, change.change) in text.partition(row.title)[2].partition("</tr>")[0]

    # in the documents, where a row that stays is missed
    assert f"| `{row.name}` | {row.title} | {row.meaning} |" in tables(MEASURES.values())
    assert with_tables(PAGE.read_text("utf-8"), MEASURES.values()) != PAGE.read_text("utf-8")


def test_a_mean_of_parts_has_the_intervals_of_its_values() -> None:
    now = evaluated(0)
    values = [brier_score(part) or 0.0 for part in now.judged]
    sample = Sample(now.judged, now.labels, now.ok_labels, now.threshold, seed=3)
    assert BRIER.measure(sample) == mean_measure(values, seed=3)
    assert BRIER.measure(replace(sample, judged=())) is None
    assert BRIER.measure(replace(sample, target=Target.TEXT)) is None


def test_the_documents_tell_of_every_measure() -> None:
    text = PAGE.read_text("utf-8")
    assert text == with_tables(text, MEASURES.values()), "run `make tree`"


def test_every_row_is_registered_once() -> None:
    source = "".join(path.read_text("utf-8") for path in sorted((PACKAGE / "evaluation").glob("*.py")))
    assert sorted(re.findall(r'MeasureKind\(\n\s+"(\w+)"', source)) == sorted(MEASURES)
    assert all(name == kind.name for name, kind in MEASURES.items())


@pytest.mark.parametrize("kind", MEASURES.values(), ids=lambda kind: kind.name)
def test_a_row_says_what_a_reader_must_know(kind: MeasureKind) -> None:
    assert re.match(r"[A-Z]|mAP", kind.title)
    assert re.fullmatch(r"([A-Z]|mAP).*\.", kind.meaning)
    assert "`" not in kind.title + kind.meaning, "a page shows it as it stands"
    assert len([other for other in MEASURES.values() if other.title == kind.title]) == 1
    assert kind.compute is None or kind.each is None
    computed = kind.compute is not None or kind.each is not None
    assert computed is not (kind.section in (Section.MAPS, Section.CASES))


@pytest.mark.parametrize("found", [evaluation(), box_evaluation()], ids=["label", "boxes"])
def test_what_is_measured_is_registered_in_its_order(found: Evaluation) -> None:
    assert list(found.measures) == [name for name in MEASURES if name in found.measures]
    sections = {MEASURES[name].section for name in found.measures}
    assert sections <= {section for section in Section if found.target in section.targets}


def test_what_is_computed_elsewhere_is_registered() -> None:
    of_cases = {f"precision_at_{K}_{name}" for name in ("before", "after", "gain")}
    elsewhere = {name for name, kind in MEASURES.items() if kind.compute is None and kind.each is None}
    assert elsewhere == of_cases | {"pixel_auroc", "pixel_f1", "aupro"}


def test_selections_name_rows_and_lines_have_short_names() -> None:
    assert {name for names in TILES.values() for name in names} | {*PROMISED, *FOLLOWED} <= MEASURES.keys()
    assert all(MEASURES[name].short for name in (*PROMISED, *FOLLOWED))
    assert all(watched(section) for section in (Section.PICTURES, Section.BOXES, Section.ANSWERS, Section.EMBEDDINGS))


@pytest.mark.parametrize(
    ("name", "shown", "changed"),
    [
        ("accuracy", "25.0\N{NO-BREAK SPACE}%", "+25.0 pp"),
        ("escape_rate_at_most", "25.0\N{NO-BREAK SPACE}%", "+25.0 pp"),
        ("auroc", "0.250", "+0.250"),
        ("rejected_pieces", "0", "+0"),
        ("cost_per_part", "0.25", "+0.25"),
    ],
)
def test_a_number_is_shown_in_its_unit(name: str, shown: str, changed: str) -> None:
    assert words.value(name, 0.25) == shown
    assert words.change(name, Measure(0.25)) == changed


@given(st.floats(0.0, 1.0), st.sampled_from([name for name in MEASURES if kind_of(name).unit is Unit.BOUND]))
def test_a_bound_is_nowhere_shown_below_itself(bound: float, name: str) -> None:
    shares = [float(_show._measured(name, Measure(bound))), float(words.value(name, bound)[:-2]) / 100]
    assert all(bound - 1e-9 <= share < bound + 0.001 + 1e-9 for share in shares)


def test_the_worst_is_so_by_the_direction() -> None:
    assert (worst("accuracy", [0.1, 0.9]), worst("escape_rate", [0.1, 0.9])) == (0.1, 0.9)


def test_a_measure_of_another_version_is_shown_all_the_same() -> None:
    assert (kind_of("lot_yield").title, words.value("lot_yield", 0.5)) == ("Lot yield", "50.0\N{NO-BREAK SPACE}%")
