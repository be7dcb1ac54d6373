"""Answers in words: compared as SQuAD compares them, measured with intervals, and shown worst first."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.evaluation import summarise
from kenpin.evaluation.comparison import compare
from kenpin.evaluation.mistakes import Mistake, worst_first
from kenpin.metrics.text import edit_distance, exact_match, token_f1, words_of
from kenpin.records import Evaluation, Example, ImageSource, Prediction
from kenpin.records_json import evaluation_from_json, evaluation_to_json
from kenpin.report.content import ReportContent
from kenpin.report.page import render_report
from kenpin.targets import Target


@pytest.mark.parametrize(
    ("said", "truth", "exact", "f1"),
    [
        ("A scratch, upper left.", "the scratch upper left", True, 1.0),
        ("scratch", "a deep scratch", False, 2 / 3),
        ("upper left scratch", "scratch upper left", False, 1.0),  # F1 knows no order
        ("dent dent", "dent", False, 2 / 3),  # a word said twice is right once
        ("no", "scratch", False, 0.0),
        ("", "", True, 1.0),
        ("", "scratch", False, 0.0),
        ("右上に傷。", "右上に、傷", True, 1.0),
        ("右上に傷", "左上に傷", False, 3 / 4),
        ("It's a theatre", "its theatre", True, 1.0),  # no article within a word
    ],
)
def test_words_are_compared_as_squad_compares_them(said: str, truth: str, exact: bool, f1: float) -> None:
    assert exact_match(said, truth) is exact
    assert token_f1(said, truth) == pytest.approx(f1)


def test_words_of_ascii_are_those_of_the_official_script() -> None:
    """The script's own steps, in its order: lower case, punctuation, articles, white space."""
    import re
    import string

    for text in ("The $5 (a) part-time  An  answer!", "a\tb, the c's", "ab an_the x.y"):
        plain = "".join(character for character in text.lower() if character not in set(string.punctuation))
        assert words_of(text) == re.sub(r"\b(a|an|the)\b", " ", plain).split()


def levenshtein(said: str, truth: str) -> int:
    """By its definition."""

    @cache
    def between(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        replaced = between(i - 1, j - 1) + (said[i - 1] != truth[j - 1])
        return min(between(i - 1, j) + 1, between(i, j - 1) + 1, replaced)

    return between(len(said), len(truth))


@given(st.text("ab傷 ", max_size=12), st.text("ab傷 ", max_size=12))
def test_the_edit_distance_is_levenshteins(said: str, truth: str) -> None:
    said, truth = said.strip(), truth.strip()
    longest = max(len(said), len(truth))
    assert edit_distance(said, truth) == pytest.approx(levenshtein(said, truth) / longest if longest else 0.0)
    assert edit_distance(said, truth) == edit_distance(truth, said)
    assert (edit_distance(said, truth) == 0) is (said == truth)


TRUTH = ("a scratch", "a dent", "nothing", "a scratch")


def evaluated(*said: str | None) -> Evaluation:
    examples = [Example(str(i), ImageSource(f"{i}.png"), suffix=truth) for i, truth in enumerate(TRUTH)]
    examples[1] = replace(examples[1], prefix="What is <b>here</b>?", label="dent")
    answers = [Prediction(str(i), text=text) for i, text in enumerate(said)]
    return summarise(examples, answers, labels=(), ok_labels=(), threshold=None, split="test", target=Target.TEXT)


def test_answers_are_measured_with_intervals() -> None:
    measures = evaluated("A scratch.", "a scratch", "", "a deep scratch").measures
    assert {name: measure.value for name, measure in measures.items()} == {
        "exact_match": 0.25,
        "token_f1": pytest.approx((1 + 0 + 0 + 2 / 3) / 4),
        "edit_distance": pytest.approx((2 / 10 + 6 / 9 + 1 + 5 / 14) / 4),
    }
    for measure in measures.values():
        assert measure.low is not None
        assert measure.value is not None
        assert measure.high is not None
        assert measure.low < measure.value < measure.high


def test_all_right_is_no_certainty() -> None:
    exact = evaluated(*TRUTH).measures["exact_match"]
    assert (exact.value, exact.high) == (1.0, 1.0)
    assert exact.low is not None
    assert exact.low < 0.6


def test_silence_is_told_and_is_no_word() -> None:
    evaluation = evaluated("a scratch", "a dent", None, "  ")
    assert evaluation.measures["exact_match"].value == 0.5
    assert "2 pictures got an answer without words." in evaluation.notes


def test_an_evaluation_of_answers_survives_its_file() -> None:
    evaluation = evaluated("a scratch", "傷", "", "x")
    assert evaluation_from_json(json.loads(json.dumps(evaluation_to_json(evaluation)))) == evaluation


def test_the_worst_answers_come_first() -> None:
    mistakes = worst_first(evaluated("a scratch", "a big dent", "a scratch", "scratched it").judged)
    assert [part.id for _, part in mistakes] == ["2", "3", "1"]
    assert {mistake for mistake, _ in mistakes} == {Mistake.MISSTATED}


def test_the_report_shows_question_truth_and_answer() -> None:
    evaluation = evaluated("a scratch", "a <i>crack</i>", "nothing", "a scratch")
    page = render_report(ReportContent(name="run", run={}, evaluations={"test": evaluation}))
    assert "asked: What is &lt;b&gt;here&lt;/b&gt;?" in page
    assert "true: a dent" in page
    assert "answered: a &lt;i&gt;crack&lt;/i&gt;" in page
    assert "Confusion" not in page
    assert "Class by class" not in page


def test_two_runs_answers_are_compared_picture_by_picture() -> None:
    before, now = evaluated("a scratch", "x", "y", "z"), evaluated("a dent", "a dent", "nothing", "z")
    found = compare(now, before)
    assert [pair.now.id for pair in found.regressions] == ["0"]
    assert [pair.now.id for pair in found.improvements] == ["1", "2"]
    changes = {one.name: one.change.value for one in found.differences}
    assert changes["exact_match"] == pytest.approx(0.25)
    assert changes["token_f1"] == pytest.approx(0.25)
