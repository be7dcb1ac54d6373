"""The page is complete in itself, escapes what it is told, shows the worst first, and compares runs fairly."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binomtest

from kenpin.errors import ImageError, OutputExistsError, RunError
from kenpin.evaluation import summarise
from kenpin.evaluation.comparison import compare
from kenpin.evaluation.mistakes import Mistake, mistake_of, worst_first
from kenpin.records import Evaluation, Example, ImageSource, JudgedExample, Prediction, Threshold, Verdict
from kenpin.records_json import evaluation_to_json
from kenpin.report import ReportContent, read_content, read_thumbnails, render_report, write_report, write_thumbnails
from kenpin.report.drawing import linear_axis, log_axis
from kenpin.report.headline import headline
from kenpin.report.words import percent_at_most

NASTY = '<script>alert("傷")</script>'
LABELS = ("良品", NASTY, "solder-bridge")
CUT = Threshold(0.5, 0.3, "By hand", cost_escape=20.0, cost_overkill=1.0, cost_review=0.5)
RUN: dict[str, Any] = {
    "family": "classifier",
    "base_id": "https://example.org/base",
    "notes": ["Flips are off: a mirrored part would change its label."],
    "options": {"tuning": "head", "seed": 0},
    "labels": list(LABELS),
    "dataset": {"fingerprint": "abc", "counts": {"train": {"良品": 5678}, "test": {"良品": 40, NASTY: 12}}},
}


@cache
def evaluation(
    seed: int = 0, *, threshold: Threshold | None = CUT, ok_labels: tuple[str, ...] = ("良品",)
) -> Evaluation:
    generator = np.random.default_rng(seed)
    examples, predictions = [], []
    for i in range(60):
        truth = LABELS[0 if i < 40 else 1 if i < 52 else 2]
        score = float(np.clip(generator.normal(0.25 + 0.4 * (i >= 40), 0.2), 0, 1))
        chances = {"良品": 1 - score, NASTY: 0.6 * score, "solder-bridge": 0.4 * score}
        examples.append(Example(f"{i}.png", ImageSource(path=f"{i}.png"), label=truth))
        predictions.append(
            Prediction(f"{i}.png", max(chances, key=chances.__getitem__), probabilities=chances, defect_score=score)
        )
    return summarise(examples, predictions, labels=LABELS, ok_labels=ok_labels, threshold=threshold, split="test")


def jpeg(grey: int) -> bytes:
    memory = io.BytesIO()
    Image.new("L", (64, 48), grey).save(memory, "JPEG")
    return memory.getvalue()


def content(**change: Any) -> ReportContent:
    thumbnails = {f"{i}.png": jpeg(4 * i) for i in range(60)}
    return replace(ReportContent("lot 7", RUN, {"test": evaluation()}, thumbnails=thumbnails), **change)


class Page(HTMLParser):
    """Reads a page: whether its tags are balanced, which it has, and all that could be loaded."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "base"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def full_content() -> ReportContent:
    rows = [{"step": 10 * i, "loss": 1 / (i + 1), "eval_loss": 1.0, "eval_accuracy": 0.5} for i in range(5)]
    finding = {"severity": "error", "code": "x", "where": "a.png", "what": NASTY, "remedy": "Mend it."}
    return content(
        evaluations={"test": evaluation(), "blocked": evaluation(1)},
        training=rows,
        doctor={"findings": [finding]},
        before=content(name="lot 6", evaluations={"test": evaluation(2)}),
    )


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = render_report(full_content())
    page = Page(text)
    assert page.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"url\(|@import|\son\w+=", text)
    assert "default-src 'none'" in text


def test_labels_and_findings_are_escaped_everywhere() -> None:
    text = render_report(full_content())
    assert NASTY not in text
    assert text.count("&lt;script&gt;alert(&#34;傷&#34;)&lt;/script&gt;") >= 5


def test_all_sections_are_there_and_every_chart_has_words() -> None:
    text = render_report(full_content())
    for heading in ("Against lot 6", "Worst mistakes first", "Measures", "Class by class", "The data", "Training"):
        assert f"<h2>{heading}</h2>" in text
    charts = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
    assert len(charts) == 7  # histogram, ROC, PR, reliability, cost of each cut, loss, scores
    assert all("<title>" in chart and "<desc>" in chart and 'role="img"' in chart for chart in charts)
    assert "5678" in text
    assert "https://example.org/base" in text
    assert "Flips are off" in text
    assert "How far to trust “test”: “blocked” is " in text
    assert not re.search(r"\bnan\b", re.sub(r'base64,[^"]*', "", text), re.IGNORECASE)


