"""A line of 200 parts with every fault planted: 200 records, and the good parts as without the faults."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer
from typing import Any

import numpy as np
import pytest

from kenpin.chained import line_of
from kenpin.cli import main
from kenpin.data.dataset import Dataset
from kenpin.data.files import picture_files
from kenpin.data.loading import load_dataset
from kenpin.description.describer import Describer
from kenpin.drawing import draw_maps
from kenpin.inspection import Line, PartRecord, closer_look, judging, read_records
from kenpin.inspection.closer_look import CloserLook
from kenpin.inspection.inspecting import inspect
from kenpin.inspection.journal import JOURNAL
from kenpin.inspection.pictures import NamedPictures
from kenpin.inspection.record import to_values
from kenpin.inspection.watching import WatchedFolder
from kenpin.models.passing import decode, outputs_together
from kenpin.records import Verdict
from kenpin.training import train
from tests.inspection.faults import (
    DOUBTFUL,
    FAULTS,
    NO_CASES,
    NO_MAP,
    NO_RECORD,
    NO_WORDS,
    NOT_A_NUMBER,
    RAISES,
    SPARSE_BYTES,
    TOO_FEW,
    break_file_system,
    data_of,
    picture,
)
from tests.toy_runs import ToyRun

PARTS = 200
GOOD = [f"good-{number:03}.png" for number in range(PARTS - len(FAULTS))]
AWAY_S = 1.0


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def toy(parts: Path, tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A folder with a policy that asks for maps, known cases and descriptions of what does not pass."""
    folder = tmp_path_factory.mktemp("toy")
    toy_run("classifier", folder / "head")
    some = load_dataset(parts).select(range(0, 48, 8))
    asked = [replace(example, prefix="What is it?", suffix=example.label) for example in some]
    asked_about = Dataset.from_examples(asked)
    train("vlm", data="-", dataset=asked_about, out=folder / "words", base="toy", epochs=1, report=False)
    (folder / "policy.yaml").write_text(
        f"runs: {{head: {{run: head, fail_from: 3, review_from: 2}}}}\nsettle_s: 0\naside_after_s: {AWAY_S + 2}\n"
        f"maps: {{of: head}}\ncases: {{library: known, run: head}}\n"
        f"describe: {{run: words, text_length: 1}}\n"
    )
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in ("cases", "add", folder / "known", folder / "head", parts / "scratch" / "000.png")])
    assert ended.value.code == 0
    return folder


@pytest.fixture(scope="module")
def without(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PartRecord]:
    """The records of the good parts alone."""
    with Line(toy / "policy.yaml", tmp_path_factory.mktemp("without") / "records") as line:
        records = line.judge_many([(name, data_of(picture(100 + seed))) for seed, name in enumerate(GOOD)])
    assert {record.verdict for record in records} == {Verdict.PASS}
    return {record.id: record for record in records}


def _planted(folder: Path) -> Path:
    """The line: good parts, and among them one of each fault."""
    folder.mkdir()
    for seed, name in enumerate(GOOD):
        (folder / name).write_bytes(data_of(picture(100 + seed)))
    for fault in FAULTS:
        fault.plant(folder / fault.name)
    return folder


