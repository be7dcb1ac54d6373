"""The report in Japanese and Chinese: no fixed text of it stays English, and what the run recorded says that it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin import words
from kenpin.errors import OptionError
from kenpin.evaluation import summarise
from kenpin.heat import WHOLE
from kenpin.metrics.projection import principal_components
from kenpin.records import Evaluation, Example, ImageSource, Measure, Prediction, Threshold, Verdict
from kenpin.report import ReportContent, headline, read_content, render_report, write_report
from kenpin.report.changes import change_sentences
from kenpin.report.findings import Findings
from kenpin.report.plots import Table
from kenpin.run.maps import Maps, PictureMap
from kenpin.run.vectors import ProjectedEmbedding
from kenpin.words import ENGLISH, Language, Texts
from tests.catalogues import TRANSLATED
from tests.commands import Run
from tests.languages import Marking, Shown, outside, without
from tests.test_box_report import box_content, box_evaluation
from tests.test_effects import selection
from tests.test_report import CUT, content, evaluation, full_content
from tests.test_text_evaluation import evaluated
from tests.toy_runs import trained

# of the pages below
_DATA = {"test", "train", "blocked", "x.json", "lot", "solder-bridge", "script", "alert", "head", "abc", "https"}
_DATA |= {"a label so long that no picture has room for it", "a label so long that", "s…", "D²/k", "table", "item"}
_DATA |= {"example.org", "base", "x", "csv"}
_DATA |= {"a scratch", "a dent", "scratch", "dent", "nothing"}


def _maps(**change: Any) -> Maps:
    grid = np.random.default_rng(0).uniform(0, 20, (5, 7)).astype(np.float32)
    mask = np.zeros((48, 64), bool)
    mask[10:20, 5:30] = True
    by_id = {f"{i}.png": PictureMap(grid, WHOLE, (640, 480), "what speaks for a dent", mask) for i in range(60)}
    return replace(Maps(by_id, "D²/k", of_score=True, held_out=False, fails_from=10.0), **change)


def _embedding(judged: Evaluation, dimension: int = 12) -> ProjectedEmbedding:
    ids = tuple(part.id for part in judged.judged)
    return ProjectedEmbedding(ids, principal_components(np.random.default_rng(0).normal(size=(len(ids), dimension))))


def _numbers() -> ReportContent:
    """Rows of a table, judged by their distance."""
    scores = [0.5, 0.9, 1.1, 1.0, 90.0, 40.0]
    examples = [Example(f"{i}", ImageSource(), label="良品" if i < 4 else "dent") for i in range(6)]
    predictions = [
        Prediction(f"{i}", defect_score=score, distance=score, contributions={"item": 1.0})
        for i, score in enumerate(scores)
    ]
    cut = Threshold(2.0, None, "0.99 quantile of good parts")
    result = summarise(examples, predictions, labels=(), ok_labels=["良品"], threshold=cut, split="test")
    return content(
        run={"family": "mahalanobis", "base_id": "table", "options": {"resume": True, "data": []}},
        evaluations={"test": result},
        thumbnails={},
        selection=selection(60, Measure(-0.01, -0.02, 0.01)),
    )


def _remembering() -> Evaluation:
    return replace(evaluation(), judged=tuple(replace(part, seen=True) for part in evaluation().judged))


def _pages() -> Iterator[tuple[str, ReportContent]]:
    yield "whole", replace(full_content(), embedding=_embedding(evaluation()), unsealed=("x.json",))
    yield "maps of scores", content(maps=_maps(), embedding=_embedding(evaluation(), 2))
    yield "maps of classes", content(maps=_maps(of_score=False, held_out=True))
    yield (
        "costs",
        content(evaluations={"test": evaluation(threshold=replace(CUT, cost_escape=10.0, cost_overkill=1.0))}),
    )
    yield "no threshold", content(evaluations={"test": evaluation(threshold=None)}, doctor={"findings": []})
    yield "nothing is OK", content(evaluations={"test": evaluation(ok_labels=())}, run={})
    yield "remembering", content(evaluations={"test": _remembering(), "blocked": evaluation(1)})
    yield "boxes", box_content(before=box_content(name="lot 6", evaluations={"test": box_evaluation(1)}), thumbnails={})
    yield "boxes twice", box_content(evaluations={"test": box_evaluation(), "lot 8": box_evaluation(1)})
    yield "boxes without scores", box_content(evaluations={"test": box_evaluation(scored=False)})
    yield "answers", content(run={}, evaluations={"test": evaluated("a scratch", "dent", None, "x")}, thumbnails={})
    yield "numbers", _numbers()


PAGES = dict(_pages())
FOUND = Findings("gage", "x.csv", ("Two people agree.",), tables=(Table("Shares", ("who", "share"), (("A", "1 %"),)),))


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    marking = Marking()
    monkeypatch.setattr(words, "translations", lambda language: marking)


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("name", PAGES)
def test_every_fixed_text_of_the_page_is_in_the_catalogue(name: str) -> None:
    shown = Shown(render_report(PAGES[name], findings=(FOUND,), language="ja"))
    assert any("«" in text for text in shown.texts)
    escaped = {(rest, text) for text in shown.texts if (rest := outside(text, _DATA))}
    assert not escaped, "through the catalogue with them, or within what is said to be English"
    assert FOUND.sentences[0] in shown.recorded


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_another_language_has_no_english_sentence(name: str, language: Language) -> None:
    shown = Shown(render_report(PAGES[name], findings=(FOUND,), language=language))
    assert shown.language == language
    for text in shown.texts:
        assert not re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", without(text, _DATA)), text
    assert not any("%(" in text or "%%" in text for text in shown.texts)


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_a_run_recorded_stays_as_it_is_and_says_that_it_is_english(language: Language) -> None:
    shown = Shown(render_report(full_content(), findings=(FOUND,), language=language))
    for note in ("Flips are off: a mirrored part would change its label.", "By hand."):
        assert note in shown.recorded
    assert not any("Flips are off" in text for text in shown.texts)
    english = Shown(render_report(full_content(), findings=(FOUND,)))
    assert english.language == "en"
    assert english.recorded == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_study_has_its_heading_and_known_sentences_in_the_language(language: Language) -> None:
    known = (
        "Nothing drifted: 20 parts against 26.",
        "EWMA of distance: no alarm in 1 point.",
        "FAIL from 80, PASS below.",
    )
    study = Findings("drift", "lot.json", (*known, "Two people agree."))
    shown = Shown(render_report(full_content(), findings=(study,), language=language))
    assert not [text for text in shown.recorded if text in known]
    assert not [text for text in shown.texts if "Drift" in text or "drifted" in text or "alarm" in text]
    assert any(Texts(language)("Drift") in text and "lot.json" in text for text in shown.texts)


@pytest.mark.parametrize("language", TRANSLATED)
def test_numbers_are_the_same_in_every_language(language: Language) -> None:
    numbers = [
        sorted(re.findall(r"\d+\.\d+", " ".join(headline(evaluation(), Texts(one))))) for one in ("en", language)
    ]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) > 5


def test_without_a_language_sentences_are_english() -> None:
    assert headline(evaluation()) == headline(evaluation(), ENGLISH)
    assert change_sentences({"escape": None}) == (
        "No NG part was judged by both runs, so the rate of escapes is unknown.",
    )
    assert render_report(full_content()) == render_report(full_content(), language="en")


def test_the_command_and_the_function_write_the_language(few_parts: Path, tmp_path: Path, kenpin: Run) -> None:
    folder = trained("classifier", tmp_path / "run", few_parts, tuning="head")
    page = write_report(folder, tmp_path / "python.html", language="ja").read_text("utf-8")
    assert '<html lang="ja">' in page
    assert "<h2>誤り（重大な順）</h2>" in page
    code, _, _ = kenpin("report", folder, "--out", tmp_path / "shell.html", "--language", "zh")
    assert code == 0
    assert '<html lang="zh">' in (tmp_path / "shell.html").read_text("utf-8")
    assert read_content(folder).evaluations.keys() == read_content(folder, texts=Texts("ja")).evaluations.keys()
    assert kenpin("report", folder, "--language", "de")[0] != 0
    with pytest.raises(OptionError, match="en, ja, zh"):
        write_report(folder, tmp_path / "none.html", language="de")  # type: ignore[arg-type]


def test_verdicts_have_the_names_of_the_station() -> None:
    shown = Shown(render_report(full_content(), language="ja")).texts
    for verdict in Verdict:
        assert Texts("ja")(str(verdict)) in shown
