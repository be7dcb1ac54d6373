"""A further evaluation keeps its own pictures, is shown with its own mistakes, and is what runs can be compared on."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kenpin.cli import _judged
from kenpin.data.loading import write_dataset
from kenpin.errors import OptionError
from kenpin.evaluation.comparison import compare_runs
from kenpin.evaluation.mistakes import worst_first
from kenpin.records import Evaluation, JudgedText, Verdict
from kenpin.report import read_content, render_report, write_thumbnails
from kenpin.report.content import Kept
from kenpin.run.layout import evaluation_files, further_evaluations
from kenpin.targets import Target
from tests.commands import Run
from tests.objects import made_objects
from tests.pictures import write_parts
from tests.test_box_report import box_content, box_evaluation
from tests.test_report import Page, content, evaluation, jpeg, part, pictures, read
from tests.toy_runs import ToyRun, trained


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    return toy_run("classifier", tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A trained classifier, to be evaluated further."""
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


def section(page: str, heading: str) -> str:
    """The page's section of this heading."""
    (found,) = (one for one in page.split("<section") if f"<h2>{heading}</h2>" in one)
    return found


def numbers(evaluation: Evaluation) -> list[int]:
    return sorted(count for row in evaluation.confusion for count in row)


def test_a_named_evaluation_keeps_its_pictures_and_maps_and_has_its_own_section(
    run: Path, kenpin: Run, tmp_path: Path
) -> None:
    lot = write_parts(tmp_path / "lot", first=1000, count=7)
    status, out, err = kenpin("evaluate", run, "--data", lot, "--name", "lot-8")
    assert status == 0, err
    assert further_evaluations(run) == ["lot-8"]
    found = read_content(run)
    kept, judged = found.kept("lot-8"), found.evaluations["lot-8"]
    ids = {one.id for one in judged.judged}
    assert len(ids) == 14
    assert set(kept.thumbnails) == ids
    assert kept.maps is not None
    assert set(kept.maps.by_id) <= ids
    assert kept.thumbnails != {id: found.thumbnails.get(id) for id in ids}

    assert kenpin("report", run, "--out", "page.html")[0] == 0
    own = section(Path("page.html").read_text("utf-8"), "Further evaluation “lot-8”")
    matrix = own.split("Confusion: ")[1].split("</table>")[0]
    assert sorted(map(int, re.findall(r">(\d+)</td>", matrix))) == numbers(judged)
    mistakes = worst_first(judged.judged)
    assert own.count('<li class="card">') >= min(24, len(mistakes))
    assert "no picture kept" not in own
    for kind, count in {str(kind): 0 for kind, _ in mistakes}.items():
        assert kind in own
        assert kind in out, count

    fewer = write_parts(tmp_path / "fewer", first=1000, count=2)
    assert kenpin("evaluate", run, "--data", fewer, "--name", "lot-8")[0] == 2
    assert set(read_content(run).kept("lot-8").thumbnails) == ids, "what was refused changed nothing"
    assert kenpin("evaluate", run, "--data", fewer, "--name", "lot-8", "--overwrite")[0] == 0
    again = read_content(run)
    assert len(again.kept("lot-8").thumbnails) == len(again.evaluations["lot-8"].judged) == 4


def test_an_evaluation_that_ends_early_leaves_none_behind(
    run: Path, kenpin: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = write_parts(tmp_path / "lot", first=1000, count=2)
    assert kenpin("evaluate", run, "--data", lot, "--name", "a")[0] == 0

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "thumbnails-a.parquet")

    monkeypatch.setattr("kenpin.run.thumbnails.write_thumbnails", full)
    assert kenpin("evaluate", run, "--data", lot, "--name", "a", "--overwrite")[0] != 0
    assert further_evaluations(run) == [], "the old one has lost its pictures, the new one has none"
    assert read_content(run).kept("a") == Kept()


@pytest.mark.slow
def test_boxes_of_a_further_evaluation_are_drawn_and_printed(kenpin: Run, tmp_path: Path) -> None:
    run = trained("florence2", tmp_path / "run", None)
    write_dataset(made_objects(3, first=200, split="test", empty=1), tmp_path / "line", "coco")
    status, out, err = kenpin("evaluate", run, "--data", tmp_path / "line", "--name", "line 2")
    assert status == 0, err
    assert "background" in out.split("Confusion: ")[1].split("\n")[1]
    found = read_content(run)
    judged = found.evaluations["line 2"]
    assert len(found.kept("line 2").thumbnails) == 4
    own = section(render_report(found), "Further evaluation “line 2”")
    boxes = sum(len(one.boxes.truth) for one in judged.judged if one.boxes)
    assert len(re.findall(r'<rect class="(?:true|missed)"', own)) == boxes
    assert own.count("<i>truth</i>") == own.count("<i>prediction</i>") == len(worst_first(judged.judged))
    counts = found.run["dataset"]
    assert sum(counts["boxes"]["train"].values()) >= counts["pictures"]["train"] == 6
    table = render_report(found).split("Pictures that show each class, and its boxes")[1].split("</table>")[0]
    every = [counts["pictures"]["train"], sum(counts["boxes"]["train"].values())]
    assert re.findall(r">(\d+)</td>", table.split("<tbody>")[1])[:2] == [str(number) for number in every]


def test_a_further_evaluation_without_pictures_says_so() -> None:
    text = render_report(content(evaluations={"test": evaluation(), "old": evaluation(1)}))
    Page(text)
    assert "evaluate again under its name to see them here" in section(text, "Further evaluation “old”")
    assert "evaluate again under" not in section(text, "Worst mistakes first")


