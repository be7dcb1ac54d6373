"""Loading finds the one format or says why not; writing is complete or leaves everything as it was."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.data.formats import folders
from kenpin.data.reading.names import UniqueNames, folder_of_label, label_of_folder, split_name
from kenpin.data.recognising import recognising
from kenpin.errors import DatasetError, LabelError, OptionError, OutputExistsError
from kenpin.records import Detections, Example, ImageSource
from tests.builders import detections, example_at, picture_bytes, write_picture


def names_in(folder: Path) -> list[str]:
    """Everything that lies there, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Two labelled pictures in a folder `source`."""
    examples = [example_at(tmp_path / "source" / f"{i}.png", i, label="ok") for i in range(2)]
    return Dataset.from_examples(examples, root=tmp_path / "source")


def test_a_missing_path(tmp_path: Path) -> None:
    for format in (None, "coco"):
        with pytest.raises(DatasetError, match=r"nowhere: there is no such file or folder\. Correct the path\."):
            load_dataset(tmp_path / "nowhere", format=format)


def test_no_format_or_several(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the folder is empty"):
        load_dataset(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(
        DatasetError, match=r"no format recognises it\. Say which it is with --format, one of chat_jsonl, coco"
    ):
        load_dataset(tmp_path)
    write_picture(tmp_path / "a.png", 1)
    (tmp_path / "list.csv").write_text("path,label\na.png,ok\n")
    (tmp_path / "a.xml").write_text("<annotation/>")
    with pytest.raises(
        DatasetError, match=r"it may be csv \(1 annotated of 1 picture\) or voc \(1 .*\)\. Say which, with --format csv"
    ):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, format="csv")[0].label == "ok"
    with pytest.raises(OptionError, match="`voc`"):
        load_dataset(tmp_path, format="vco")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"path,label\na.png,ok\0\n", "it is not text"),
        (b"a.png,ok\n", "first line holds a picture and no names of columns"),
        (b"photo_of,label\na.png,ok\n", "first line names no column path"),
        (b"path,label,label\na.png,ok,scratch\n", r"list\.csv:1: its first line names the column label more than once"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    write_picture(tmp_path / "a.png", 1)
    (tmp_path / "list.csv").write_bytes(content)
    for place in (tmp_path, tmp_path / "list.csv"):
        with pytest.raises(DatasetError, match=words):
            load_dataset(place)


def test_columns_without_a_name_may_stand_behind_the_others(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    (tmp_path / "list.csv").write_text("path,label,,\na.png,ok,,\n")
    assert load_dataset(tmp_path)[0].label == "ok"


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        (
            "_annotations.coco.json",
            '{"images": [{"id": 1, "file_name": "000.png"}], "annotations": [], "categories": []}',
            "coco",
        ),
        ("_annotations.jsonl", '{"image": "000.png", "suffix": "a<loc_1><loc_2><loc_3><loc_4>"}', "florence2_jsonl"),
        ("list.csv", "path,label\n000.png,ok\n", "csv"),
    ],
)
def test_annotations_behind_many_pictures_are_seen(tmp_path: Path, name: str, content: str, format: str) -> None:
    for number in range(150):
        write_picture(tmp_path / f"{number:03d}.png", 0)
    (tmp_path / name).write_text(content)
    assert load_dataset(tmp_path).format == format


def test_all_formats_look_at_one_listing_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_picture(tmp_path / "ok" / f"{number}.png", number)
    listed: list[str] = []
    scan = os.scandir

    def counted(path: str) -> Any:
        listed.append(str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert recognising(tmp_path) == ["folders"]
    assert listed
    assert len(listed) == len(set(listed))
    (tmp_path / "list.csv").write_text("path,label\nok/0.png,ok\n")
    assert recognising(tmp_path) == ["csv", "folders"], "the next look sees what is new"


def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> Dataset:
        raise PermissionError(13, "Permission denied", "secret.json")

    write_picture(tmp_path / "ok" / "a.png", 1)
    monkeypatch.setattr(folders, "read", denied)
    with pytest.raises(DatasetError, match=r"secret\.json: it cannot be read \(Permission denied\)"):
        load_dataset(tmp_path)


def test_pictures_are_copied_byte_for_byte(tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "source" / "a.jpg", 1)
    picture.write_bytes(picture.read_bytes() + b"trailing bytes that no encoder would keep")
    examples = [
        Example("a", ImageSource(str(picture)), label="ok"),
        Example("b", ImageSource(None, picture_bytes(2, format="WEBP")), label="ok"),
    ]
    write_dataset(Dataset.from_examples(examples), tmp_path / "out", "folders")
    assert (tmp_path / "out" / "ok" / "a.jpg").read_bytes() == picture.read_bytes()
    assert (tmp_path / "out" / "ok" / "b.webp").read_bytes() == picture_bytes(2, format="WEBP")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_nothing_is_overwritten_unasked(tmp_path: Path, data: Dataset, kind: str) -> None:
    target = tmp_path / "out"
    kept = target / "precious.txt" if kind == "folder" else target
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(OutputExistsError, match="already exists"):
        write_dataset(data, target, "folders")
    assert kept.read_text() == "mine"
    write_dataset(data, target, "folders", overwrite=True)
    assert names_in(target) == ["ok"]
    assert names_in(tmp_path) == ["out", "source"]


def test_an_empty_folder_may_be_filled(tmp_path: Path, data: Dataset) -> None:
    (tmp_path / "out").mkdir()
    write_dataset(data, tmp_path / "out", "folders")
    assert len(load_dataset(tmp_path / "out")) == 2


def test_an_interrupted_conversion_leaves_everything_as_it_was(
    tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(data, tmp_path / "out", "folders")

    def interrupted(dataset: Dataset, path: Path) -> None:
        write_picture(path / "half.png", 1)
        raise KeyboardInterrupt

    monkeypatch.setattr(folders, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(data, tmp_path / "out", "folders", overwrite=True)
    assert len(load_dataset(tmp_path / "out")) == 2
    assert names_in(tmp_path) == ["out", "source"]


def test_the_source_is_never_replaced_by_its_own_copy(
    tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target in (tmp_path / "source", tmp_path):
        with pytest.raises(OutputExistsError, match="the data come from this folder"):
            write_dataset(data, target, "folders", overwrite=True)
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    with pytest.raises(OutputExistsError, match="it is the current folder"):
        write_dataset(data, tmp_path / "here", "folders", overwrite=True)
    assert len(load_dataset(tmp_path / "source")) == 2


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"group": "lot 7"}, "groups"),
        ({"boxes": Detections()}, "boxes"),
        ({"suffix": "a crack"}, "answers"),
        ({"attributes": {"line": "3"}}, "further columns"),
    ],
)
def test_a_loss_is_refused_by_name_or_allowed(tmp_path: Path, fields: dict[str, Any], lost: str) -> None:
    data = Dataset.from_examples([example_at(tmp_path / "source" / "a.png", 1, label="ok", **fields)])
    with pytest.raises(DatasetError, match=f"the format folders does not carry {lost}"):
        write_dataset(data, tmp_path / "out", "folders")
    assert not (tmp_path / "out").exists()
    write_dataset(data, tmp_path / "out", "folders", allow_loss=True)
    assert load_dataset(tmp_path / "out")[0].label == "ok"


def test_unused_classes_and_missing_annotations_count_as_losses(tmp_path: Path) -> None:
    examples = [example_at(tmp_path / "a.png", 1, boxes=detections(((1, 2, 9, 5), "void")))]
    with pytest.raises(DatasetError, match="voc does not carry classes"):
        write_dataset(Dataset.from_examples(examples, classes=["unused"]), tmp_path / "out", "voc")
    with pytest.raises(DatasetError, match="coco does not carry which pictures are not annotated"):
        write_dataset(Dataset.from_examples([*examples, example_at(tmp_path / "b.png", 2)]), tmp_path / "out", "coco")


@pytest.mark.parametrize("format", ["voc", "florence2_jsonl", "paligemma_jsonl", "yolo"])
def test_what_would_lose_every_annotation_is_refused_whatever_is_allowed(
    tmp_path: Path, data: Dataset, format: str
) -> None:
    with pytest.raises(
        DatasetError, match=rf"{format} carries none of its annotations \(labels of whole pictures\)\. Choose"
    ) as refused:
        write_dataset(data, tmp_path / "out", format, allow_loss=True)
    assert not (tmp_path / "out").exists()
    named = str(refused.value).rpartition("another format (")[2].removesuffix(").").split(", ")
    for other in ("csv", "folders", "huggingface"):  # others ask for splits, or for grey pictures, and say so
        assert other in named
        write_dataset(data, tmp_path / other, other, allow_loss=True)
        assert sorted(one.label or "" for one in load_dataset(tmp_path / other)) == sorted(
            one.label or "" for one in data
        )


def test_what_no_line_or_folder_can_say_is_refused(tmp_path: Path) -> None:
    both = example_at(tmp_path / "a.png", 1, boxes=Detections(), suffix="a crack")
    with pytest.raises(DatasetError, match="it has boxes and a text"):
        write_dataset(Dataset.from_examples([both]), tmp_path / "out", "florence2_jsonl")
    tokens = example_at(tmp_path / "b.png", 1, suffix="see <loc_1>")
    with pytest.raises(DatasetError, match="location tokens"):
        write_dataset(Dataset.from_examples([tokens]), tmp_path / "out", "paligemma_jsonl")
    unnamed = example_at(tmp_path / "c.png", 1, label="")
    with pytest.raises(LabelError, match="a label is empty"):
        write_dataset(Dataset.from_examples([unnamed]), tmp_path / "out", "folders")
    drawn = example_at(tmp_path / "d.png", 1, split="test", label="crack", boxes=detections(((1, 2, 9, 5), "crack")))
    with pytest.raises(DatasetError, match="boxes are not those of a mask"):
        write_dataset(Dataset.from_examples([drawn]), tmp_path / "out", "mvtec")
    named = example_at(tmp_path / "e.png", 1, attributes={"Image": "7"})
    with pytest.raises(DatasetError, match="attribute 'Image'"):
        write_dataset(Dataset.from_examples([named]), tmp_path / "out", "csv")
    coloured = example_at(tmp_path / "f.png", 1, label="7")
    with pytest.raises(DatasetError, match="its pixels are RGB; IDX holds 8-bit grey"):
        write_dataset(Dataset.from_examples([coloured]), tmp_path / "out", "idx")
    gone = Example("g", ImageSource(str(tmp_path / "gone.png")), label="7")
    for format in ("folders", "huggingface"):
        with pytest.raises(DatasetError, match="there is no such file"):
            write_dataset(Dataset.from_examples([gone]), tmp_path / "out", format)
    assert not (tmp_path / "out").exists()


def test_an_attribute_of_a_later_name_of_a_role_comes_back(tmp_path: Path) -> None:
    attributes = {"Lot": "7", "判定": "ok", "ファイル名": "x"}
    write_dataset(
        Dataset.from_examples([example_at(tmp_path / "a.png", 1, attributes=attributes)]), tmp_path / "o", "csv"
    )
    again = load_dataset(tmp_path / "o")[0]
    assert (again.attributes, again.group, again.label) == (attributes, None, None)


def test_names_never_collide() -> None:
    names = UniqueNames()
    given = [names.take("f", name) for name in ("a.png", "a.png", "A.jpg", "a-2.png", "a.png", ".b.png", "x\\y/z.png")]
    assert given == ["a.png", "a-2.png", "A-3.jpg", "a-2-2.png", "a-4.png", "_b.png", "x_y_z.png"]
    assert names.take("g", "a.png") == "a.png"


def test_equal_names_cost_no_more_than_others() -> None:
    names = UniqueNames()
    assert len({names.take("f", "image.png") for _ in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("train2017", "train"), ("Training", "train"), ("val", "validation"), ("valid", "validation"),
        ("dev", "validation"), ("t10k", "test"), ("testing", "test"), ("trainval", None), ("good", None), ("", None),
    ],
)  # fmt: skip
def test_split_names(text: str, split: str | None) -> None:
    assert split_name(text) == split


@pytest.mark.parametrize("label", ["a", "a/b", "..", ".", "%41", "%", "train", "C:", "a ", "\x00", "不良"])
def test_folder_names_are_reversible_and_fit_everywhere(label: str) -> None:
    name = folder_of_label(label)
    assert label_of_folder(name) == label
    assert not set(name) & set('/\\:*?"<>|\x00')
    assert not name.startswith(".")
    assert split_name(name) is None


@pytest.mark.slow
@pytest.mark.parametrize("format", ["folders", "coco", "yolo", "voc", "csv", "florence2_jsonl"])
def test_reading_grows_with_the_pictures_and_not_faster(tmp_path: Path, format: str) -> None:
    seconds = {}
    for count in (500, 4_000):
        picture = ImageSource("same name.png", picture_bytes(1))
        boxes = None if format in ("folders", "csv") else detections(((1.0, 2.0, 9.0, 5.0), "void"))
        label = "void" if boxes is None else None
        examples = (Example(str(i), picture, label=label, boxes=boxes) for i in range(count))
        target = tmp_path / str(count)
        write_dataset(Dataset.from_examples(examples), target, format)
        load_dataset(target)
        start = time.perf_counter()
        assert len(load_dataset(target)) == count
        seconds[count] = time.perf_counter() - start
    assert seconds[4_000] < 3 * 8 * seconds[500]