def test_tables_agree_on_the_order_and_records_are_in_words() -> None:
    judged = evaluation(ok_labels=("solder-bridge",))
    run = RUN | {
        "base_probe": [0.123],
        "options": {"weight_decay": 0.5, "resume": False},
        "files": {"model/a_b.npz": "c0"},
    }
    text = render_report(content(run=run, evaluations={"test": judged}))
    captions = ("Confusion: ", "Verdicts: ", "Scores of each class")
    confusion, verdicts, scores = (text.split(caption)[1].split("</table>")[0] for caption in captions)
    for table in (confusion, verdicts, scores):
        rows = table.split("<tbody>")[1]
        assert rows.index("solder-bridge") < rows.index("良品") < rows.index("&lt;script")
    truth = judged.labels.index("solder-bridge")
    first_row = re.findall(r">(\d+)</td>", confusion.split("<tbody>")[1])[:3]
    assert [int(count) for count in first_row] == [judged.confusion[truth][i] for i in (truth, 0, 1)]
    assert "Settings › weight decay" in text
    assert "<td>no</td>" in text
    assert "Hash of the file › model/a_b.npz" in text
    assert "0.123" not in text


def test_only_the_pictures_shown_are_embedded() -> None:
    many = {f"other{i}.png": jpeg(9) for i in range(2_000)}
    plain, padded = render_report(content()), render_report(content(thumbnails={**content().thumbnails, **many}))
    assert plain == padded


@pytest.mark.parametrize(
    "change",
    [
        {"thumbnails": {}},
        {"run": {}},
        {"doctor": {"findings": []}},
        {"evaluations": {"all": evaluation(threshold=None)}},
        {"evaluations": {"all": evaluation(ok_labels=())}},
        {"evaluations": {"all": evaluation(threshold=Threshold(math.inf, -math.inf, "odd"))}},
        {"evaluations": {"all": evaluation(threshold=Threshold(-math.inf, None, "odd"))}},
        {"training": [{"epoch": 1.0, "train_runtime": 3.0}, {"step": 1, "loss": math.nan}]},
        {"training": [{"step": 1, "loss": 0.5}]},
    ],
)
def test_a_page_with_less_is_still_a_page(change: dict[str, Any]) -> None:
    Page(render_report(content(**change)))


def test_a_unit_space_gets_a_page_too() -> None:
    scores = [0.5, 0.9, 1.1, 1.0, 90.0, 40.0]
    examples = [Example(f"{i}", ImageSource(path="x"), label="良品" if i < 4 else "dent") for i in range(6)]
    predictions = [Prediction(f"{i}", defect_score=score, distance=score) for i, score in enumerate(scores)]
    cut = Threshold(2.0, None, "0.99 quantile of good parts")
    result = summarise(examples, predictions, labels=(), ok_labels=["良品"], threshold=cut, split="test")
    text = render_report(content(evaluations={"test": result}))
    Page(text)
    assert "0 of 2 defective parts escaped" in text
    assert "right side of the threshold" in text


def test_the_headline_counts_and_bounds() -> None:
    judged = tuple(part("good", "good", Verdict.PASS, f"g{i}") for i in range(269))
    judged += tuple(part("bad", "bad", Verdict.FAIL, f"b{i}") for i in range(59))
    examples = [Example(p.id, ImageSource(), label=p.label) for p in judged]
    result = summarise(
        examples,
        [p.prediction for p in judged],
        labels=("good", "bad"),
        ok_labels=["good"],
        threshold=CUT,
        split="test",
    )
    sentence = headline(result)[0]
    assert sentence == (
        "0 of 59 defective parts escaped (at most 5.0 %, one-sided 95 %) and 0 of 269 good parts were failed "
        "(at most 1.2 %)."
    )


@given(st.floats(0, 1))
def test_a_bound_is_never_rounded_down(share: float) -> None:
    assert float(percent_at_most(share).split("\N{NO-BREAK SPACE}")[0]) >= share * 100 - 1e-6


def part(
    label: str, said: str | None, verdict: Verdict | None, id: str = "a", score: float | None = None
) -> JudgedExample:
    score = {Verdict.PASS: 0.1, Verdict.REVIEW: 0.4, Verdict.FAIL: 0.9, None: None}[verdict] if score is None else score
    return JudgedExample(id, None, label, label != "good", Prediction(id, label=said, defect_score=score), verdict)


