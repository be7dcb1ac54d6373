"""Every format obeys the protocol, and what it carries comes back from it as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import example as given_also
from hypothesis import strategies as st

from kenpin.boxes import dequantise, quantise
from kenpin.codecs import florence2, paligemma
from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.data.dataset import content_hash
from kenpin.data.formats import CARRIABLE, format_names, get_format
from kenpin.data.loading import holdings
from kenpin.errors import DatasetError, LabelError, OptionError
from kenpin.outlines import Outline
from kenpin.records import Detections, Example, Finding, ImageSource
from tests.builders import ODD_LABELS, detections, example_at, picture_bytes, write_mask

SIZE_WH = (32, 20)
BINS = {"florence2_jsonl": florence2.BINS, "paligemma_jsonl": paligemma.BINS}
WRITTEN = [name for name in format_names() if get_format(name).CARRIES]
OF_PICTURES = [name for name in WRITTEN if "items" not in get_format(name).CARRIES]
WITH_BOXES = [name for name in format_names() if "boxes" in get_format(name).CARRIES and name != "mvtec"]
WITH_LABELS = [name for name in OF_PICTURES if "label" in get_format(name).CARRIES]
# x1 y1 x2 y2 with four different numbers, off the diagonal: any other order gives another box
BOXES = detections(((3.0, 11.0, 7.5, 19.0), "不良"), ((16.0, 0.25, 31.0, 2.0), "solder-bridge"))

OUTLINES = (Outline(((3, 11, 7.5, 12, 4, 19),)), Outline(((16.0, 0.25, 31.0, 0.25, 31.0, 2.0, 16.0, 2.0),)))


def full_data(folder: Path, name: str) -> Dataset:
    """A data set with everything that a format carries."""
    if name == "mvtec":
        return _mvtec_data(folder)
    carries = get_format(name).CARRIES
    annotations: list[dict[str, Any]] = [
        {
            "split": "train",
            "label": "不良",
            "boxes": replace(BOXES, outlines=OUTLINES),
            "group": "lot 7",
            "attributes": {"line": "3", "湿度": "a,b"},
        },
        {"split": "train", "label": "a, b", "boxes": replace(BOXES, crowd=(False, True)), "prefix": "<OD>"},
        {"split": "validation", "label": 'it\'s "bad"', "boxes": Detections(), "group": "lot 8"},
        {"split": "test", "label": "C1.2 (void)", "boxes": Detections() if "unannotated" not in carries else None},
        {"split": "test", "label": "不良", "boxes": replace(BOXES, segments=("", "".join(["<seg012>"] * 16)))},
        {"split": "test", "label": "不良", "suffix": "a crack; left", "prefix": "what is wrong?"},
    ]
    examples = []
    for seed, fields in enumerate(annotations):
        kept = {key: value for key, value in fields.items() if key in carries}
        if (found := kept.get("boxes")) is not None:
            kept["boxes"] = Detections(
                found.boxes_xyxy_px,
                found.labels,
                segments=found.segments if "segments" in carries else None,
                crowd=found.crowd if "crowd" in carries else None,
                outlines=found.outlines if "outlines" in carries else None,
            )
        if "boxes" in carries and "unannotated" not in carries:
            kept.setdefault("boxes", Detections())
        # the same file name in two folders: neither may overwrite the other
        path = folder / f"from {seed}" / f"{min(seed, 4)}.png"
        examples.append(example_at(path, seed, grey=name == "idx", **kept))
    classes = ("unused", "不良", "solder-bridge") if "classes" in carries else ()
    return Dataset.from_examples(examples, classes=classes, root=folder)


def _mvtec_data(folder: Path) -> Dataset:
    mask = write_mask(folder / "mask.png", ((3, 11, 7, 19), (16, 1, 31, 2)))
    boxes = detections(((16.0, 1.0, 31.0, 2.0), "不良"), ((3.0, 11.0, 7.0, 19.0), "不良"))
    return Dataset.from_examples(
        [
            example_at(folder / "a" / "0.png", 0, split="train", label="good", boxes=Detections()),
            example_at(folder / "b" / "0.png", 1, split="test", label="不良", boxes=boxes, mask=str(mask)),
            example_at(folder / "c" / "0.jpg", 2, split="test", label="good", boxes=Detections()),
            example_at(folder / "d" / "0.png", 3, split="test", label="in/out"),
        ],
        classes=("good", "unused"),
        root=folder,
    )


@dataclass(frozen=True)
class Facts:
    """What is known of one picture, in a form that can be compared."""

    split: str | None
    label: str | None
    boxes: tuple[tuple[float, ...], ...] | None
    box_labels: tuple[str, ...] | None
    segments: tuple[str, ...] | None
    crowd: tuple[bool, ...] | None
    outlines: tuple[Outline | None, ...] | None
    group: str | None
    prefix: str | None
    suffix: str | None
    mask: str | None
    attributes: Mapping[str, str]


def rounded(outline: Outline | None) -> Outline | None:
    """Corners rounded to a millionth of a pixel."""
    if outline is None:
        return None
    return replace(outline, rings=tuple(tuple(round(value, 6) for value in ring) for ring in outline.rings))


def facts(dataset: Dataset) -> dict[str, Facts]:
    """Facts by the hash of the picture's bytes, which every format keeps. Boxes rounded to a millionth of a pixel."""
    found = {}
    for example in dataset:
        boxes = example.boxes
        found[content_hash(example.image)] = Facts(
            example.split,
            example.label,
            None if boxes is None else tuple(tuple(round(v, 6) for v in box) for box in boxes.boxes_xyxy_px),
            None if boxes is None else boxes.labels,
            None if boxes is None else boxes.segments,
            None if boxes is None else boxes.crowd,
            None if boxes is None or boxes.outlines is None else tuple(map(rounded, boxes.outlines)),
            example.group,
            example.prefix,
            example.suffix,
            None if example.mask is None else content_hash(ImageSource(example.mask)),
            example.attributes,
        )
    assert len(found) == len(dataset)
    return found


