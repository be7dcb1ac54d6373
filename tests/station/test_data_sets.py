"""Frozen data sets: what people settled becomes pictures that a training reads, and test parts stay test parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.data.picture_files import hash_of
from kenpin.errors import DatasetError, OptionError, RunError
from kenpin.records import Detections, Verdict
from kenpin.station.learning.data_sets import FROZEN, FrozenDataSet, freeze, load_frozen, read_frozen
from kenpin.station.learning.doubts import doubts
from kenpin.station.learning.reviewed import ReviewedPart
from kenpin.station.learning.splitting import Split, SplitUnit, divide
from kenpin.words import Texts
from kenpin.words.recorded import translated
from tests.builders import picture_bytes
from tests.catalogues import TRANSLATED
from tests.pictures import part

HOSTILE = ("../../etc/x", "a\x00b", "=cmd|'/c calc'!A1", "ok/scratch", "<script>", "部品 1", ".", "")
BOX = Detections(((1.0, 2.0, 9.0, 9.0),), ("",))


class Kept:
    """The pictures of a station, and parts on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def part(self, seed: int, verdict: str = "PASS", label: str | None = None, **fields: Any) -> ReviewedPart:
        """A part with the picture of a seed."""
        data = fields.pop("data", None) or picture_bytes(seed)
        content = hash_of(data)
        file = self.folder / content
        file.write_bytes(data)
        values = {"id": f"part-{seed}", "boxes": None, "settled_by": "ann", "settled_us": 5, "sampled": seed % 2 == 0}
        return ReviewedPart(content=content, picture=file, verdict=Verdict(verdict), label=label, **values | fields)

    def some(self, good: int = 10, bad: int = 6) -> list[ReviewedPart]:
        """Good parts and scratched ones."""
        return [*map(self.part, range(good)), *(self.part(100 + seed, "FAIL", "scratch") for seed in range(bad))]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "kept")


def _frozen(parts: Sequence[ReviewedPart], target: Path, **more: Any) -> FrozenDataSet:
    frozen = freeze(parts, target, who="bo", at_us=7, **more)
    for language in TRANSLATED:  # whatever is noted, pages say it in their language
        assert not [note for note in frozen.notes if translated(note, Texts(language)) is None]
    return frozen


def test_reviewed_parts_become_a_data_set_that_a_training_reads(kept: Kept, tmp_path: Path) -> None:
    parts = kept.some()
    frozen = _frozen(parts, tmp_path / "one")
    assert read_frozen(tmp_path / "one") == frozen
    assert (frozen.frozen_by, frozen.frozen_us, frozen.ok_labels) == ("bo", 7, ("ok",))
    assert frozen.counts() == {"train": {"ok": 7, "scratch": 4}, "test": {"ok": 3, "scratch": 2}}
    dataset = load_frozen(tmp_path / "one")
    assert dataset.findings == ()
    settled = {(one.content, "ok" if one.verdict is Verdict.PASS else "scratch") for one in parts}
    assert set(zip(dataset.contents(), dataset.column("label"), strict=True)) == settled
    assert {(one.file, one.split) for one in frozen.parts} == set(
        zip(dataset.column("id"), dataset.column("split"), strict=True)
    )
    assert frozen.fingerprint == dataset.fingerprint()


@pytest.mark.parametrize("id", HOSTILE)
def test_no_id_names_a_file(kept: Kept, tmp_path: Path, id: str) -> None:
    parts = [*kept.some(), kept.part(50, id=id)]
    frozen = _frozen(parts, tmp_path / "one")
    assert frozen.parts[-1].id == id
    written = {path.name for path in (tmp_path / "one").rglob("*") if path.is_file()} - {FROZEN}
    assert written == {f"{one.content}.png" for one in parts}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "one"]