def test_mistakes_are_sorted_by_harm_then_confidence() -> None:
    judged = [
        part("bad", "worse", Verdict.FAIL, "misnamed"),
        part("good", "good", Verdict.FAIL, "overkill near", 0.6),
        part("good", "bad", Verdict.FAIL, "overkill far", 0.99),
        part("bad", "bad", Verdict.PASS, "escape near", 0.29),
        part("bad", "good", Verdict.PASS, "escape far", 0.01),
        part("bad", "bad", Verdict.REVIEW, "in review"),
        part("good", None, Verdict.PASS, "right"),
    ]
    assert [p.id for _, p in worst_first(judged)] == [
        "escape far", "escape near", "overkill far", "overkill near", "misnamed",
    ]  # fmt: skip
    assert mistake_of(part("bad", "good", None)) is Mistake.MISNAMED


def result_of(judged: list[JudgedExample]) -> Evaluation:
    return replace(evaluation(), judged=tuple(judged))


def test_regressions_and_improvements_on_common_parts_only() -> None:
    before = [
        part("good", "good", Verdict.PASS, "1"),
        part("bad", "bad", Verdict.FAIL, "2"),
        part("bad", "good", Verdict.PASS, "3"),
        part("bad", "bad", Verdict.FAIL, "relabelled"),
        part("bad", "bad", Verdict.FAIL, "gone"),
    ]
    now = [
        part("good", "bad", Verdict.FAIL, "1"),
        part("bad", "good", Verdict.PASS, "2"),
        part("bad", "bad", Verdict.FAIL, "3"),
        part("good", "good", Verdict.PASS, "relabelled"),
        part("bad", "good", Verdict.PASS, "new"),
    ]
    found = compare(result_of(now), result_of(before))
    assert found.common == 3
    assert [pair.now.id for pair in found.regressions] == ["2", "1"]
    assert [pair.now.id for pair in found.improvements] == ["3"]
    assert found.p_value == pytest.approx(binomtest(2, 3).pvalue)
    assert len(found.notes) == 2
    differences = {one.name: one for one in found.differences}
    assert differences["accuracy"].change.value == pytest.approx(-1 / 3)
    escapes, overkills = found.decisions["escape"], found.decisions["overkill"]
    assert escapes is not None
    assert overkills is not None
    assert (escapes.wrong_before, escapes.wrong_now, escapes.parts) == (1, 1, 2)
    assert overkills.change == 1.0
    assert compare(result_of(now), result_of([])).p_value is None


def test_a_run_that_names_is_compared_with_one_that_only_scores_by_both_verdicts() -> None:
    before = [
        part("bad", None, Verdict.FAIL, "1"),
        part("bad", None, Verdict.PASS, "2"),
        part("bad", None, Verdict.PASS, "3"),
    ]
    now = [
        part("bad", "worse", Verdict.FAIL, "1"),  # given a wrong class and rightly failed
        part("bad", "worse", Verdict.FAIL, "2"),
        part("bad", "bad", Verdict.PASS, "3"),
    ]
    found = compare(result_of(now), result_of(before))
    assert found.regressions == ()
    assert [pair.now.id for pair in found.improvements] == ["2"]
    (accuracy,) = [one for one in found.differences if one.name == "accuracy"]
    assert [accuracy.before, accuracy.now] == pytest.approx([1 / 3, 2 / 3])
    assert any("by the verdicts of both runs" in note for note in found.notes)


def test_a_run_against_itself_shows_no_change() -> None:
    same = compare(evaluation(), evaluation())
    assert (same.regressions, same.improvements, same.p_value) == ((), (), 1.0)
    for one in same.differences:
        assert one.change.value == 0.0
        if one.change.low is not None and one.change.high is not None:
            assert one.change.low < 0 < one.change.high


def test_regressions_come_before_improvements_on_the_page() -> None:
    text = render_report(full_content())
    assert (
        0 < text.index("Right before, wrong now") < text.index("Wrong before, right now") < text.index("Worst mistakes")
    )


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_a_linear_axis_holds_its_range_with_few_round_ticks(low: float, width: float) -> None:
    axis = linear_axis("", low, low + width)
    slack = 1e-6 * (axis.high - axis.low) + 1e-12 * abs(low)  # what floats can hold
    assert axis.low <= low + slack
    assert axis.high >= low + width - slack
    assert 2 <= len(axis.ticks) <= 8
    assert (axis.fraction(axis.low), axis.fraction(axis.high)) == (0.0, 1.0)


