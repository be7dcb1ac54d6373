"""What is given as a data set and is none: one sentence that says what it is and what to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.data.loading import load_dataset
from kenpin.errors import DatasetError
from tests.pictures import part, write_parts


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("parts.zip", "it is an archive. Unpack it: `kenpin convert {path} OUT`."),
        ("parts.tar.gz", "it is an archive. Unpack it: `kenpin convert {path} OUT`."),
        ("parts.7z", "it is an archive that is not unpacked. Unpack it, and give the folder."),
        ("line.MP4", "it is a video. Write its frames as pictures: `kenpin convert {path} OUT --every 0.5`."),
        ("part.psd", "it is a Photoshop file. Export it as PNG."),
        ("notes.odt", "no format recognises it"),
    ],
)
def test_a_file_is_called_what_it_is(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"\0" * 50)
    with pytest.raises(DatasetError) as refused:
        load_dataset(tmp_path / name)
    assert str(refused.value).startswith(f"{tmp_path / name}: {words.format(path=tmp_path / name)}")


def test_a_picture_names_its_folder(tmp_path: Path) -> None:
    part(0, scratched=False).save(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=f"it is one picture, .* such as {tmp_path}"):
        load_dataset(tmp_path / "a.png")


def test_the_only_data_set_in_a_folder_is_found_and_of_several_one_is_asked_for(tmp_path: Path) -> None:
    write_parts(tmp_path / "a" / "b" / "parts", count=1)
    inner = load_dataset(tmp_path)
    assert Path(inner.root) == tmp_path / "a" / "b" / "parts"
    assert [finding.code for finding in inner.findings] == ["folder-in-folder"]
    write_parts(tmp_path / "c" / "d" / "parts", count=1)
    with pytest.raises(DatasetError, match=r"it holds 2 data sets: a/b/parts, c/d/parts. Name one of them"):
        load_dataset(tmp_path)


def test_a_folder_of_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    with pytest.raises(DatasetError, match="no format recognises it"):
        load_dataset(tmp_path)


def test_a_run_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text("{}", "utf-8")
    with pytest.raises(DatasetError, match="it is a run, and a data set is needed here"):
        load_dataset(tmp_path / "run")