def test_pictures_of_equal_ids_are_not_mistaken_for_each_other() -> None:
    kept = Kept({f"{i}.png": jpeg(4 * i + 2) for i in range(60)})
    evaluations = {"test": evaluation(), "lot 8": evaluation()}
    shown = render_report(content(evaluations=evaluations, further={"lot 8": kept}))
    own, leading = section(shown, "Further evaluation “lot 8”"), section(shown, "Worst mistakes first")
    images = [set(re.findall(r'<img src="([^"]+)"', one)) for one in (own, leading)]
    assert all(images)
    assert not images[0] & images[1]


def of_others(found: Evaluation, prefix: str) -> Evaluation:
    """The evaluation as if other pictures had been judged."""
    return replace(found, judged=tuple(replace(one, id=f"{prefix}{one.id}", path=None) for one in found.judged))


def test_runs_are_compared_on_every_evaluation_that_they_share() -> None:
    now = {"test": evaluation(), "lot 8": of_others(evaluation(1), "8/"), "mine": of_others(evaluation(), "m/")}
    before = {"all": evaluation(2), "lot 8": of_others(evaluation(3), "8/"), "theirs": of_others(evaluation(), "t/")}
    assert [names for *names, _ in compare_runs(now, before)] == [["test", "all"], ["lot 8", "lot 8"]]
    elsewhere = before | {"all": of_others(evaluation(2), "elsewhere/")}
    assert [names for *names, _ in compare_runs(now, elsewhere)] == [["lot 8", "lot 8"]]
    text = render_report(content(evaluations=now, before=content(name="lot 6", evaluations=elsewhere)))
    assert "<h3>On “lot 8”</h3>" in section(text, "Against lot 6")


def test_runs_that_share_parts_under_other_names_alone_are_compared_on_the_most() -> None:
    now = {"test": evaluation(), "lot 8": of_others(evaluation(1), "8/")}
    few = of_others(evaluation(2), "8/")
    before = {
        "all": of_others(evaluation(), "x/"),
        "few": replace(few, judged=few.judged[:9]),
        "lot-8": of_others(evaluation(2), "8/"),
    }
    ((name, earlier, found),) = compare_runs(now, before)
    assert (name, earlier, found.common) == ("lot 8", "lot-8", 60)
    text = render_report(content(evaluations=now, before=content(name="lot 6", evaluations=before)))
    assert "<h3>On “lot 8” of this run and “lot-8” of the earlier one</h3>" in text


def test_runs_without_a_part_in_common_are_refused() -> None:
    apart = content(name="lot 6", evaluations={"test": of_others(evaluation(2), "x/")})
    for now in (content(before=apart), box_content(before=content())):
        with pytest.raises(OptionError, match=r"no judged part in common .* evaluate both on one data set with `k"):
            render_report(now)


def test_what_is_printed_is_what_was_confused_and_the_worst_mistakes() -> None:
    found = evaluation()
    told = _judged.findings(found)
    table = told.split("\n\n")[0].splitlines()
    assert [list(map(int, re.findall(r"\d+$|\d+(?=  )", row)))[-1] for row in table[2:]] == [
        row[-1] for row in found.confusion
    ]
    worst = [one.id for _, one in worst_first(found.judged)]
    rows = told.split("Mistakes: ")[1].splitlines()[2:]
    assert [row.split()[0] for row in rows] == worst[:5]
    assert _judged.findings(box_evaluation()).count("background") == 2
    right = tuple(part("good", "good", Verdict.PASS, f"{i}") for i in range(3))
    assert "No mistake on 3 pictures." in _judged.findings(replace(found, judged=right))


def test_of_many_classes_the_pairs_that_are_confused_most_are_printed() -> None:
    counts = np.diag([5] * 40)
    counts[3, 7], counts[9, 1] = 4, 2
    labels = tuple(f"class {i}" for i in range(40))
    rows = tuple(tuple(map(int, row)) for row in counts)
    told = _judged.confusion(replace(evaluation(), labels=labels, confusion=rows))
    assert [line.split() for line in told.splitlines()[2:]] == [
        ["class", "3", "class", "7", "4"],
        ["class", "9", "class", "1", "2"],
    ]
    none = tuple(map(tuple, np.eye(40, dtype=int).tolist()))
    assert "No two of 40" in _judged.confusion(replace(evaluation(), labels=labels, confusion=none))


def test_a_long_answer_is_one_short_line_on_a_terminal() -> None:
    judged = part("good", None, None)
    text = JudgedText("why?", "a\nb " * 99, False, 0.0, 1.0)
    answered = replace(judged, text=text, prediction=replace(judged.prediction, text="c\n" * 99))
    told = _judged.mistakes(replace(evaluation(), labels=(), confusion=(), judged=(answered,), target=Target.TEXT))
    assert len(told.splitlines()) == 3
    assert max(map(len, told.splitlines())) < 200
    assert _judged.confusion(replace(evaluation(), labels=(), confusion=(), target=Target.TEXT)) == ""


def test_thumbnails_lie_where_the_run_says(tmp_path: Path) -> None:
    files = evaluation_files(tmp_path, "lot 8")
    assert files.vectors is None
    write_thumbnails(pictures(3), files.thumbnails, read)
    assert [path.name for path in tmp_path.iterdir()] == ["thumbnails-lot 8.parquet"]
    files.clear()
    assert not list(tmp_path.iterdir())
    own = evaluation_files(tmp_path)
    assert not {own.evaluation, own.thumbnails, own.maps} & {files.evaluation, files.thumbnails, files.maps}