def _break_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each step of the judgement fail on the picture that has its size."""
    look_for_cases, describe = CloserLook._cases, Describer.describe

    def runs(inspectors: Any, images: Sequence[Any], known: Any, examples: Any) -> list[dict[str, Any]]:
        sizes = [image.size for image in images]
        if RAISES in sizes:
            raise RuntimeError("out of memory")
        outputs: list[Any] = outputs_together(inspectors, images, known, examples)
        for values in (values for of_run in outputs for values in of_run.values()):
            values[[index for index, size in enumerate(sizes) if size == NOT_A_NUMBER]] = np.nan
        if TOO_FEW in sizes:
            return [{name: values[1:] for name, values in of_run.items()} for of_run in outputs]
        return outputs

    def decoded(inspector: Any, outputs: Any, examples: Sequence[Any], **how: Any) -> list[Any]:
        found = decode(inspector, outputs, examples, **how)
        for index, example in enumerate(examples):
            if example.size_wh in DOUBTFUL:
                label = "half of a pair: \ud83d" if example.size_wh == NO_RECORD else found[index].label
                found[index] = replace(found[index], defect_score=2.5, label=label)
        return found

    def drawn(image: Any, *words: Any, **more: Any) -> Any:
        if image.size == NO_MAP:
            raise OSError("No space left on device")
        return draw_maps(image, *words, **more)

    def cases(self: CloserLook, part: Any, always: bool) -> Any:
        if part.opened.image.size == NO_CASES:
            raise BaseException("a panic in Rust")
        return look_for_cases(self, part, always)

    def described(self: Describer, images: Sequence[Any], *words: Any) -> Any:
        if NO_WORDS in [image.size for image in images]:
            raise ValueError("no such token\nsecond line")
        return describe(self, images, *words)

    monkeypatch.setattr(judging, "outputs_together", runs)
    monkeypatch.setattr(judging, "decode", decoded)
    monkeypatch.setattr(closer_look, "draw_maps", drawn)
    monkeypatch.setattr(CloserLook, "_cases", cases)
    monkeypatch.setattr(Describer, "describe", described)


def _inspected(
    toy: Path, folder: Path, out: Path, *, watched: bool, aside_after_s: float = 1.5, away: bool = False
) -> tuple[list[PartRecord], list[str]]:
    """What was reported, and what was noted. away: let the folder go away after the first parts, and come back."""
    reported: list[PartRecord] = []
    notes: list[str] = []

    def report(record: PartRecord) -> None:
        reported.append(record)
        if away and len(reported) == 10:
            hidden = folder.with_name("hidden")
            folder.rename(hidden)
            Timer(AWAY_S, lambda: os.rename(hidden, folder)).start()  # noqa: PTH104 the other way is broken here

    with Line(toy / "policy.yaml", out) as line:
        if watched:
            source: Any = WatchedFolder(
                folder,
                line.journal.files(),
                settle_s=0,
                aside_after_s=aside_after_s,
                until_idle_s=0,
                stop=Event(),
                note=notes.append,
            )
        else:
            unlisted: list[str] = []
            paths = [*picture_files([folder], unlisted=unlisted)]
            source = NamedPictures(paths + unlisted, Event())
        inspect(line, source, report, notes.append)
    return reported, notes


def _check(reported: Sequence[PartRecord], without: dict[str, PartRecord], folder: str, watched: bool) -> None:
    """200 records, the good parts as without the faults, and each fault with its reason."""
    by_id = {record.id.removeprefix(folder): record for record in reported}
    expected = [*GOOD, *(fault.id for fault in FAULTS)]
    assert sorted(by_id) == sorted(expected if watched else [id.rstrip("/") for id in expected])
    assert len(reported) == PARTS
    for name in GOOD:
        ours, alone = by_id[name], without[name]
        assert (ours.verdict, ours.reasons, ours.label) == (alone.verdict, alone.reasons, alone.label)
        assert ours.answers[0].score == pytest.approx(alone.answers[0].score, abs=1e-6)
    for fault in FAULTS:
        record = by_id[fault.id if watched else fault.id.rstrip("/")]
        if fault.doubtful or not (fault.opens or (fault.watched_alone and watched)):
            assert record.verdict is Verdict.REVIEW, fault
        else:
            assert record.verdict is Verdict.PASS, (fault, record.reasons)
        assert record.reasons[0].strip()


def _reasons(reported: Sequence[PartRecord], name: str) -> tuple[str, ...]:
    return _record(reported, name).reasons


def _record(reported: Sequence[PartRecord], name: str) -> PartRecord:
    (record,) = [record for record in reported if record.id.rstrip("/").endswith(f"{name}")]
    return record


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "named"])
def test_200_parts_with_every_fault_have_200_records_and_the_good_ones_are_as_ever(
    toy: Path, without: dict[str, PartRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    folder = _planted(tmp_path / "line")
    _break_steps(monkeypatch)
    break_file_system(monkeypatch)
    out = tmp_path / "records"
    reported, notes = _inspected(toy, folder, out, watched=watched)
    _check(reported, without, "" if watched else f"{folder}/", watched)

    written = [line_of(to_values(one), "") for one in read_records(out / JOURNAL)]
    assert written == [
        line_of(to_values(one), "") for one in reported
    ]  # lines, for a score that is no number equals none
    whole, no_map, no_cases = (_record(reported, f"{name}.png") for name in ("all", "no-map", "no-cases"))
    assert whole.answers[0].map is not None
    assert whole.description is not None
    assert (no_map.answers[0].map, no_cases.cases) == (None, ())
    assert len(no_map.cases) == len(whole.cases) == 1
    assert no_cases.answers[0].map is not None
    assert "out of memory" in _reasons(reported, "run-raises.png")[0]
    assert "no score" in _reasons(reported, "run-not-a-number.png")[0]
    assert "The map of head failed: No space left on device" in _reasons(reported, "no-map.png")
    assert "The search for known cases failed: a panic in Rust" in _reasons(reported, "no-cases.png")
    assert "The description failed: no such token" in _reasons(reported, "no-words.png")
    assert any("The record cannot hold the answers" in note for note in _reasons(reported, "no-record.png"))
    assert f"{SPARSE_BYTES:,} bytes" in _reasons(reported, "sparse.png")[0]
    assert "may not be read" in _reasons(reported, "unreadable.png")[0]
    assert "cannot be listed (Permission denied)" in _reasons(reported, "locked")[0]

    stay = [fault.id for fault in FAULTS if fault.stays and not fault.name.endswith("/")] if watched else []
    assert sorted(note.split(": ")[0] for note in notes) == sorted(f"{folder}/{id}" for id in stay)
    for record in reported:
        if record.aside is not None:
            assert os.path.lexists(out / record.aside) is (record.id not in stay)

    again, notes = _inspected(toy, folder, out, watched=watched)
    assert len(again) == (0 if watched else PARTS)
    back = 0 if watched else sum(fault.watched_alone for fault in FAULTS)
    assert len([*read_records(out / JOURNAL)]) == PARTS + back, "a restart judges again only what can be read by now"
    assert len(notes) == bool(stay)
    (tmp_path / "line" / "sparse.png").unlink(
        missing_ok=True
    )  # whoever copies the folder of the tests would fill a disk
    shutil.rmtree(out / "aside", ignore_errors=True)


def test_a_folder_that_is_away_for_a_second_costs_no_part(
    toy: Path, without: dict[str, PartRecord], tmp_path: Path
) -> None:
    folder = tmp_path / "line"
    folder.mkdir()
    for seed, name in enumerate(GOOD):
        (folder / name).write_bytes(data_of(picture(100 + seed)))
    reported, notes = _inspected(toy, folder, tmp_path / "records", watched=True, aside_after_s=10, away=True)
    assert sorted(record.id for record in reported) == GOOD
    assert all(record.verdict is without[record.id].verdict for record in reported)
    assert [note.removeprefix(f"{folder}: ").split(" (")[0] for note in notes] == ["cannot be read", "is back."]
