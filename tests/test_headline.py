"""The first lines on an evaluation are the same in report, terminal and JSON, and honest to both sides."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.evaluation import summarise
from kenpin.quality.consequences import cost_notes
from kenpin.quality.threshold import threshold_from_costs, verdict_of
from kenpin.records import (
    Detections,
    Evaluation,
    Example,
    ImageSource,
    Measure,
    Prediction,
    Threshold,
    Verdict,
)
from kenpin.records_json import evaluation_from_json, evaluation_to_json
from kenpin.report.headline import headed_json, headline, mistakes, useless
from kenpin.report.trust import trust_sentence
from kenpin.run.record import RunRecord, write_record
from kenpin.targets import Target
from kenpin.training import Listener, train
from tests.commands import Run

CUT = Threshold(0.5, None, "By hand")
BOX = (0.0, 0.0, 10.0, 10.0)


def most(events: int, parts: int) -> str:
    """The one-sided bound by SciPy, in percent, rounded up."""
    high = binomtest(events, parts, alternative="less").proportion_ci(0.95, method="exact").high
    return f"{math.ceil(high * 1000) / 10:.1f} %"


def decided(escapes: int, defective: int, overkills: int, good: int) -> str:
    were = "was" if overkills == 1 else "were"
    return (
        f"{escapes} of {defective} defective parts escaped (at most {most(escapes, defective)}, one-sided 95 %) and "
        f"{overkills} of {good} good parts {were} failed (at most {most(overkills, good)})."
    )


@dataclass(frozen=True)
class Made:
    """An inspector that gives each part the score it is told to, or boxes that lie where nothing is."""

    defective: int
    good: int
    scores: Mapping[bool, tuple[float, ...]]
    """Of defective parts and of good ones, in turn."""
    threshold: Threshold | None
    target: Target = Target.LABEL
    labels: tuple[str, ...] = ()
    lineage: Lineage | None = None
    views: None = None
    origin: None = None

    @property
    def record(self) -> RunRecord:
        return RunRecord(
            family="made", base_id="made", base_commit=None, base_probe=(), options={}, labels=self.labels,
            ok_labels=() if self.target.locates else ("good",), image_size_wh=(8, 8), dataset={}, threshold=None,
            scores={}, notes=(), versions={}, device="cpu", precision="fp32", created="", seconds=0.0, files={},
        )  # fmt: skip

    def dataset(self) -> Dataset:
        examples = []
        for i in range(self.defective + self.good):
            bad = i < self.defective
            one = Example(f"{i}.png", ImageSource(f"{i}.png"), split="test", size_wh=(50, 50))
            if self.target.locates:
                one = replace(one, boxes=Detections((BOX,), ("dent",)) if bad else Detections())
            else:
                one = replace(one, label="dent" if bad else "good")
            examples.append(one)
        return Dataset.from_examples(examples, classes=("good", "dent"))

    def predict(self, dataset: Dataset) -> Iterator[Prediction]:
        for i, part in enumerate(dataset):
            of = self.scores[i < self.defective]
            score = of[i % len(of)]
            if self.target.locates:
                elsewhere = Detections(((30.0, 30.0, 40.0, 40.0),), ("dent",), (score,))
                yield Prediction(part.id, defect_score=score, detections=elsewhere)
            else:
                yield Prediction(part.id, defect_score=score)


SPREAD = {True: (0.3, 0.6, 0.8, 0.9, 0.7), False: (0.1, 0.2, 0.4, 0.6, 0.3)}
SAME = {True: (0.1, 0.3, 0.5, 0.7), False: (0.1, 0.3, 0.5, 0.7)}
APART = {True: (0.9,), False: (0.1,)}

MADE: dict[str, tuple[Made, tuple[str, str, str]]] = {
    "passes all": (
        Made(60, 60, SPREAD, Threshold(math.inf, None, "By hand")),
        (
            "This inspector passes every part, the defective ones too.",
            decided(60, 60, 0, 60),
            "50.0 % of the parts are on the right side of the threshold",
        ),
    ),
    "fails all": (
        Made(60, 60, SPREAD, Threshold(-math.inf, None, "By hand")),
        (
            "This inspector fails every part, the good ones too.",
            decided(0, 60, 60, 60),
            "50.0 % of the parts are on the right side of the threshold",
        ),
    ),
    "by chance": (
        Made(60, 60, SAME, CUT),
        (
            "Its scores separate defective parts from good ones no better than chance, as far as these parts show: "
            "AUROC 0.500 (two-sided 95 % interval ",
            decided(30, 60, 30, 60),
            "50.0 % of the parts are on the right side of the threshold",
        ),
    ),
    "perfect": (
        Made(60, 60, APART, CUT),
        (
            decided(0, 60, 0, 60),
            "100.0 % of the parts are on the right side of the threshold",
            "A defective part scores above a good one in 100.0 % of such pairs, AUROC 1.000.",
        ),
    ),
    "only boxes": (
        Made(40, 40, APART, None, Target.BOXES, ("dent",)),
        (
            "This inspector finds no box: 0 of 40 true boxes; 80 boxes that it draws are wrong.",
            "A defective part scores above a good one in 100.0 % of such pairs, AUROC 1.000.",
            "0 of 40 true boxes are found, and 0 of the 80 boxes drawn are right; mAP 50:95 is 0.000; mAP 50 is 0.000.",
        ),
    ),
    "few parts": (
        Made(3, 60, APART, CUT),
        (
            decided(0, 3, 0, 60),
            f"3 defective parts are too few: even with no escape among them, up to {most(0, 3)} of such parts could "
            "escape.",
            "100.0 % of the parts are on the right side of the threshold",
        ),
    ),
}


class Verdicts(HTMLParser):
    """The paragraphs of a page's verdict, but for the line that says what was judged."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._inside = self._reading = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self._inside = ("class", "verdict") in attrs
        self._reading = self._inside and tag == "p" and ("class", "quiet") not in attrs
        if self._reading:
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        self._reading = False

    def handle_data(self, data: str) -> None:
        if self._reading:
            self.lines[-1] += data.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("name", MADE)