def quantised(dataset: Dataset, bins: int) -> Dataset:
    """The same data with its boxes at the centres of their bins, and the instruction that a writer adds."""

    def moved(example: Example) -> Example:
        if example.boxes is None:
            return example
        boxes = dequantise(quantise(example.boxes.boxes_xyxy_px, SIZE_WH, bins), SIZE_WH, bins).tolist()
        return replace(example, boxes=replace(example.boxes, boxes_xyxy_px=tuple(tuple(b) for b in boxes)))

    return Dataset.from_examples(map(moved, dataset), classes=dataset.declared_classes)


def without_prefix(found: dict[str, Facts]) -> dict[str, Facts]:
    return {key: replace(value, prefix=None) for key, value in found.items()}


@pytest.mark.parametrize("name", format_names())
def test_obeys_the_protocol(name: str) -> None:
    data_format = get_format(name)
    assert data_format.SUMMARY.strip()
    assert "\n" not in data_format.SUMMARY
    assert isinstance(data_format.CARRIES, frozenset)
    assert data_format.CARRIES <= CARRIABLE
    assert not data_format.recognises(Path("no such folder"))
    for function in (data_format.recognises, data_format.read, data_format.write):
        assert function.__doc__


def test_shared_parts_are_no_formats() -> None:
    assert {"coco", "csv", "florence2_jsonl", "folders", "huggingface"} <= set(format_names())
    assert {"idx", "items", "mvtec", "paligemma_jsonl", "voc", "yolo"} <= set(format_names())
    assert not any(name.startswith("_") for name in format_names())


def test_an_unknown_format_is_refused_with_the_nearest() -> None:
    with pytest.raises(OptionError, match="`yolo`"):
        get_format("yolov8")


@pytest.mark.parametrize("name", OF_PICTURES)
def test_everything_carried_comes_back(name: str, tmp_path: Path) -> None:
    data = full_data(tmp_path / "source", name)
    carries = get_format(name).CARRIES
    held = holdings(data) if "boxes" in carries else holdings(data) - {"unannotated"}
    # of a data set in YOLO's form, all outlines are oriented boxes or none is; those of MVTec come back as masks
    assert held == carries - {"oriented"} - ({"outlines"} if name == "mvtec" else set()), (
        "the sample holds everything that the format carries"
    )
    write_dataset(data, tmp_path / "out", name)
    back = load_dataset(tmp_path / "out")
    assert back.format == name, "recognised without being told"
    if name in BINS:
        assert without_prefix(facts(back)) == without_prefix(facts(quantised(data, BINS[name])))
        write_dataset(back, tmp_path / "again", name)
        assert facts(load_dataset(tmp_path / "again")) == facts(back), "exact from the second writing on"
    else:
        assert facts(back) == facts(data)
    assert set(back.classes) == set(data.classes)
    if "classes" in carries and name not in ("folders", "mvtec"):
        assert back.classes == data.classes, "in the declared order"


@pytest.mark.parametrize("name", OF_PICTURES)
def test_ids_and_findings_are_stable(name: str, tmp_path: Path) -> None:
    write_dataset(full_data(tmp_path / "source", name), tmp_path / "out", name)
    findings: list[Finding] = []
    first = load_dataset(tmp_path / "out", note=findings.append)
    # the sample for mvtec has a defective picture without a mask, which is told
    assert [finding.code for finding in findings] == (["missing-file"] if name == "mvtec" else [])
    write_dataset(first, tmp_path / "again", name)
    assert sorted(load_dataset(tmp_path / "again").column("id")) == sorted(first.column("id"))
    assert len(set(first.column("id"))) == len(first)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_prefixes_are_kept(name: str, tmp_path: Path) -> None:
    if "prefix" not in get_format(name).CARRIES:
        return
    data = full_data(tmp_path / "source", name)
    write_dataset(data, tmp_path / "out", name)
    kept = {value.prefix for value in facts(load_dataset(tmp_path / "out")).values()}
    assert kept >= {"<OD>", "what is wrong?"}


