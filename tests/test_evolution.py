"""Snapshots survive a kill and a resumed run, and the page shows all of them without loading anything."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from kenpin.errors import OutputExistsError, RunError
from kenpin.report.evolution import Evolution, Snapshot, read_evolution, render_evolution, write_evolution
from kenpin.run.evolution import record_snapshot, record_truth

NASTY = '<script>alert("傷")</script>.png'
NAMES = ("a.png", NASTY)


def flat(grey: int) -> list[Image.Image]:
    """The watched pictures, drawn in one grey."""
    return [Image.new("RGB", (32, 24), (grey, grey, grey)) for _ in NAMES]


def greys(pictures: Sequence[bytes]) -> list[int]:
    """The grey of each picture, to the nearest 10: JPEG may change it a little."""
    return [round(Image.open(io.BytesIO(one)).convert("L").getpixel((5, 5)) / 10) * 10 for one in pictures]  # type: ignore[operator]


def recorded(run: Path, steps: Sequence[int] = (0, 10, 20), *, grey: int = 100) -> Path:
    """A run folder with snapshots of these steps."""
    record_truth(run, NAMES, flat(200))
    for step in steps:
        record_snapshot(run, step, step / 10, {"loss": 1 / (step + 1), "map_50": step / 100}, flat(grey))
    return run


def test_what_was_recorded_is_read(tmp_path: Path) -> None:
    found = read_evolution(recorded(tmp_path))
    assert found.names == NAMES
    assert greys(found.truth) == [200, 200]
    assert [(one.step, one.epoch) for one in found.snapshots] == [(0, 0.0), (10, 1.0), (20, 2.0)]
    assert found.snapshots[1].scores == {"loss": pytest.approx(1 / 11), "map_50": 0.1}
    assert all(greys(one.pictures) == [100, 100] for one in found.snapshots)


def test_a_resumed_run_replaces_what_it_trains_again(tmp_path: Path) -> None:
    run = recorded(tmp_path, (0, 10, 20, 30))
    record_truth(run, NAMES, flat(200))
    record_snapshot(run, 20, 2.0, {"loss": 0.5}, flat(50))
    found = read_evolution(run).snapshots
    assert [one.step for one in found] == [0, 10, 20]
    assert [greys(one.pictures)[0] for one in found] == [100, 100, 50]
    assert found[-1].scores == {"loss": 0.5}


class Killed(BaseException):
    """The process died."""


@pytest.mark.parametrize("step", [20, 30])
def test_a_kill_at_any_write_leaves_whole_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    deaths = 0
    while True:
        run = recorded(tmp_path / str(deaths), (0, 10, 20))
        with monkeypatch.context() as patch:
            die_at(patch, deaths)
            try:
                record_truth(run, NAMES, flat(200))
                record_snapshot(run, step, step / 10, {"loss": 0.5}, flat(50))
            except Killed:
                found = read_evolution(run)
                assert greys(found.truth) == [200, 200]
                assert [one.step for one in found.snapshots][:2] == [0, 10]
                assert all(len(set(greys(one.pictures))) == 1 for one in found.snapshots)
                deaths += 1
                continue
        break
    # two pictures of the truth and two of the snapshot, and at least two files of rows, each written and renamed
    assert deaths >= 12
    assert [one.step for one in read_evolution(run).snapshots] == ([0, 10, 20] if step == 20 else [0, 10, 20, 30])


def die_at(patch: pytest.MonkeyPatch, moment: int) -> None:
    """Kill at that write or renaming, counted from 0; a write is cut in half."""
    passed = iter(range(10_000))

    def dying(function: object, half: object) -> object:
        def call(self: object, *args: object, **settings: object) -> object:
            if next(passed) == moment:
                half(self, *args)  # type: ignore[operator]
                raise Killed
            return function(self, *args, **settings)  # type: ignore[operator]

        return call

    write_text = Path.write_text
    patch.setattr(Path, "replace", dying(Path.replace, lambda *_: None))
    patch.setattr(
        Path, "write_text", dying(write_text, lambda path, text, *_: write_text(path, text[: len(text) // 2]))
    )
    patch.setattr(Image.Image, "save", dying(Image.Image.save, lambda _, path, *__: path.write_bytes(b"\xff\xd8")))


def test_a_score_that_is_no_number_is_kept_as_none(tmp_path: Path) -> None:
    record_truth(tmp_path, NAMES, flat(200))
    record_snapshot(tmp_path, 1, 0.1, {"loss": float("nan"), "map_50": None}, flat(100))
    assert read_evolution(tmp_path).snapshots[0].scores == {"loss": None, "map_50": None}
    page = render_evolution(read_evolution(tmp_path), "run")
    assert "Epoch 0.1" in page
    assert "Validation loss" not in page


def test_names_and_pictures_must_be_equally_many(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        record_truth(tmp_path, ["a.png"], flat(200))


def evolution(columns: int) -> Evolution:
    """An evolution whose validation loss is least at the last evaluation but one."""
    pictures = tuple(picture for picture in (b"one", b"two"))
    loss = [*(1 / (i + 1) for i in range(columns - 1)), 1.0]
    return Evolution(
        NAMES,
        pictures,
        tuple(Snapshot(8 * i, i / 2, {"loss": loss[i], "map_50": i / columns}, pictures) for i in range(columns)),
        [{"step": 8 * i + 4, "loss": 1 / (i + 1)} for i in range(columns)],
    )


@pytest.mark.parametrize("columns", [2, 15])
def test_the_page_has_a_row_a_picture_and_a_column_an_evaluation(columns: int) -> None:
    page = render_evolution(evolution(columns), "lot 7")
    header, *rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    assert header.count("<th") == 1 + columns
    assert len(rows) == len(NAMES)
    assert all(row.count("<img") == 1 + columns for row in rows)
    assert "Before training" in header
    assert "mAP 50" in header
    assert page.count("<svg") == 2
    assert "training ends at" in page
    assert "validation ends at 1." in page


def test_the_column_of_the_least_validation_loss_is_marked() -> None:
    header = re.findall(r"<th scope=\"col\">(.*?)</th>", render_evolution(evolution(15), "lot 7"), re.DOTALL)
    assert [i for i, cell in enumerate(header[1:]) if "least validation loss" in cell] == [13]


def test_of_very_many_evaluations_some_are_shown_and_the_page_says_so() -> None:
    page = render_evolution(evolution(200), "lot 7")
    titles = re.findall(r"<b>(.*?)</b>", page)
    assert len(titles) < 30
    assert titles[1] == "Before training"
    assert titles[-1] == "Epoch 99.5"
    assert "Epoch 99" in titles  # the best, which is between two that are shown
    assert f"{len(titles) - 1} of the 200 columns are shown." in page


def test_of_a_long_run_no_more_pictures_are_read_than_are_shown(tmp_path: Path) -> None:
    run = recorded(tmp_path, (0, 10))
    rows = run / "evolution" / "snapshots.jsonl"
    last = json.loads(rows.read_text().splitlines()[-1])
    rows.write_text("".join(json.dumps(last | {"step": step, "epoch": step / 10}) + "\n" for step in range(500)))
    found = read_evolution(run)
    assert len(found.snapshots) == 500
    assert 24 <= sum(len(one.pictures) > 0 for one in found.snapshots) <= 25
    assert render_evolution(found, "run").count("<img") <= 2 * (1 + 25)


def test_the_page_escapes_names_and_loads_nothing(tmp_path: Path) -> None:
    out = write_evolution(recorded(tmp_path / "run"), tmp_path / "page" / "evolution.html", name=NASTY)
    page = out.read_text(encoding="utf-8")
    assert NASTY not in page
    assert page.count("&lt;script&gt;") >= 2
    links = re.findall(r"(?:src|href)=\"(.*?)\"", page)
    assert len(links) == 2 * (1 + 3)
    assert all(link.startswith("data:image/jpeg;base64,/9j/") for link in links)
    assert "<script" not in page
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run")
    out = write_evolution(run, tmp_path / "evolution.html")
    assert "<h1>run</h1>" in out.read_text(encoding="utf-8")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write_evolution(run, out)
    write_evolution(run, out, name="lot 8", overwrite=True)
    assert "<h1>lot 8</h1>" in out.read_text(encoding="utf-8")


def test_a_run_may_be_looked_at_before_its_first_evaluation(tmp_path: Path) -> None:
    page = render_evolution(read_evolution(recorded(tmp_path, (0,))), "run")
    assert "before training and at 0 evaluations" in page
    run = tmp_path / "later"
    (recorded(run, (0,)) / "evolution" / "snapshots.jsonl").write_text("")
    assert "<h1>run</h1>" in render_evolution(read_evolution(run), "run")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("snapshots.jsonl", None, "snapshots.jsonl: is missing"),
        ("truth.jsonl", None, "truth.jsonl: is missing"),
        ("snapshots.jsonl", "{", "line 1"),
        (
            "snapshots.jsonl",
            json.dumps({"step": 1}),
            r"line 1: the fields \['epoch', .* are missing",
        ),
        ("step-00000010-01.jpg", None, "step-00000010-01.jpg: cannot be read"),
        ("truth.jsonl", '{"name": "a", "picture": "truth-00.jpg"}', "2 pictures for 1 in truth.jsonl"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, text: str | None, message: str) -> None:
    damaged = recorded(tmp_path) / "evolution" / file
    damaged.unlink()
    if text is not None:
        damaged.write_text(text)
    with pytest.raises(RunError, match=message):
        read_evolution(tmp_path)