@given(st.floats(1e-9, 1e6), st.floats(1, 1e6))
def test_a_log_axis_holds_its_range(low: float, ratio: float) -> None:
    axis = log_axis("", low, low * ratio)
    assert axis.low <= low * (1 + 1e-9)
    assert axis.high >= low * ratio * (1 - 1e-9)
    assert axis.fraction(math.sqrt(axis.low * axis.high)) == pytest.approx(0.5)


def pictures(count: int) -> list[Example]:
    return [Example(f"{i}.png", ImageSource(path=str(i)), label="a") for i in range(count)]


def read(source: ImageSource) -> Image.Image:
    if source.path == "3":
        raise ImageError("3.png: cut short. Copy it again.")
    return Image.new("RGBA" if source.path == "2" else "L", (400, 200), 128)


def test_thumbnails_come_back_small_and_without_the_unreadable(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "thumbnails.parquet"
    assert write_thumbnails(pictures(5), file, read, max_side_px=96) == 4
    kept = read_thumbnails(file)
    assert sorted(kept) == ["0.png", "1.png", "2.png", "4.png"]
    sizes = {Image.open(io.BytesIO(data)).size for data in kept.values()}
    assert sizes == {(96, 48)}
    assert read_thumbnails(tmp_path / "absent.parquet") == {}


@pytest.mark.parametrize("first_count", [0, 3, 20])
def test_the_first_are_kept_and_the_rest_are_spread(tmp_path: Path, first_count: int) -> None:
    first = [f"{i}.png" for i in range(80, 80 + first_count)]
    file = tmp_path / "thumbnails.parquet"
    assert write_thumbnails(pictures(100), file, read, first=[*first, "unknown"], at_most=12) <= 12
    kept = list(read_thumbnails(file))
    assert kept[: len(first[:12])] == first[:12]
    if first_count < 12:
        assert "0.png" in kept
        assert any(int(name.removesuffix(".png")) > 50 for name in kept[first_count:])


def run_folder(path: Path, seed: int = 0) -> Path:
    path.mkdir()
    (path / "run.json").write_text(json.dumps(RUN))
    (path / "evaluation.json").write_text(json.dumps(evaluation_to_json(evaluation(seed)), allow_nan=False))
    (path / "evaluation-blocked.json").write_text(json.dumps(evaluation_to_json(evaluation(seed + 1))))
    (path / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n')
    return path


def test_a_run_folder_is_read_whole_and_the_page_overwrites_nothing(tmp_path: Path) -> None:
    run, other = run_folder(tmp_path / "now"), run_folder(tmp_path / "earlier", seed=5)
    found = read_content(run, against=other)
    assert list(found.evaluations) == ["test", "blocked"]
    assert found.evaluations["blocked"] == evaluation(1)
    assert len(found.training) == 2
    assert found.before is not None
    assert found.before.name == "earlier"
    out = write_report(run, tmp_path / "pages" / "report.html", against=other)
    assert out.read_text(encoding="utf-8") == render_report(found)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write_report(run, out)
    write_report(run, out, overwrite=True)
    assert "Against" not in out.read_text(encoding="utf-8")
    assert [file.name for file in out.parent.iterdir()] == ["report.html"]
    write_report(run, out, name="lot 8", overwrite=True)
    assert "<h1>lot 8</h1>" in out.read_text(encoding="utf-8")


def test_a_further_evaluation_never_takes_the_leading_ones_place(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    (run / "evaluation-test.json").write_text(json.dumps(evaluation_to_json(evaluation(3))))
    found = read_content(run)
    assert list(found.evaluations) == ["test (in training)", "blocked", "test"]
    assert found.leading == evaluation(0)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("evaluation.json", None, "evaluation.json: is missing; restore it"),
        ("run.json", "{", "cannot be read"),
        ("run.json", "[]", "is of type list"),
        ("metrics.jsonl", '{"step": 1}\n{', "line 2"),
        ("metrics.jsonl", "3", "line 1: 3 is not an object"),
        ("thumbnails.parquet", "no parquet", "no table of thumbnails"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, text: str | None, message: str) -> None:
    run = run_folder(tmp_path / "run")
    (run / file).unlink(missing_ok=True)
    if text is not None:
        (run / file).write_text(text)
    with pytest.raises(RunError, match=message):
        read_content(run)
