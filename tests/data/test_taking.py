"""What is in memory becomes the data set that the same content becomes when it is read from disk."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pytest
from PIL import Image

import kenpin
from kenpin.data.dataset import Dataset
from kenpin.data.images import png_of, read_image
from kenpin.data.loading import as_dataset, load_dataset, write_dataset
from kenpin.errors import DatasetError, ImageError, OptionError
from kenpin.records import Example, Finding, ImageSource, Severity
from tests.objects import made_objects
from tests.tables import ITEMS, write_table

DRAW = np.random.default_rng(0)
COLOURS = DRAW.integers(0, 256, (9, 12, 3), np.uint8)
GREYS = COLOURS[:, :, 0]


def _content(dataset: Dataset) -> list[Example]:
    """The examples without what tells where they were read."""
    return [replace(example, origin="", image=ImageSource(data=example.image.data)) for example in dataset]


def _files(folder: Path, *names: str) -> list[Path]:
    for number, name in enumerate(names):
        Image.fromarray(np.roll(COLOURS, number, 0)).save(folder / name)
    return [folder / name for name in names]


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _with_palette() -> Image.Image:
    image = Image.fromarray(COLOURS).quantize(8)
    image.info["transparency"] = 3
    return image


STORED = {
    "colour": (Image.fromarray(COLOURS), "PNG", {}),
    "grey": (Image.fromarray(GREYS), "PNG", {}),
    "deep grey": (Image.fromarray(GREYS.astype(np.uint16) * 200), "PNG", {}),
    "deep grey TIFF": (Image.fromarray(GREYS.astype(np.uint16) * 200), "TIFF", {}),
    "deep PPM": (Image.fromarray(GREYS.astype(np.uint16) * 200), "PPM", {}),
    "bits": (Image.fromarray(GREYS > 128), "PNG", {}),
    "opacity": (Image.fromarray(np.dstack([COLOURS, GREYS])), "PNG", {}),
    "grey with opacity": (Image.fromarray(np.dstack([GREYS, GREYS]), "LA"), "PNG", {}),
    "transparent palette": (_with_palette(), "PNG", {}),
    "print colours": (Image.fromarray(COLOURS).convert("CMYK"), "JPEG", {}),
    **{f"JPEG turned {turn}": (Image.fromarray(COLOURS), "JPEG", {"exif": _exif(turn)}) for turn in (3, 6, 7)},
    "PNG turned": (Image.fromarray(COLOURS), "PNG", {"exif": _exif(6)}),
    "TIFF turned": (Image.fromarray(COLOURS), "TIFF", {"exif": _exif(6)}),
}


@pytest.mark.parametrize(("image", "format", "settings"), STORED.values(), ids=STORED)
@pytest.mark.parametrize("opened", ["lazily", "already decoded"])
def test_a_picture_in_memory_is_what_its_file_is(
    image: Image.Image, format: str, settings: dict[str, Any], opened: str
) -> None:
    file = BytesIO()
    image.save(file, format, **settings)
    of_file = read_image(ImageSource(data=file.getvalue()))
    in_memory = Image.open(BytesIO(file.getvalue()))
    if opened == "already decoded":
        in_memory.load()
    of_memory = read_image(ImageSource(data=png_of(in_memory, "it")))
    assert of_memory.size == of_file.size
    assert np.array_equal(np.asarray(of_memory), np.asarray(of_file))


@pytest.mark.parametrize(
    "array", [GREYS, GREYS[:, :, None], COLOURS, np.dstack([COLOURS, np.full_like(GREYS, 255)]), COLOURS[::-1, ::-1]]
)
def test_an_array_is_its_pixels(array: np.ndarray[Any, Any]) -> None:
    pixels = array if array.ndim == 3 else array[:, :, None]
    shown = np.asarray(read_image(ImageSource(data=png_of(array, "it"))))
    assert np.array_equal(shown, np.broadcast_to(pixels[:, :, :3], (9, 12, 3)))


def test_deep_grey_is_scaled_by_its_full_range() -> None:
    shown = read_image(ImageSource(data=png_of(np.array([[0, 32768, 65535]], np.uint16), "it")))
    assert np.asarray(shown)[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (COLOURS / 255, r"array of float64 and shape \(9, 12, 3\) is not a picture\. Give uint8"),
        (COLOURS.transpose(2, 0, 1), r"shape \(3, 9, 12\)"),
        (COLOURS.astype(np.uint16), "array of uint16"),
        (COLOURS[:0], "is not a picture"),
        (Image.fromarray(GREYS.astype(np.float32)), "no white"),
        (Image.fromarray(GREYS.astype(np.int32)), "no white"),
    ],
)
def test_pixels_without_a_white_are_refused(picture: Any, said: str) -> None:
    with pytest.raises(ImageError, match=said) as refusal:
        load_dataset([picture])
    assert str(refusal.value).startswith("picture/000000: ")


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(ImageError, match="12 × 9 pixels, more than the 100"):
        png_of(COLOURS, "it", max_pixels=100)


def test_pictures_are_called_by_path_or_number(tmp_path: Path) -> None:
    first, second = _files(tmp_path, "a.png", "b.png")
    image = Image.open(second)
    found = load_dataset(iter([first, (str(second), "ng"), (image, 3), GREYS, (first.read_bytes(), None), first]))
    names = [str(first), str(second), "picture/000002", "picture/000003", "picture/000004", f"{first}#2"]
    assert found.column("id") == names
    assert found.column("label") == [None, "ng", "3", None, None, None]
    assert found[4].image.data == first.read_bytes()
    assert found[0].image == ImageSource(str(first))


def test_a_frame_means_what_a_csv_file_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _files(tmp_path, "a.png", "b.png", "c.png")
    monkeypatch.chdir(tmp_path)
    frame = pandas.DataFrame(
        {
            "Path": ["a.png", "b.png", "c.png"],
            "label": ["ok", None, "ng"],
            "lot": [7, 7, 8],
            "split": ["train", "train", "val"],
            "operator": ["Mori", "Sato", None],
        }
    )
    frame.to_csv("data.csv", index=False)
    read = load_dataset("data.csv")
    assert len(read) == 3
    assert _content(load_dataset(frame)) == _content(read)
    kinds = frame.assign(Path=[Path(name) for name in frame["Path"]], label=pandas.Categorical(frame["label"]))
    assert _content(load_dataset(kinds)) == _content(read)
    assert _content(load_dataset(frame[frame["lot"] == 8])) == _content(read)[2:]  # its index is no column


def test_a_frame_of_numbers_is_a_table_of_items(tmp_path: Path) -> None:
    file = write_table(tmp_path / "parts.csv", good=20, bad=5)
    frame, read = pandas.read_csv(file), load_dataset(file)
    found = load_dataset(frame)
    assert found.item_names == read.item_names == ITEMS
    assert _content(found) == _content(read)
    assert found.root == ""


@pytest.mark.parametrize("kind", ["boxes", "answers"])
def test_hugging_face_data_means_what_it_means_on_disk(tmp_path: Path, kind: str) -> None:
    made: Any = made_objects(4)
    if kind == "answers":
        made = Dataset.from_examples(
            replace(example, boxes=None, prefix="what is it?", suffix=f"part {n}") for n, example in enumerate(made)
        )
    write_dataset({"train": made.select([0, 1, 2]), "valid": made.select([3])}, tmp_path / "saved", "huggingface")
    loaded = datasets.load_from_disk(str(tmp_path / "saved"))
    assert set(loaded) == {"train", "validation"}
    read, found = load_dataset(tmp_path / "saved"), load_dataset(loaded)
    assert _content(found) == _content(read)
    assert found.classes == read.classes
    chosen = loaded["train"].select([2, 0])  # an index over the table, which stays as it is
    assert _content(load_dataset({"train": chosen})) == [_content(read)[2], _content(read)[0]]


def test_a_literal_response_is_read(tmp_path: Path) -> None:
    (path,) = _files(tmp_path, "a.png")
    table = datasets.Dataset.from_dict(
        {"image": [str(path)], "response": ["{'bboxes': [[1, 2, 5, 7]], 'labels': ['void']}"]}
    ).cast_column("image", datasets.Image())
    boxes = load_dataset(table)[0].boxes
    assert boxes is not None
    assert (boxes.boxes_xyxy_px, boxes.labels) == (((1, 2, 5, 7),), ("void",))


def test_rows_of_one_picture_have_ids_of_their_own(tmp_path: Path) -> None:
    (path,) = _files(tmp_path, "a.png")
    ids = load_dataset(pandas.DataFrame({"image": [path, path]})).column("id")
    assert ids[0] == str(path)
    assert len(set(ids)) == 2


def test_a_dict_names_the_splits(tmp_path: Path) -> None:
    paths = _files(tmp_path, "a.png", "b.png")
    parts = {"training": [(path, "ok") for path in paths], "val": load_dataset([(COLOURS, "ng")]), "x": [(GREYS, "ok")]}
    found = load_dataset(parts)
    assert found.column("split") == ["train", "train", "validation", "x"]
    assert found.column("label") == ["ok", "ok", "ng", "ok"]
    assert found.column("id") == [
        f"train/{paths[0]}",
        f"train/{paths[1]}",
        "validation/picture/000000",
        "x/picture/000000",
    ]
    assert load_dataset({"a": [paths[0]], "b": [paths[1]]}).column("id") == [str(path) for path in paths]


def test_declared_classes_survive_a_dict() -> None:
    few = made_objects(1)
    assert few.declared_classes
    assert as_dataset({"train": few, "test": few}).declared_classes == few.declared_classes


def test_folders_in_a_dict_keep_their_root(parts: Path) -> None:
    found = load_dataset({"train": parts / "ok", "test": str(parts / "scratch")})
    assert (Path(found.root), len(found), found.splits) == (parts, 120, ("test", "train"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "type int cannot be read as a data set; give a path or hub id, a list of pictures"),
        (None, "type NoneType"),
        (b"\x89PNG", "one picture cannot be read as a data set"),
        (Image.new("L", (3, 3)), "one picture cannot be read as a data set"),
        ({}, "a dict without splits"),
        ([{"image": "a.png"}], "item 0 of the list: type dict cannot be read as a picture"),
        (pandas.DataFrame({"image": [Image.new("L", (3, 3))]}), "frame cannot be read as a table .* column image"),
        (pandas.DataFrame({"image": ["gone.png"]}), "row 0: its picture 'gone.png' is missing"),
        (pandas.DataFrame({"name": ["a"]}), "no column holds numbers"),
        (pandas.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "column 'a' more than once"),
        (pandas.DataFrame({"a": [1.0, float("nan")]}), "row 1: item a is empty"),
        ({"train": [COLOURS], "test": pandas.DataFrame({"a": [1.0]})}, "the splits do not hold the same"),
        (datasets.Dataset.from_dict({"a": [1]}).to_iterable_dataset(), "streaming=True"),
    ],
)
def test_what_is_no_data_set_is_told_in_a_sentence(given: Any, said: str) -> None:
    with pytest.raises(DatasetError, match=said) as refusal:
        load_dataset(given)
    assert "\n" not in str(refusal.value)


def test_a_format_is_of_files() -> None:
    with pytest.raises(OptionError, match="option `format`: 'coco' is of a file"):
        load_dataset([COLOURS], format="coco")


def test_what_a_reader_finds_stays_with_its_data(tmp_path: Path) -> None:
    _files(tmp_path, "a.png", "orphan.png")
    (tmp_path / "data.csv").write_text("path,label\na.png,ok\n", "utf-8")
    read = load_dataset(tmp_path / "data.csv")
    assert [finding.code for finding in read.findings] == ["orphan-image"]
    assert read.select([0]).findings == read.findings
    assert as_dataset({"train": read}).findings == read.findings
    assert "orphan-image" in {finding.code for finding in kenpin.examine(read).findings}
    told: list[Finding] = []
    frame = pandas.DataFrame({"path": [tmp_path / "a.png", "gone.png"], "label": "ok"})
    some = load_dataset(frame, note=told.append)
    assert (len(some), [finding.severity for finding in told]) == (1, [Severity.ERROR])
    assert some.findings == tuple(told)
