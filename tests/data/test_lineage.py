"""Lineage on data sets: what was seen is known by content, and nothing that was seen is left to be measured on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import NOTHING_SEEN, Lineage, held_out
from kenpin.errors import DatasetError, RunError
from kenpin.records import Example, ImageSource
from kenpin.run.layout import LINEAGE
from kenpin.run.lineage import lineage_of, read_lineage, write_lineage

pictures = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([None, "lot 1", "lot 2", "lot 3"])), max_size=20)


def dataset(rows: list[tuple[int, str | None]], prefix: str = "") -> Dataset:
    """Pictures whose bytes are these numbers; the ids are their rows, so that only the content tells what they show."""
    return Dataset.from_examples(
        Example(f"{prefix}{row}", ImageSource(f"{prefix}{row}.png", bytes([number])), label="ok", group=group)
        for row, (number, group) in enumerate(rows)
    )


@given(pictures, pictures)
def test_what_was_seen_is_known_by_content_under_any_name(
    learned: list[tuple[int, str | None]], other: list[tuple[int, str | None]]
) -> None:
    lineage = NOTHING_SEEN.having_learned(dataset(learned, "a"))
    asked = dataset(other, "b")
    numbers = {number for number, _ in learned}
    assert lineage.seen(asked) == [number in numbers for number, _ in other]
    assert len(lineage.unseen_of(asked)) == sum(number not in numbers for number, _ in other)
    touched = {group for number, group in other if number in numbers} - {None}
    assert lineage.untouched(asked) == [
        row for row, (number, group) in enumerate(other) if number not in numbers and group not in touched
    ]


@given(pictures, pictures)
def test_nothing_seen_is_held_out(learned: list[tuple[int, str | None]], other: list[tuple[int, str | None]]) -> None:
    lineage, asked = NOTHING_SEEN.having_learned(dataset(learned)), dataset(other)
    seen = sum(lineage.seen(asked))
    if seen and seen == len(asked):
        with pytest.raises(DatasetError, match="cannot show how good it is on others"):
            held_out(asked, lineage)
    else:
        left, notes = held_out(asked, lineage)
        assert not any(lineage.seen(left))
        assert bool(notes) == bool(seen)
    everything, notes = held_out(asked, lineage, with_seen=True)
    assert len(everything) == len(asked)
    assert bool(notes) == bool(seen)
    assert all(note.startswith("Not held out") for note in notes)


@given(pictures, pictures)
def test_together_two_have_seen_what_either_has(
    one: list[tuple[int, str | None]], other: list[tuple[int, str | None]]
) -> None:
    first, second = (NOTHING_SEEN.having_learned(dataset(rows)) for rows in (one, other))
    assert (first | second).contents == first.contents | second.contents == (second | first).contents
    assert not (first | Lineage(complete=False)).complete


def test_rows_of_a_table_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    from kenpin.data.loading import load_dataset

    for name, ids in (("a", "abc"), ("b", "xyz")):
        lines = ["id,label,length,width", *(f"{id},ok,{row},{row + 0.5}" for row, id in enumerate(ids))]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    first, second = (load_dataset(tmp_path / f"{name}.csv") for name in "ab")
    assert first.item_names
    assert NOTHING_SEEN.having_learned(first.select([1])).seen(second) == [False, True, False]


def test_a_picture_that_cannot_be_read_has_taught_nothing() -> None:
    gone = Dataset.from_examples([Example("a", ImageSource("nowhere.png")), Example("b", ImageSource("nor-there.png"))])
    assert not NOTHING_SEEN.having_learned(gone)
    assert NOTHING_SEEN.having_learned(dataset([(1, None)])).seen(gone) == [False, False]


def test_it_is_kept_beside_a_run_or_a_file_and_read_back(tmp_path: Path) -> None:
    lineage = NOTHING_SEEN.having_learned(dataset([(1, None), (2, None)])) | Lineage(names=("runs/欠陥", "other"))
    write_lineage(tmp_path, lineage)
    assert read_lineage(tmp_path) == lineage
    assert lineage_of(tmp_path).names == (*lineage.names, str(tmp_path))
    file = tmp_path / "merged.npz"
    file.write_bytes(b"weights")
    write_lineage(file, lineage)
    assert lineage_of(file).contents == lineage.contents
    assert lineage_of("toy") == lineage_of(tmp_path / "nowhere") == NOTHING_SEEN
    (tmp_path / LINEAGE).write_bytes(b"PK")
    with pytest.raises(RunError, match="missing or damaged"):
        read_lineage(tmp_path)
