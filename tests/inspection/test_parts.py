"""Parts by several pictures on a line: one record and one verdict a part, whatever comes, in any order."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kenpin.data.loading import load_dataset
from kenpin.data.part_names import NameForm
from kenpin.errors import OptionError
from kenpin.finished_run import Run
from kenpin.inspection import Line, PartRecord, Policy, read_records
from kenpin.inspection.gathering import inspect_parts
from kenpin.inspection.journal import JOURNAL, write_parquet
from kenpin.inspection.pictures import NamedPictures
from kenpin.inspection.watching import WatchedFolder
from kenpin.records import Verdict
from tests.commands import Run as Command
from tests.part_pictures import FORM, VIEWS, draw_parts, trained
from tests.training.test_by_part import parts, run

__all__ = ["parts", "run"]


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_parts(tmp_path_factory.mktemp("new"), 8, 3, seed=7)


def policy(run: Run, *rules: str, **options: object) -> Policy:
    maps = {"of": ["pooled"], "when": ["PASS", "FAIL", "REVIEW"]}
    return Policy.from_mapping({"runs": {"pooled": str(run)}, "rules": list(rules), "maps": maps, **options}, "made")


def pictures(folder: Path, part: int) -> dict[str, bytes]:
    return {path.stem.split("_")[1]: path.read_bytes() for path in sorted(folder.rglob(f"p7-{part:02d}_*.png"))}


def test_a_part_has_one_record_with_answers_and_maps_of_each_view(run: Run, new: Path, tmp_path: Path) -> None:
    predictor = run.predictor()
    with Line(policy(run), tmp_path / "records") as line:
        records = [line.judge_part(f"p{part}", pictures(new, part)) for part in range(8)]
    for part, record in enumerate(records):
        alone = predictor.judge_part(pictures(new, part), f"p{part}")
        (answer,) = record.answers
        assert (record.verdict, answer.score, answer.reasons) == (alone.verdict, alone.score, alone.reasons)
        assert [view.name for view in record.views] == list(VIEWS)
        scores = {view.name: view.answers[0].score for view in record.views}
        assert answer.score == max(score for score in scores.values() if score is not None) == scores[answer.view]
        assert all((tmp_path / "records" / (view.answers[0].map or "")).is_file() for view in record.views)
        assert len({view.answers[0].map for view in record.views}) == 2
        assert record.verdict is (Verdict.FAIL if part < 3 else Verdict.PASS)
    assert [*read_records(tmp_path / "records" / JOURNAL)] == records
    assert write_parquet(tmp_path / "records" / JOURNAL, tmp_path / "records.parquet") == 8
    rows = pq.read_table(tmp_path / "records.parquet").to_pylist()
    assert [[view["name"] for view in row["views"]] for row in rows] == [list(VIEWS)] * 8
    assert rows[0]["views"][0]["answers"][0]["score"] == records[0].views[0].answers[0].score


def test_the_order_in_which_views_come_makes_no_other_part(run: Run, new: Path, tmp_path: Path) -> None:
    with Line(policy(run), tmp_path / "records") as line:
        for part in range(4):
            of_part = pictures(new, part)
            first = line.judge_part("p", of_part)
            shuffled = dict(random.Random(part).sample([*of_part.items()], 2))
            assert line.judge_part("p", dict(reversed(of_part.items()))) == first == line.judge_part("p", shuffled)
        assert len(line.journal) == 4


@pytest.mark.parametrize("rules", [(), ("PASS if pooled not FAIL",), ("PASS if no region of pooled > 9000 px²",)])
def test_without_a_view_nothing_passes_whatever_the_rules_are(
    run: Run, new: Path, tmp_path: Path, rules: Sequence[str]
) -> None:
    good = pictures(new, 6)
    bad = pictures(new, 0)
    with Line(policy(run, *rules), tmp_path / "records") as line:
        assert line.judge_part("whole", good).verdict is Verdict.PASS
        cases = {
            "View side is missing": {"top": good["top"]},
            "View odd is none of them": {**good, "odd": good["top"]},
            "side: ": {"top": good["top"], "side": good["side"][:-300]},
            "View top is missing": {"side": bad["side"]},
        }
        for number, (reason, of_part) in enumerate(cases.items()):
            record = line.judge_part(f"p{number}", of_part)
            assert record.verdict is Verdict.REVIEW, reason
            assert record.reasons[0].startswith(reason), record.reasons
            assert len(record.views) == len(of_part)
        nothing = line.judge_part("none", {"top": b"x", "side": b""})
        assert nothing.verdict is Verdict.REVIEW
        assert [view.error is None for view in nothing.views] == [False, False]
        assert line.judge("single", good["top"]).verdict is Verdict.REVIEW
        with pytest.raises(OptionError, match="no picture is given"):
            line.judge_part("p", {})


def test_rules_on_regions_count_those_of_all_views(run: Run, new: Path, tmp_path: Path) -> None:
    bad_views = {name: data for part in range(3) for name, data in pictures(new, part).items()}
    shown = {path.stem.split("_")[1]: path.read_bytes() for path in (new / "scratch").iterdir()}
    assert set(shown) == set(VIEWS) == set(bad_views)
    rule = "REVIEW if at least 2 regions of pooled larger than 20 px²"
    with Line(policy(run, rule), tmp_path / "records") as line:
        one = line.judge_part("one", {"top": shown["top"], "side": pictures(new, 6)["side"]})
        both = line.judge_part("both", shown)
    found = [
        sum(region.area_px > 20 for view in record.views for region in view.answers[0].regions or ())
        for record in (one, both)
    ]
    assert found == [1, 2]
    assert (one.verdict, both.verdict) == (Verdict.FAIL, Verdict.REVIEW)
    assert both.rule == rule


def test_one_view_a_part_is_judged_as_a_picture_is(tmp_path: Path) -> None:
    data = draw_parts(tmp_path / "data", 20, 6, views=("top",))
    pictures = load_dataset(data)
    pictures = pictures.with_groups([Path(id).stem for id in pictures.column("id")])  # so that both have the same folds
    by_part, by_picture = (
        trained(pictures, tmp_path / name, by=by) for name, by in (("part", FORM), ("picture", "picture"))
    )
    new = draw_parts(tmp_path / "new", 6, 3, views=("top",), seed=1)
    with (
        Line(Policy.from_mapping({"runs": {"r": str(by_part)}}, "made"), tmp_path / "one") as parts_line,
        Line(Policy.from_mapping({"runs": {"r": str(by_picture)}}, "made"), tmp_path / "two") as line,
    ):
        for path in sorted(new.rglob("*.png")):
            of_part = parts_line.judge_part(path.stem, {"top": path.read_bytes()})
            of_picture = line.judge(path.stem, path.read_bytes())
            assert (of_part.verdict, of_part.reasons, of_part.picture_hash) == (
                of_picture.verdict,
                of_picture.reasons,
                of_picture.picture_hash,
            )
            assert of_part.answers[0].score == of_picture.answers[0].score


def test_named_files_become_parts_and_are_not_judged_twice(
    run: Run, new: Path, tmp_path: Path, kenpin: Command
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f"runs:\n  pooled: {run}\n")
    lone = sorted((new / "ok").rglob("p7-07_*.png"))[0]
    files = [path for path in sorted(new.rglob("*.png")) if path != lone]
    status, told, _ = kenpin("inspect", file, *files, "--out", tmp_path / "records")
    assert status == 3
    verdicts = dict(line.split("\t")[:2] for line in told.splitlines())
    assert verdicts == {f"p7-{part:02d}": "FAIL" if part < 3 else "PASS" for part in range(7)} | {"p7-07": "REVIEW"}
    kenpin("inspect", file, *reversed(files), "--out", tmp_path / "records")
    assert len([*read_records(tmp_path / "records" / JOURNAL)]) == 8


def test_a_watched_part_waits_for_its_views_and_not_for_ever(run: Run, new: Path, tmp_path: Path) -> None:
    watched, now = tmp_path / "watched", [0.0]
    watched.mkdir()
    stop = threading.Event()
    coming = [path for part in (0, 6) for path in sorted(new.rglob(f"p7-{part:02d}_*.png"))]
    coming.append(sorted((new / "ok").rglob("p7-05_*.png"))[0])
    found: list[PartRecord] = []
    source = WatchedFolder(watched, {}, settle_s=0, aside_after_s=0.2, until_idle_s=0, stop=stop)
    asked = source.next

    def dropping(most: int, *, wait: bool) -> list[object] | None:
        """A file comes at each look, and the clock goes on once all are there."""
        if coming:
            path = coming.pop()
            (watched / path.name).write_bytes(path.read_bytes())
        else:
            now[0] += 3.0
        return asked(most, wait=wait)  # type: ignore[return-value]

    source.next = dropping  # type: ignore[method-assign, assignment]
    (watched / "odd.png").write_bytes(pictures(new, 4)["top"])
    with Line(policy(run), tmp_path / "records") as line:
        inspect_parts(line, source, NameForm(FORM), found.append, part_after_s=5.0, stop=stop, clock=lambda: now[0])
        known = line.journal.files()
    verdicts = {record.id: record.verdict for record in found}
    assert verdicts == {
        "p7-00": Verdict.FAIL, "p7-06": Verdict.PASS, "p7-05": Verdict.REVIEW, "odd.png": Verdict.REVIEW
    }  # fmt: skip
    assert len(found) == 4
    (odd,) = (record for record in found if record.id == "odd.png")
    assert odd.reasons[0].startswith("Its name has not the form {part}_{view}")
    assert set(known) == {path.name for path in watched.iterdir()}
    assert all(size == (watched / name).stat().st_size for name, (size, _) in known.items())


def test_a_stop_leaves_parts_that_lack_a_view_to_the_next_start(run: Run, new: Path, tmp_path: Path) -> None:
    stop, found = threading.Event(), list[PartRecord]()
    paths = [f"{path}" for path in sorted((new / "ok").rglob("*_top.png"))]
    stop.set()
    with Line(policy(run), tmp_path / "records") as line:
        inspect_parts(line, NamedPictures(paths, stop), NameForm(FORM), found.append, part_after_s=5.0, stop=stop)
        assert not found
        stop.clear()
        inspect_parts(line, NamedPictures(paths, stop), NameForm(FORM), found.append, part_after_s=5.0, stop=stop)
    assert len(found) == len(paths)
    assert all(record.verdict is Verdict.REVIEW for record in found)


def test_runs_that_judge_other_units_are_refused(run: Run, parts: Path, tmp_path: Path) -> None:
    single = trained(parts, tmp_path / "single", by="picture")
    both = Policy.from_mapping({"runs": {"pooled": str(run), "single": str(single)}}, "made")
    with pytest.raises(
        OptionError, match="run pooled judges parts by views side and top, and run single single pictures"
    ):
        Line(both, tmp_path / "records")
    with pytest.raises(OptionError, match="its runs judge each picture by itself"):
        Line(Policy.from_mapping({"runs": {"single": str(single)}, "by": FORM}, "made"), tmp_path / "records")
    with pytest.raises(OptionError, match="is no form of file names"):
        policy(run, by="serial")
    with Line(Policy.from_mapping({"runs": {"single": str(single)}}, "made"), tmp_path / "other") as line:
        assert line.views is None
        with pytest.raises(OptionError, match="the policy's runs judge single pictures"):
            line.judge_part("p", {"top": b""})


def test_records_of_pictures_have_no_views(parts: Path, tmp_path: Path) -> None:
    single = trained(parts, tmp_path / "single", by="picture")
    paths = sorted(parts.rglob("*.png"))[:3]
    with Line(Policy.from_mapping({"runs": {"single": str(single)}}, "made"), tmp_path / "records") as line:
        records = [line.judge(path.name, path.read_bytes()) for path in paths]
    assert all(not record.views and record.answers[0].view is None for record in records)
    assert all(before.picture_hash != after.picture_hash for before, after in pairwise(records))