def test_a_picture_that_is_not_the_one_that_was_settled_is_refused(kept: Kept, tmp_path: Path) -> None:
    parts = kept.some()
    parts[3].picture.write_bytes(picture_bytes(999))
    with pytest.raises(DatasetError, match="is not the picture of part part-3"):
        _frozen(parts, tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_what_is_contradicted_gone_or_a_copy_is_left_out_and_told(kept: Kept, tmp_path: Path) -> None:
    parts = [
        *kept.some(),
        kept.part(3, "FAIL", "scratch", id="again"),
        kept.part(4, id="copy"),
        kept.part(60, id="gone"),
        kept.part(61, id="no picture", is_picture=False),
    ]
    parts[-2].picture.unlink()
    frozen = _frozen(parts, tmp_path / "one")
    assert {one.id: one.why for one in frozen.left_out} == {
        "part-3": "the same picture was settled differently",
        "again": "the same picture was settled differently",
        "copy": "a copy of part part-4",
        "gone": "its picture is not kept any more",
        "no picture": "its file cannot be opened as a picture",
    }
    assert "part-3" not in {one.id for one in frozen.parts}
    assert any("2 parts were left out, the same picture was settled differently" in note for note in frozen.notes)


def test_a_part_that_nobody_settled_is_refused_and_nothing_at_all_too(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is not settled"):
        _frozen([kept.part(0, "REVIEW")], tmp_path / "one")
    with pytest.raises(DatasetError, match="review some"):
        _frozen([], tmp_path / "one")
    with pytest.raises(OptionError, match="of class ok"):
        _frozen([*kept.some(), kept.part(70, "FAIL", "ok")], tmp_path / "one")
    with pytest.raises(OptionError, match="test share"):
        _frozen(kept.some(), tmp_path / "one", test_share=1.0)
    assert not (tmp_path / "one").exists()


def test_a_class_of_defects_holds_no_part_that_passed(kept: Kept, tmp_path: Path) -> None:
    frozen = _frozen([*kept.some(), kept.part(70, "PASS", "scratch"), kept.part(71, "PASS", "stain")], tmp_path / "one")
    assert {one.id: one.label for one in frozen.parts if one.id in ("part-70", "part-71")} == {
        "part-70": "ok",
        "part-71": "stain",
    }
    assert frozen.ok_labels == ("ok", "stain")
    assert any("part-70" in note for note in frozen.notes)


def test_boxes_become_a_data_set_of_boxes(kept: Kept, tmp_path: Path) -> None:
    bad = [kept.part(100 + seed, "FAIL", "scratch", boxes=BOX) for seed in range(6)]
    parts = [*map(kept.part, range(10)), *bad, kept.part(70, "FAIL", id="undrawn")]
    frozen = _frozen(parts, tmp_path / "one", of_boxes=True)
    dataset = load_frozen(tmp_path / "one")
    found = {content: example.boxes for content, example in zip(dataset.contents(), dataset, strict=True)}
    assert {content for content, boxes in found.items() if boxes} == {one.content for one in bad}
    first = found[bad[0].content]
    assert first is not None
    assert (first.boxes_xyxy_px, first.labels) == (BOX.boxes_xyxy_px, ("scratch",))
    assert len(found) == 16
    assert all(boxes is not None for boxes in found.values())  # a good part is a picture without a box
    assert frozen.boxes == 6
    assert [one.id for one in frozen.left_out] == ["undrawn"]
    # what people drew does not make a data set of boxes by itself
    of_classes = _frozen(parts, tmp_path / "two")
    assert (of_classes.left_out, of_classes.boxes) == ((), None)
    assert load_frozen(tmp_path / "two").column("label").count("scratch") == 6
    with pytest.raises(DatasetError, match="nobody drew a box"):
        _frozen(kept.some(), tmp_path / "three", of_boxes=True)


def test_of_copies_the_one_is_taken_that_was_drawn_on_last(kept: Kept, tmp_path: Path) -> None:
    other = Detections(((3.0, 3.0, 9.0, 9.0),), ("",))
    drawn = [
        kept.part(100, "FAIL", "scratch", id=f"{n}", boxes=boxes, settled_us=us)
        for n, boxes, us in ((0, None, 9), (1, BOX, 5), (2, other, 8), (3, BOX, 7))
    ]
    frozen = _frozen([*kept.some(), *drawn], tmp_path / "one", of_boxes=True)
    assert [one.id for one in frozen.parts if one.label == "scratch"] == ["2"]
    assert {one.why for one in frozen.left_out if one.id in "0123"} == {"a copy of part 2"}


def test_what_was_held_out_once_stays_held_out(kept: Kept, tmp_path: Path) -> None:
    first = _frozen(kept.some(), tmp_path / "one", test_share=0.2)
    more = [*kept.some(good=30, bad=12), kept.part(500, "FAIL", "dent")]
    second = _frozen(list(reversed(more)), tmp_path / "two", earlier=[first])
    now = {one.content: one.split for one in second.parts}
    assert all(now[one.content] == one.split for one in first.parts)
    assert second.counts()["test"] == {"ok": 9, "scratch": 4}
    third = _frozen(kept.some(), tmp_path / "three", earlier=[second, first], test_share=0.9)
    assert {one.content: one.split for one in third.parts} == {one.content: one.split for one in first.parts}


def test_pictures_of_one_part_stay_together(kept: Kept, tmp_path: Path) -> None:
    parts = [kept.part(seed, id=f"{seed // 3}") for seed in range(30)]
    parts += [kept.part(100 + seed, "FAIL", "scratch", id=f"bad {seed // 3}") for seed in range(12)]
    frozen = _frozen(parts, tmp_path / "one")
    of_each: dict[str, set[str]] = {}
    for one in frozen.parts:
        of_each.setdefault(one.id, set()).add(one.split)
    assert all(len(splits) == 1 for splits in of_each.values())
    assert {"train", "test"} <= set.union(*of_each.values())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_content_ever_changes_sides(data: st.DataObject) -> None:
    """Whatever is reviewed in whatever order, and whatever share is held out."""
    contents = [hash_of(bytes([number])) for number in range(40)]
    earlier: dict[str, Split] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        chosen = data.draw(st.lists(st.sampled_from(contents), unique=True, min_size=1))
        units = [SplitUnit((content,), "ok" if int(content[:2], 16) % 3 else "scratch") for content in chosen]
        share = data.draw(st.floats(0.05, 0.95))
        splits = dict(zip(chosen, divide(units, share, earlier), strict=True))
        assert all(splits[content] == before for content, before in earlier.items() if content in splits)
        again = divide([*reversed(units)], share, earlier)
        assert again == [splits[unit.contents[0]] for unit in reversed(units)]
        earlier |= splits


def test_a_frozen_data_set_that_was_changed_is_noticed(kept: Kept, tmp_path: Path) -> None:
    frozen = _frozen(kept.some(), tmp_path / "one")
    file = tmp_path / "one" / FROZEN
    values = json.loads(file.read_text())
    values["parts"][0]["settled_by"] = "eve"
    file.write_text(json.dumps(values))
    with pytest.raises(RunError, match="is not what was frozen"):
        read_frozen(tmp_path / "one")
    _frozen(kept.some(), tmp_path / "two")
    (tmp_path / "two" / "data" / frozen.parts[0].file).unlink()
    with pytest.raises(RunError, match="is not as it was frozen"):
        load_frozen(tmp_path / "two")


def test_doubts_name_the_parts_that_they_are_about(kept: Kept, tmp_path: Path) -> None:
    def seen(seed: int, *, scratched: bool, verdict: str) -> ReviewedPart:
        file = tmp_path / "made.png"
        part(seed, scratched=scratched).save(file)
        return kept.part(seed, verdict, "scratch" if verdict == "FAIL" else None, data=file.read_bytes())

    parts = [seen(seed, scratched=False, verdict="PASS") for seed in range(16)]
    parts += [seen(100 + seed, scratched=True, verdict="FAIL") for seed in range(16)]
    wrong = seen(300, scratched=True, verdict="PASS")
    _frozen([*parts, wrong], tmp_path / "one")
    found = doubts(tmp_path / "one", base="toy")
    suspects = [doubt for doubt in found if doubt.finding.code == "label-suspect"]
    assert wrong.id in suspects[0].part_ids
    single = _frozen([replace(one, id=f"{number}") for number, one in enumerate(parts[:16])], tmp_path / "good")
    assert single.counts()["train"].keys() == {"ok"}
    assert not [doubt for doubt in doubts(tmp_path / "good", base="toy") if doubt.finding.code == "label-suspect"]
