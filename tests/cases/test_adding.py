"""Adding pictures: looked up by content, embedded only if new, told of when on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kenpin.cases import adding
from kenpin.cases.adding import CaseDefaults, Outcome, add_pictures, case_of
from kenpin.cases.case import EVERY_CASE, Case, CaseVerdict
from kenpin.cases.dataset import dataset_of
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset, content_hash
from kenpin.data.images import read_image
from kenpin.errors import CaseLibraryError, DatasetError, ImageError
from kenpin.records import Example, ImageSource
from tests.builders import picture_bytes, write_picture
from tests.cases.made import OTHER_RUN, RUN

POSITIVE, NEGATIVE, UNKNOWN = CaseVerdict


class Embedder:
    """Embeds pictures in batches of three by their mean colours, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, pictures: Dataset) -> Iterator[tuple[list[Example], NDArray[np.float32]]]:
        """As a predictor does: what cannot be opened is left out."""
        for start in range(0, len(pictures), 3):
            opened = []
            for example in pictures.select(range(start, min(start + 3, len(pictures)))):
                try:
                    opened.append((example, np.asarray(read_image(example.image), np.float32).mean((0, 1))))
                except ImageError:
                    continue
            self.count += len(opened)
            if opened:
                yield [example for example, _ in opened], np.stack([mean for _, mean in opened])


@pytest.fixture
def pictures(tmp_path: Path) -> Dataset:
    """Seven pictures, the last with the content of the first."""
    paths = [write_picture(tmp_path / "pictures" / f"{n}.png", n % 6) for n in range(7)]
    return Dataset.from_examples(
        Example(str(path), ImageSource(str(path)), label="傷", group="lot 1", attributes={"note": path.name})
        for path in paths
    )


def _add(library: Path, pictures: Dataset, **settings: object) -> tuple[list[tuple[Case, Outcome]], int]:
    embed = Embedder()
    return list(add_pictures(str(library), RUN, pictures, embed, **settings)), embed.count  # type: ignore[arg-type]


def test_each_content_is_one_case_and_is_embedded_once(tmp_path: Path, pictures: Dataset) -> None:
    told, embedded = _add(tmp_path / "library", pictures, defaults=CaseDefaults(POSITIVE, label="none", note="none"))
    assert [outcome for _, outcome in told] == ["added"] * 6 + ["known"]
    assert embedded == 6
    library = CaseLibrary.open(str(tmp_path / "library"))
    assert {case.id for case in library.cases()} == {content_hash(one.image) for one in pictures}
    assert {(case.label, case.lot, case.verdict) for case in library.cases()} == {("傷", "lot 1", POSITIVE)}
    assert {case.note for case in library.cases()} == {f"{n}.png" for n in range(6)}
    again, embedded = _add(tmp_path / "library", pictures, defaults=CaseDefaults(NEGATIVE))
    assert {outcome for _, outcome in again} == {"known"}
    assert embedded == 0
    assert library.stats().by_verdict == {"POSITIVE": 6}


def test_the_vectors_are_those_of_their_pictures(tmp_path: Path, pictures: Dataset) -> None:
    _add(tmp_path / "library", pictures, metric="l2")
    library = CaseLibrary.open(str(tmp_path / "library"))
    for case, vector in zip(library.cases(), library.vectors([one.id for one in library.cases()]), strict=True):
        mean = np.asarray(read_image(ImageSource(case.picture)), np.float32).mean((0, 1))
        assert np.allclose(vector, mean)


def test_changing_says_what_is_now_said_and_embeds_nothing(tmp_path: Path, pictures: Dataset) -> None:
    _add(tmp_path / "library", pictures)
    bare = Dataset.from_examples(Example(one.id, one.image) for one in pictures)
    told, embedded = _add(tmp_path / "library", bare, defaults=CaseDefaults(NEGATIVE), change=True)
    assert embedded == 0
    assert {(case.verdict, case.label, outcome) for case, outcome in told} == {(NEGATIVE, "傷", "changed")}


def test_what_cannot_be_opened_is_no_case(tmp_path: Path, pictures: Dataset) -> None:
    folder = tmp_path / "pictures"
    (folder / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (folder / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (folder / "3.png").unlink()
    told, _ = _add(tmp_path / "library", pictures)
    assert [Path(case.picture).name for case, _ in told] == ["0.png", "4.png", "5.png", "0.png"]
    assert len(CaseLibrary.open(str(tmp_path / "library"))) == 3


def test_a_case_is_told_of_when_it_is_on_disk(
    tmp_path: Path, pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "_WAIT_S", 0)
    uri = str(tmp_path / "library")
    there = []
    for case, _ in add_pictures(uri, RUN, pictures, Embedder()):
        library = CaseLibrary.open(uri)
        assert case.id in library.known([case.id])
        there.append(len(library))
    assert there == [3, 3, 3, 6, 6, 6, 6]


def test_blocks_make_no_difference(tmp_path: Path, pictures: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "_AT_ONCE", 2)
    told, embedded = _add(tmp_path / "library", pictures)
    assert sorted(outcome for _, outcome in told) == ["added"] * 6 + ["known"]
    assert embedded == 6


def test_another_library_gives_its_pictures_and_what_was_said(tmp_path: Path, pictures: Dataset) -> None:
    _add(tmp_path / "library", pictures, defaults=CaseDefaults(NEGATIVE))
    old = CaseLibrary.open(str(tmp_path / "library"))
    list(add_pictures(str(tmp_path / "new"), OTHER_RUN, dataset_of(old), Embedder(), defaults=CaseDefaults(POSITIVE)))
    new = CaseLibrary.open(str(tmp_path / "new"))
    assert new.run == OTHER_RUN

    def said(library: CaseLibrary) -> set[tuple[object, ...]]:
        return {(one.id, one.picture, one.verdict, one.label, one.note, one.lot) for one in library.cases(EVERY_CASE)}

    assert said(new) == said(old)
    with pytest.raises(CaseLibraryError, match=r"first \(aaaaaaaa\).*second \(bbbbbbbb\)"):
        list(add_pictures(old.uri, OTHER_RUN, pictures, Embedder()))


def test_thumbnails_are_small_and_only_there_when_asked_for(tmp_path: Path, pictures: Dataset) -> None:
    _add(tmp_path / "without", pictures)
    _add(tmp_path / "with", pictures, thumbnails=True)
    without, kept = (CaseLibrary.open(str(tmp_path / name)).cases() for name in ("without", "with"))
    assert {case.thumbnail for case in without} == {None}
    for case in kept:
        assert read_image(ImageSource("thumbnail", case.thumbnail)).size == (32, 20)


def test_columns_of_a_data_set_go_before_what_is_said_of_all() -> None:
    image = ImageSource("parts.parquet", picture_bytes(1))
    told = case_of(
        Example("a", image, label="dent", attributes={"verdict": " negative", "lot": "7"}, group="8"),
        "content",
        CaseDefaults(POSITIVE, "x", "y", "z"),
    )
    assert (told.verdict, told.label, told.note, told.lot) == (NEGATIVE, "dent", "y", "7")
    assert told.id == "content"
    assert told.picture == "parts.parquet"
    with pytest.raises(DatasetError, match=r"table\.csv line 3: verdict 'BAD' is not among POSITIVE"):
        case_of(Example("a", image, attributes={"verdict": "bad"}, origin="table.csv line 3"), "")
