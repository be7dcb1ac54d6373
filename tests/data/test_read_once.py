"""A picture is read once: hash and pixels are of the same bytes, and nothing but a regular file is ever waited for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kenpin.cases.adding import add_pictures
from kenpin.cases.case import EVERY_CASE
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset, content_hash
from kenpin.data.doctor.pictures import look_at
from kenpin.data.duplicates import perceptual_hash
from kenpin.data.images import read_header, read_image, read_picture
from kenpin.data.picture_files import PictureError, hash_of, read_bytes_once
from kenpin.data.reading.pictures import copy_bytes
from kenpin.errors import ImageError
from kenpin.models.networks.feature_store import FeatureStore
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.training import train
from kenpin.training.recording import keep_lineage
from tests.cases.made import RUN
from tests.commands import Run
from tests.pictures import part
from tests.toy_runs import ToyRun

NAMES = 400


@pytest.fixture
def two(tmp_path: Path) -> tuple[bytes, bytes]:
    """The files of a good and of a scratched picture."""
    part(0, scratched=False).save(tmp_path / "good.png")
    part(1, scratched=True).save(tmp_path / "bad.png")
    return (tmp_path / "good.png").read_bytes(), (tmp_path / "bad.png").read_bytes()


def test_pictures_replaced_while_they_are_predicted_are_judged_rightly_afterwards(
    two: tuple[bytes, bytes], toy_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    predictor = load_predictor(toy_run("classifier", tmp_path / "run"))
    # what follows the picture makes each file another content, which may be stored wrongly
    contents = [[picture + bytes([*divmod(number, 256)]) for picture in two] for number in range(NAMES)]
    names = [tmp_path / f"{number}.png" for number in range(NAMES)]
    swaps = {
        hash_of(both[bad]): (name, both[not bad]) for name, both in zip(names, contents, strict=True) for bad in (0, 1)
    }
    asked = FeatureStore.get

    def swapping(store: FeatureStore, digests: Sequence[str]) -> Any:
        """The file is replaced at the worst moment: its hash is known, its pixels are not."""
        for digest in digests:
            name, other = swaps[digest]
            name.with_suffix(".new").write_bytes(other)
            name.with_suffix(".new").replace(name)
        return asked(store, digests)

    def show() -> None:
        for number, (name, both) in enumerate(zip(names, contents, strict=True)):
            name.write_bytes(both[number % 2])

    show()
    with monkeypatch.context() as raced:
        raced.setattr(FeatureStore, "get", swapping)
        list(predictor.predict_files(names))
    show()
    good, bad = (float(one.defect_score or 0) for one in predictor.predict([str(names[0]), str(names[1])]))
    assert abs(good - bad) > 0.01
    quiet = [one.defect_score for one in predictor.predict_files(names)]
    alone = [one.defect_score for one in load_predictor(tmp_path / "run").predict([*two])]
    assert sum(score != pytest.approx(alone[number % 2], abs=1e-4) for number, score in enumerate(quiet)) == 0


def test_a_picture_replaced_while_it_is_added_is_one_case(two: tuple[bytes, bytes], tmp_path: Path) -> None:
    name = tmp_path / "a.png"
    name.write_bytes(two[0])

    def embed(pictures: Dataset) -> Iterator[tuple[list[Example], NDArray[np.float32]]]:
        name.write_bytes(two[1])
        (example,) = pictures
        yield [example], np.asarray(read_image(example.image), np.float32).mean((0, 1))[None]

    pictures = Dataset.from_examples([Example("a", ImageSource(str(name)))])
    ((case, _),) = add_pictures(str(tmp_path / "library"), RUN, pictures, embed, thumbnails=True)
    assert case.id == hash_of(two[0])
    assert case.picture == str(name)
    library = CaseLibrary.open(str(tmp_path / "library"))
    seen = np.asarray(read_image(ImageSource("a", two[0])), np.float32).mean((0, 1))
    (found,) = library.search(seen[None], k=1, among=EVERY_CASE)[0]
    assert found.distance == pytest.approx(0, abs=1e-5)
    shown = read_image(ImageSource("thumbnail", case.thumbnail))
    assert abs(np.asarray(shown, float).mean() - seen.mean()) < 2


def test_what_was_hashed_is_what_is_opened(two: tuple[bytes, bytes], tmp_path: Path) -> None:
    name = tmp_path / "a.png"
    name.write_bytes(two[0])
    pictures = Dataset.from_examples([Example("a", ImageSource(str(name))), Example("b", ImageSource("b", two[0]))])
    (example, in_memory), (chosen,) = pictures, pictures.select([0])
    assert pictures.source_of(example) == example.image, "nobody asked for its hash"
    pictures.contents()
    assert pictures.source_of(example).data == two[0]
    assert pictures.source_of(in_memory) == in_memory.image
    name.write_bytes(two[1])
    for asked in (pictures, pictures.select([0]), pictures.with_splits(["test"] * 2)):
        with pytest.raises(
            PictureError, match=r"a\.png: another picture came under this name .* Start again"
        ) as caught:
            asked.source_of(chosen)
        assert caught.value.code == "image-replaced"
    assert Dataset.from_examples(pictures).source_of(chosen) == chosen.image
    name.unlink()
    with pytest.raises(PictureError, match="no such file"):
        pictures.source_of(chosen)


@pytest.mark.parametrize("seed", [0, 1])
def test_pictures_of_one_id_keep_their_own_hashes_in_every_selection(
    two: tuple[bytes, bytes], seed: int, tmp_path: Path
) -> None:
    for number, content in enumerate(two):
        (tmp_path / f"{number}.png").write_bytes(content)
    same = Dataset.from_examples([Example("a", ImageSource(str(tmp_path / f"{number}.png"))) for number in range(2)])
    for number in (seed, 1 - seed):
        chosen = same.select([number])
        assert chosen.contents() == [hash_of(two[number])]
        assert read_image(chosen.source_of(chosen[0])) == read_image(ImageSource("", two[number]))


@pytest.mark.parametrize("family", ["classifier", "embedder", "mahalanobis"])
@pytest.mark.parametrize("options", [{}, {"workers": 1, "tuning": "full"}], ids=["kept", "each epoch"])
def test_a_picture_replaced_before_it_is_learned_from_is_not_in_the_lineage(
    family: str, options: dict[str, Any], two: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if family == "mahalanobis" and options:
        return
    root = tmp_path / "parts"
    for number in range(24):
        for label in ("good", "bad"):
            (root / "train" / label).mkdir(parents=True, exist_ok=True)
            part(number, scratched=label == "bad").save(root / "train" / label / f"{number}.png")
    asked = keep_lineage

    def replacing(*given: Any) -> None:
        """Another picture comes when all hashes are known, and nothing is learned."""
        asked(*given)
        (root / "train" / "good" / "7.png").write_bytes(two[1])

    monkeypatch.setattr("kenpin.training.job.keep_lineage", replacing)
    labels: dict[str, Any] = {"ok_labels": "good"} if family != "embedder" else {}
    with pytest.raises(ImageError, match=r"7\.png: another picture came under this name while it was being worked on"):
        train(family, data=str(root), out=tmp_path / "run", base="toy", report=False, **labels, **options)
    assert not (tmp_path / "run").exists()


def test_the_doctor_hashes_the_picture_that_it_sees(two: tuple[bytes, bytes], tmp_path: Path) -> None:
    name = tmp_path / "a.png"
    name.write_bytes(two[0])

    def replaced(*_: object) -> None:
        name.write_bytes(two[1])

    _, look = look_at(Example("a", ImageSource(str(name))), replaced)
    assert look.content == hash_of(two[0])
    assert look.perceptual == perceptual_hash(read_image(ImageSource("a", two[0]))).tobytes()


@contextmanager
def in_time(seconds: float = 5) -> Iterator[None]:
    """A hang ends the session, for nothing else can end a read that waits."""
    watch = Timer(seconds, os._exit, [70])
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def no_files(folder: Path) -> list[Path]:
    """A pipe, links to devices, a folder and a link to itself, all named like pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "terminal.png").symlink_to("/dev/tty")
    (folder / "folder.png").mkdir()
    (folder / "loop.png").symlink_to("loop.png")
    return sorted(folder.glob("*.png"))


