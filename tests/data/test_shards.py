"""Shards are read in place: the same pictures, annotations and findings as from files, here and behind an address."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kenpin.data import Dataset, load_dataset
from kenpin.data.doctor import examine_dataset
from kenpin.data.files import picture_files
from kenpin.data.images import read_image
from kenpin.data.in_shards import file_of, member_of
from kenpin.data.picture_files import hash_of, read_bytes_once
from kenpin.errors import DatasetError, ImageError, OptionError
from kenpin.records import Finding, ImageSource
from tests.data.shards import object_store, write_parquets, write_tars
from tests.pictures import write_parts

Writes = Callable[[Dataset, Path, int], None]
WRITERS = pytest.mark.parametrize(("name", "write"), [("webdataset", write_tars), ("parquet", write_parquets)])


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = write_parts(tmp_path_factory.mktemp("parts") / "parts", count=12)
    shutil.copy(folder / "ok" / "003.png", folder / "scratch" / "copy.png")
    return load_dataset(folder)


def told(dataset: Dataset) -> list[tuple[object, ...]]:
    """Everything that must be the same, whatever form the pictures lie in."""
    contents = dataset.contents()
    assert all(contents)
    return [(one.id, one.label, one.split, content) for one, content in zip(dataset, contents, strict=True)]


@WRITERS
def test_shards_hold_what_the_files_hold(name: str, write: Writes, parts: Dataset, tmp_path: Path) -> None:
    write(parts, tmp_path / "shards", 7)
    shards = load_dataset(tmp_path / "shards", format=name)
    assert shards.format == name
    assert told(shards) == told(parts)
    assert shards.fingerprint() != parts.fingerprint(), "the attribute"
    assert dict(shards[3].attributes) == {"side": "left"}
    assert {Path(file_of(path or "")).name for path in shards.files()} == {
        path.name for path in (tmp_path / "shards").iterdir()
    }
    assert all(one.image.data is None for one in shards), "no picture is read before it is opened"
    for mine, other in zip(shards, parts, strict=True):
        assert read_image(mine.image).tobytes() == read_image(other.image).tobytes()


@WRITERS
def test_the_doctor_finds_the_same(name: str, write: Writes, parts: Dataset, tmp_path: Path) -> None:
    write(parts, tmp_path / "shards", 7)
    of_shards = examine_dataset(load_dataset(tmp_path / "shards", format=name))
    of_files = examine_dataset(parts)
    assert of_shards.opened == len(parts)
    assert of_files.findings, "else nothing was compared"
    assert [(f.code, f.pictures) for f in of_shards.findings] == [(f.code, f.pictures) for f in of_files.findings]
    assert of_shards.sizes == of_files.sizes


def test_archives_of_samples_are_recognised_and_others_are_not(parts: Dataset, tmp_path: Path) -> None:
    write_tars(parts, tmp_path / "shards", 7)
    assert load_dataset(tmp_path / "shards").format == "webdataset"
    assert load_dataset(tmp_path / "shards" / "00000.tar").format == "webdataset"
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(parts.root, "parts")
    with pytest.raises(DatasetError, match="Unpack it"):
        load_dataset(tmp_path / "other.tar")


@WRITERS
@pytest.mark.parametrize("address", ["s3://lake", "s3://a:b@lake", "gs://anonymous@lake"])
def test_behind_an_address_each_block_is_fetched_once(
    address: str, name: str, write: Writes, parts: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    write(parts, tmp_path / "store" / "lake" / "line 7", 13)
    with object_store(tmp_path / "store") as (settings, asked):
        if address.startswith("gs"):
            settings = settings.replace("region=eu", "retry_limit_seconds=9")
        shards = load_dataset(f"{address}/line 7{settings}")
        listed = asked()
        assert told(shards) == told(parts)
        assert told(shards) == told(parts)
        again = asked()
        assert [read_image(one.image).size for one in shards] == [read_image(one.image).size for one in parts]
        assert asked() == again, "what was fetched is kept for what is read next"
        if name == "webdataset":
            # to open an object of Google's asks for the whole of it, too, of which nothing is read
            ranges = [wanted for _, wanted in again[len(listed) :] if wanted]
            assert len(ranges) == 2, "one block of each of the two shards"


@WRITERS
def test_behind_an_address_of_fsspec(name: str, write: Writes, parts: Dataset, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    write(parts, tmp_path / "shards", 13)
    store = fsspec.filesystem("memory")
    store.put(str(tmp_path / "shards"), "/lake/line 7", recursive=True)
    try:
        shards = load_dataset("memory://lake/line 7")
        assert shards.format == name
        assert told(shards) == told(parts)
        with pytest.raises(OptionError, match=r"nobody://lake.*give s3://, gs:// or a folder"):
            load_dataset("nobody://lake/line 7")
        store.pipe(f"/lake/line 7/x.{'tar' if name == 'webdataset' else name}", b"no shard")
        with pytest.raises(DatasetError, match="Run `kenpin doctor memory://lake/line 7`"):
            load_dataset("memory://lake/line 7")
    finally:
        store.rm("/lake", recursive=True)


def test_what_is_not_there_is_told(parts: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="neither Parquet files nor tar archives"):
        load_dataset(f"file://{tmp_path}")
    with pytest.raises(OptionError, match="formats parquet and webdataset alone"):
        load_dataset(f"file://{tmp_path}", format="coco")
    with pytest.raises(DatasetError, match="cannot be read"):
        load_dataset(f"file://{tmp_path}/nowhere", format="parquet")


@WRITERS
def test_a_shard_that_changed_is_no_picture(name: str, write: Writes, parts: Dataset, tmp_path: Path) -> None:
    write(parts, tmp_path / "shards", 25)
    shards = load_dataset(tmp_path / "shards", format=name)
    (file,) = (tmp_path / "shards").iterdir()
    last = shards[len(shards) - 1].image
    file.unlink()
    with pytest.raises(ImageError, match="in its shard"):
        read_image(last)
    write(parts.select(range(3)), tmp_path / "fewer", 25)
    next((tmp_path / "fewer").iterdir()).rename(file)
    if name == "webdataset":  # the pictures of a row group are kept
        with pytest.raises(ImageError, match="read the data set again"):
            read_image(last)


def test_a_damaged_archive_gives_what_comes_before(parts: Dataset, tmp_path: Path) -> None:
    write_tars(parts, tmp_path / "shards", 25)
    (file,) = (tmp_path / "shards").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    findings: list[Finding] = []
    shards = load_dataset(tmp_path / "shards", format="webdataset", note=findings.append)
    assert 0 < len(shards) < 25
    assert [finding.code for finding in findings] == ["unparsable-file"]


@pytest.mark.parametrize(
    "path", ["a.png", "a::b.png", "a.tar::o1::b.png", "x::g1::y", "::o1+2::a.png", "c:/a::b::c.png"]
)
def test_names_of_files_stay_names_of_files(path: str) -> None:
    assert member_of(path) is None
    assert file_of(path) == path


def test_a_link_to_a_shard_elsewhere_is_left_out(parts: Dataset, tmp_path: Path) -> None:
    write_tars(parts, tmp_path / "elsewhere", 25)
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "00000.tar").symlink_to(tmp_path / "elsewhere" / "00000.tar")
    findings: list[Finding] = []
    assert not len(load_dataset(tmp_path / "shards", format="webdataset", note=findings.append))
    assert "link-outside" in {finding.code for finding in findings}


@WRITERS
def test_pictures_named_by_their_shards(name: str, write: Writes, parts: Dataset, tmp_path: Path) -> None:
    write(parts, tmp_path / "shards", 7)
    named = f"file://{tmp_path}/shards" if name == "parquet" else str(tmp_path / "shards")
    paths = list(picture_files([named, str(tmp_path / "one.png")]))
    assert [hash_of(bytes_at(path)) for path in paths[:-1]] == parts.contents()
    assert paths[-1] == str(tmp_path / "one.png")


def bytes_at(path: str) -> bytes:
    return read_bytes_once(ImageSource(path)).data