@pytest.mark.parametrize("name", OF_PICTURES)
def test_a_data_set_without_splits(name: str, tmp_path: Path) -> None:
    if name == "mvtec":  # its layout cannot say so, and refuses
        with pytest.raises(DatasetError, match="needs a label and the split"):
            write_dataset(full_data(tmp_path, name).with_splits([None] * 4), tmp_path / "out", name)
        return
    data = full_data(tmp_path / "source", name)
    data = data.with_splits([None] * len(data))
    write_dataset(data, tmp_path / "out", name)
    assert load_dataset(tmp_path / "out").column("split") == [None] * len(data)


@pytest.mark.parametrize("name", ["chat_jsonl", "coco", "csv", "florence2_jsonl", "huggingface", "paligemma_jsonl"])
def test_any_split_name_or_none(name: str, tmp_path: Path) -> None:
    data = full_data(tmp_path / "source", name)
    splits = [None, "train", "lot 7/8", "val", "検査", None]
    write_dataset(data.with_splits(splits), tmp_path / "out", name)
    found = set(load_dataset(tmp_path / "out").column("split"))
    # the formats that write names into cells read `val` as what it means
    assert found == {None, "train", "lot 7/8", "検査", "validation" if name in ("csv", "huggingface") else "val"}


@pytest.mark.parametrize("name", ["darknet", "folders", "idx", "mvtec", "voc", "yolo"])
def test_a_split_without_a_place_is_refused(name: str, tmp_path: Path) -> None:
    data = full_data(tmp_path / "source", name)
    with pytest.raises(DatasetError, match="holdout"):
        write_dataset(data.with_splits(["holdout"] * len(data)), tmp_path / "out", name)


@pytest.mark.parametrize("name", WITH_LABELS)
def test_odd_labels_of_pictures(name: str, tmp_path: Path) -> None:
    examples = [
        example_at(tmp_path / f"{seed}.png", seed, split="test", label=label, grey=True)
        for seed, label in enumerate(ODD_LABELS)
    ]
    data = Dataset.from_examples(examples)
    write_dataset(data, tmp_path / "out", name)
    assert facts(load_dataset(tmp_path / "out")) == facts(data)


@pytest.mark.parametrize("name", WITH_BOXES)
def test_odd_labels_of_boxes(name: str, tmp_path: Path) -> None:
    box = (4.0, 10.0, 30.0, 12.0)
    data = Dataset.from_examples(
        [example_at(tmp_path / "0.png", 0, boxes=detections(*((box, label) for label in ODD_LABELS)))]
    )
    write_dataset(data, tmp_path / "out", name)
    found = load_dataset(tmp_path / "out", format=name)[0].boxes
    assert found is not None
    assert found.labels == ODD_LABELS


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("name", OF_PICTURES)
@given_also(label="\x85")  # to YAML a line break
@given_also(label="a\r\nb")
@given(label=st.text(st.characters(codec="utf-8"), min_size=1, max_size=90))
def test_any_label_survives_or_is_refused_by_name(name: str, label: str) -> None:
    with TemporaryDirectory() as folder:
        fields: dict[str, object] = (
            {"label": label} if name in WITH_LABELS else {"boxes": detections(((1, 2, 9, 5), label))}
        )
        picture = ImageSource("a.png", picture_bytes(1, mode="L"))
        data = Dataset.from_examples([Example("a", picture, split="test", **fields)])  # type: ignore[arg-type]
        try:
            write_dataset(data, Path(folder, "out"), name, allow_loss=True)
        except LabelError as refusal:
            assert repr(label) in str(refusal)  # noqa: PT017 (either outcome is right, but nothing in between)
        else:
            assert load_dataset(Path(folder, "out"), format=name).classes[-1] == label


@pytest.mark.parametrize("name", WITH_BOXES)
def test_boxes_that_nobody_would_draw_are_kept_as_they_stand(name: str, tmp_path: Path) -> None:
    if name in BINS:
        return  # bins cannot say them
    odd = detections(
        ((-4.0, 2.0, 90.0, 5.0), "out"), ((9.0, 8.0, 3.0, 2.0), "inverted"), ((5.0, 5.0, 5.0, 5.0), "empty")
    )
    if name == "labelme":  # a rectangle begins at the corner where somebody pressed the button
        odd = detections(((-4.0, 2.0, 90.0, 5.0), "out"), ((5.0, 5.0, 5.0, 5.0), "empty"))
    data = Dataset.from_examples([example_at(tmp_path / "0.png", 0, boxes=odd)])
    write_dataset(data, tmp_path / "out", name)
    assert facts(load_dataset(tmp_path / "out")) == facts(data)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_an_empty_data_set(name: str, tmp_path: Path) -> None:
    write_dataset(Dataset.from_examples([]), tmp_path / "out", name)
    assert (tmp_path / "out").is_dir()
    findings: list[object] = []
    assert len(load_dataset(tmp_path / "out", format=name, note=findings.append)) == 0