@pytest.mark.parametrize("opened", [read_bytes_once, read_header, read_picture, content_hash, copy_bytes])
def test_what_is_no_file_is_refused_at_every_entrance(opened: Callable[..., Any], tmp_path: Path) -> None:
    further = [tmp_path / "copy"] if opened is copy_bytes else []
    for path in no_files(tmp_path / "odd"):
        with in_time():
            if opened is content_hash:
                assert content_hash(ImageSource(str(path))) == ""
            else:
                with pytest.raises(PictureError, match=r"this is not a file|cannot be opened"):
                    opened(ImageSource(str(path)), *further)
    assert not any(path.exists() for path in further)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    asked = os.stat

    def replaced(path: Any, **settings: Any) -> os.stat_result:
        found = asked(path, **settings)
        Path(path).unlink()
        os.mkfifo(path)
        return found

    monkeypatch.setattr(os, "stat", replaced)
    with in_time(), pytest.raises(PictureError, match="not a file"):
        read_bytes_once(ImageSource(str(tmp_path / "a.png")))


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "sparse.png", "wb") as file:
        file.truncate(60 * 1024**3)
    with in_time(), pytest.raises(PictureError, match="64,424,509,440 bytes, more than the") as caught:
        read_bytes_once(ImageSource(str(tmp_path / "sparse.png")))
    assert caught.value.code == "image-too-large"
    (tmp_path / "a.png").write_bytes(bytes(11))
    with pytest.raises(PictureError, match="11 bytes, more than the 10 that are read"):
        read_bytes_once(ImageSource(str(tmp_path / "a.png")), 10)


def test_no_command_waits_for_what_is_no_file(kenpin: Run, toy_run: ToyRun, tmp_path: Path) -> None:
    run = toy_run("classifier", tmp_path / "run")
    odd = tmp_path / "data" / "ok"
    for number in range(6):
        for label in ("ok", "scratch"):
            (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
            part(number, scratched=label == "scratch").save(tmp_path / "data" / label / f"{number}.png")
    no_files(odd)
    commands = (
        f"predict {run} {odd / 'pipe.png'} {odd / 'zero.png'} {odd / '0.png'}",
        f"evaluate {run} --data data",
        f"embed {run} data vectors",
        f"cases add library {run} --data data",
        "train classifier --data data --out trained --base toy",
        "convert data converted --to csv",
        "split data parted",
        "doctor data",
    )
    for command in commands:
        with in_time(60):
            status, out, told = kenpin(*command.split())
            told = out + told
        assert status in (1, 2), (command, told)
        assert "this should not have happened" not in told, command
        assert "picture" in told or "file" in told, (command, told)
    assert not (tmp_path / "converted").exists()
    assert not (tmp_path / "parted").exists()