def test_report_terminal_and_json_say_the_same_first(name: str, kenpin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made, expected = MADE[name]
    monkeypatch.setattr("kenpin.predictor.load_predictor", lambda run, **_: made)
    monkeypatch.setattr("kenpin.data.loading.load_dataset", lambda data, **_: made.dataset())
    run = Path("run")
    run.mkdir()
    write_record(run, made.record)
    status, out, _ = kenpin("evaluate", run, "--data", "made", "--json", run / "evaluation.json")
    assert status == 0
    terminal = out.splitlines()[:3]
    said = json.loads((run / "evaluation.json").read_text("utf-8"))["headline"]
    assert kenpin("report", run, "--out", "page.html")[0] == 0
    page = Verdicts(Path("page.html").read_text("utf-8")).lines
    for where, lines in (("terminal", terminal), ("json", said), ("page", page)):
        for number, wanted in enumerate(expected):
            assert lines[number].startswith(wanted), where
    assert page == said
    assert out.splitlines()[: len(said) + 1] == [*said, ""]


def test_an_inspector_of_use_is_not_called_useless() -> None:
    for name, first in (("perfect", "0 of 60"), ("few parts", "0 of 3")):
        assert MADE[name][1][0].startswith(first)
    made = Made(60, 60, SPREAD, CUT)
    lines = headline(summarise(made.dataset(), made.predict(made.dataset()), labels=(), ok_labels=["good"],
                               threshold=CUT, split="test"))  # fmt: skip
    assert lines[0] == decided(12, 60, 12, 60)


verdicts = st.lists(st.tuples(st.sampled_from(list(Verdict)), st.booleans()), min_size=1, max_size=40)


@given(verdicts)
def test_both_sides_stand_in_one_sentence(rows: list[tuple[Verdict, bool]]) -> None:
    (sentence,) = mistakes([verdict for verdict, _ in rows], [bad for _, bad in rows])
    bad, good = [v for v, is_bad in rows if is_bad], [v for v, is_bad in rows if not is_bad]
    for kind, wrong, verb in ((bad, Verdict.PASS, "escaped"), (good, Verdict.FAIL, "failed")):
        if kind:
            assert re.search(rf"\b{kind.count(wrong)} of {len(kind)} \w+ parts? (\w+ )?{verb}", sentence)
            assert most(kind.count(wrong), len(kind)) in sentence
    assert ("the escape rate is unknown" in sentence) is not bool(bad)
    assert ("the overkill rate is unknown" in sentence) is not bool(good)
    assert sentence.count("one-sided 95 %") == 1


@given(verdicts)
def test_one_verdict_for_all_is_called_so(rows: list[tuple[Verdict, bool]]) -> None:
    given_verdicts, defective = [verdict for verdict, _ in rows], [bad for _, bad in rows]
    told = useless(given_verdicts, defective, Measure(None))
    wrong = any((v is Verdict.PASS) is bad for v, bad in rows) or Verdict.REVIEW in given_verdicts
    if len(set(given_verdicts)) == 1:
        assert bool(told) is wrong
    elif Verdict.PASS in given_verdicts:
        assert told == ()


@pytest.mark.parametrize(
    ("auroc", "word"),
    [
        (Measure(0.6, 0.45, 0.75), "no better"),
        (Measure(0.5), "no better"),  # all scores are one
        (Measure(0.2, 0.1, 0.3), "worse"),
        (Measure(0.6, 0.51, 0.7), None),
        (Measure(1.0), None),
        (Measure(None), None),
    ],
)
def test_scores_by_chance_are_called_so(auroc: Measure, word: str | None) -> None:
    told = useless([Verdict.PASS, Verdict.FAIL], [False, True], auroc)
    assert [f"{word} than chance" in sentence for sentence in told] == ([] if word is None else [True])


def named(share: float) -> Evaluation:
    """Sixty parts of three classes of defects, of which this share is named rightly."""
    classes = ("dent", "scratch", "void")
    examples = [Example(f"{i}", ImageSource("x"), label=classes[i % 3]) for i in range(60)]
    said = [Prediction(one.id, classes[(i + (i // 3 >= 20 * share)) % 3]) for i, one in enumerate(examples)]
    return summarise(examples, said, labels=classes, ok_labels=(), threshold=None, split="test")


def test_names_by_chance_are_called_so() -> None:
    assert headline(named(0.35))[0].startswith("Its classes are no better than a guess among 3, as far as")
    assert headline(named(0.9))[0].startswith("90.0 % of the parts are given the right class")


def test_the_headline_of_a_file_is_left_aside_on_reading() -> None:
    evaluation = named(0.5)
    kept = json.loads(json.dumps(headed_json(evaluation), allow_nan=False))
    assert next(iter(kept)) == "headline"
    assert tuple(kept["headline"]) == headline(evaluation)
    assert evaluation_from_json(kept) == evaluation
    assert evaluation_from_json(kept | {"headline": "something else"}) == evaluation
    assert evaluation_from_json(evaluation_to_json(evaluation)) == evaluation  # as it was written before


def test_a_training_ends_with_the_headline_and_keeps_it(parts: Path, tmp_path: Path) -> None:
    said: list[str] = []
    heard = Listener(say=said.append)
    run = train(
        "mahalanobis",
        data=str(parts),
        out=tmp_path / "run",
        base="toy",
        report=False,
        listener=heard,
    )
    kept = json.loads((run / "evaluation.json").read_text("utf-8"))
    assert tuple(kept["headline"]) == headline(evaluation_from_json(kept))
    notes = [sentence for sentence in kept["headline"] if sentence.startswith("Note: ")]
    assert len(notes) == 2
    # no picture was held out for a test: what costs do is told of the same pictures, and once
    assert [sentence for sentence in said if sentence.startswith("Note: ")] == notes


# What costs lead to

scored = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=4, max_size=30).filter(
    lambda rows: len({bad for bad, _ in rows}) == 2
)


def outcomes(scores: list[float], defective: list[bool]) -> list[tuple[int, int]]:
    """Escapes and overkills of every cut."""
    cuts = [-math.inf, *(x + 0.5 for x in set(scores))]
    return [
        (
            sum(bad and x < cut for x, bad in zip(scores, defective, strict=True)),
            sum(not bad and x >= cut for x, bad in zip(scores, defective, strict=True)),
        )
        for cut in cuts
    ]


@given(scored)
def test_what_other_costs_would_do_is_the_cheapest_there_is(rows: list[tuple[bool, int]]) -> None:
    scores, defective = [float(x) for _, x in rows], [bad for bad, _ in rows]
    threshold = threshold_from_costs(scores, defective, cost_escape=10.0, cost_overkill=1.0, basis="test")
    note, *line = cost_notes(scores, defective, threshold)
    verdicts = [verdict_of(x, threshold) for x in scores]
    escapes = sum(v is Verdict.PASS and bad for v, bad in zip(verdicts, defective, strict=True))
    overkills = sum(v is Verdict.FAIL and not bad for v, bad in zip(verdicts, defective, strict=True))
    assert f"let {escapes} of {sum(defective)} defective part" in note
    assert f"fail {overkills} of {len(rows) - sum(defective)} good part" in note
    every = outcomes(scores, defective)
    told = re.findall(r"let (\d+) escape and fail (\d+) at a cost ratio of ([\d.]+) : 1", note)
    for let, failed, ratio in told:
        least = min(float(ratio) * one + other for one, other in every)
        assert float(ratio) * int(let) + int(failed) == pytest.approx(least)
        assert (int(let), int(failed)) != (escapes, overkills)
    assert bool(told) is ("whatever the ratio" not in note)
    assert len(line) == 1
    if best := re.search(r"for 1 % would let (\d+) .* fail (\d+) .* cost ([\d.e-]+)\. Give", line[0]):
        bad, good = sum(defective), len(rows) - sum(defective)
        costs = [0.1 * one / bad + 0.99 * other / good for one, other in every]
        assert float(best[3]) == pytest.approx(min(costs), rel=0.01)
        assert 0.1 * int(best[1]) / bad + 0.99 * int(best[2]) / good == pytest.approx(min(costs))


def test_costs_that_somebody_chose_are_not_remarked_upon() -> None:
    scores, defective = [0.1, 0.4, 0.3, 0.9], [False, False, True, True]
    chosen = {"cost_escape": 30.0, "cost_overkill": 1.0, "defect_rate": 0.02, "basis": "test"}
    assert cost_notes(scores, defective, threshold_from_costs(scores, defective, **chosen)) == ()  # type: ignore[arg-type]
    (line,) = cost_notes(scores, defective, threshold_from_costs(scores, defective, **chosen | {"defect_rate": None}))  # type: ignore[arg-type]
    assert line.startswith("Note: 50 % of these parts are defective. On a line with 1 % ")
    (costs,) = cost_notes(scores, defective, threshold_from_costs(scores, defective, **chosen | {"cost_escape": 10.0}))  # type: ignore[arg-type]
    assert costs.startswith("Note: these are the default costs, 10 for an escape and 1 for an overkill: ")
    assert cost_notes(scores, defective, CUT) == cost_notes(scores, defective, None) == ()
    assert cost_notes(scores[:2], defective[:2], replace(CUT, cost_escape=10.0, cost_overkill=1.0)) == ()


# What other evaluations make of it

MORE_IS_BETTER = {
    "escape_rate": ("escapes", False),
    "overkill_rate": ("overkills", False),
    "accuracy": ("accuracy", True),
    "auroc": ("AUROC", True),
    "map": ("mAP", True),
}
measured = st.fixed_dictionaries({}, optional={name: st.floats(0, 1) for name in MORE_IS_BETTER})


def with_measures(values: Mapping[str, float]) -> Evaluation:
    measures = {name: Measure(value) for name, value in values.items()}
    return Evaluation("test", (), (), measures, {}, (), {}, None, ())


def shown(name: str, value: float) -> str:
    return f"{value:.3f}" if name in ("auroc", "map") else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


@given(measured, measured)
def test_the_better_evaluation_is_never_the_safer_promise(ours: dict[str, float], theirs: dict[str, float]) -> None:
    sentence = trust_sentence({"a": with_measures(ours), "b": with_measures(theirs)})
    common = ours.keys() & theirs.keys()
    if not common:
        assert sentence is None
        return
    assert sentence is not None
    told, _, promise = sentence.partition("The worse figure is the safer promise: ")
    safer = {evaluation: figures for figures, evaluation in re.findall(r"(.*?) of “(\w)”(?:; |\.$)", promise)}
    for name in common:
        words, more_is_better = MORE_IS_BETTER[name]
        figures = {"a": shown(name, ours[name]), "b": shown(name, theirs[name])}
        if figures["a"] == figures["b"]:
            assert f"{words} ({figures['a']})" in told.partition("equal on ")[2]
            assert words not in promise
            continue
        worse = "b" if (theirs[name] < ours[name]) is more_is_better else "a"
        better = "ab".replace(worse, "")
        assert f"{words} {figures[worse]}" in safer[worse]
        assert words not in safer.get(better, "")
        kind, other = ("worse on ", "better on ") if worse == "b" else ("better on ", "worse on ")
        assert f"{words} ({figures['b']} instead of {figures['a']})" in told.partition(kind)[2].partition(other)[0]
    for name in MORE_IS_BETTER.keys() - common:
        assert MORE_IS_BETTER[name][0] not in sentence


@given(measured.filter(bool), st.integers(1, 3))
def test_equal_evaluations_are_called_equal(values: dict[str, float], others: int) -> None:
    one = with_measures(values)
    sentence = trust_sentence({"a": one} | {f"b{i}": one for i in range(others)})
    assert sentence is not None
    assert sentence.count("is equal on") == others
    assert "worse on" not in sentence
    assert "better on" not in sentence
    assert "neither is the safer promise" in sentence


def test_of_three_evaluations_the_worst_figure_is_the_promise() -> None:
    evaluations = {
        "test": with_measures({"escape_rate": 0.02, "accuracy": 0.9}),
        "lot 8": with_measures({"escape_rate": 0.05, "accuracy": 0.9}),
        "lot 9": with_measures({"escape_rate": 0.01, "accuracy": 0.8}),
    }
    sentence = trust_sentence(evaluations)
    assert sentence is not None
    assert sentence.replace("\N{NO-BREAK SPACE}", " ") == (
        "How far to trust “test”: “lot 8” is worse on escapes (5.0 % instead of 2.0 %) and equal on accuracy (90.0 %); "
        "“lot 9” is worse on accuracy (80.0 % instead of 90.0 %) and better on escapes (1.0 % instead of 2.0 %). The "
        "worse figure is the safer promise: escapes 5.0 % of “lot 8”; accuracy 80.0 % of “lot 9”."
    )
