"""Outlines are read from every form of the tools, give the box where none is written, and come back as they were."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from kenpin.data import Dataset, examine, load_dataset, write_dataset
from kenpin.masks import mask_of, outline_of
from kenpin.outlines import Outline, to_coco
from kenpin.records import Finding
from tests.builders import write_mask, write_picture

SIZE_WH = (64, 48)
RECTANGLE = [16.0, 12.0, 48.0, 12.0, 48.0, 36.0, 16.0, 36.0]
MASK = np.zeros((48, 64), bool)
MASK[12:36, 16:48] = True


def boxes(data: Dataset) -> list[tuple[float, ...]]:
    """The only box of each picture."""
    found = [example.boxes for example in data]
    assert all(one is not None and len(one) == 1 for one in found), found
    return [tuple(round(value, 6) for value in one.boxes_xyxy_px[0]) for one in found if one is not None]


def only_outline(data: Dataset, row: int = 0) -> Outline | None:
    found = data[row].boxes
    assert found is not None
    return None if found.outlines is None else found.outlines[0]


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def coco(folder: Path, *annotations: dict[str, object], size_wh: tuple[int, int] = SIZE_WH) -> Path:
    """COCO with a picture for each annotation."""
    images = []
    for number in range(1, len(annotations) + 1):
        write_picture(folder / f"{number}.png", number, size_wh=size_wh)
        images.append({"id": number, "file_name": f"{number}.png", "width": size_wh[0], "height": size_wh[1]})
    filled = [{"id": n, "image_id": n, "category_id": 1, **one} for n, one in enumerate(annotations, start=1)]
    content = {"images": images, "annotations": filled, "categories": [{"id": 1, "name": "scratch"}]}
    write_json(folder / "annotations.json", content)
    return folder


def test_coco_of_outlines_alone(tmp_path: Path) -> None:
    runs = outline_of(MASK)
    assert runs.runs is not None
    data = load_dataset(
        coco(
            tmp_path,
            {"segmentation": [RECTANGLE]},
            {"segmentation": [RECTANGLE], "bbox": None},
            {"segmentation": [RECTANGLE], "bbox": []},
            {"segmentation": {"size": [48, 64], "counts": list(runs.runs)}, "iscrowd": 1},
            {"segmentation": to_coco(runs), "iscrowd": 0},
            {"segmentation": [[4, 4, 10, 4, 10, 9], [30, 20, 40, 20, 40, 30]]},
        )
    )
    assert boxes(data) == [(16, 12, 48, 36)] * 5 + [(4, 4, 40, 30)]
    assert not data.findings
    for row in range(5):
        outline = only_outline(data, row)
        assert outline is not None
        assert (mask_of(outline, SIZE_WH) == MASK).all()
    write_dataset(data, tmp_path / "again", "coco")
    back = load_dataset(tmp_path / "again")
    assert [example.boxes for example in back] == [example.boxes for example in data]
    (written,) = (tmp_path / "again" / "annotations").iterdir()
    assert [one["area"] for one in json.loads(written.read_text())["annotations"]][:5] == [32 * 24] * 5


@pytest.mark.parametrize(
    ("segmentation", "code"),
    [
        ([[1, 2, 3, 4]], "outline-unparsable"),
        ([[1, 2, 3, 4, 5, 6, 7]], "outline-unparsable"),
        ({"size": [48, 64], "counts": [5]}, "outline-unparsable"),
        ({"size": [24, 32], "counts": [24 * 32]}, "mask-size"),
        ({"size": [48, 64], "counts": [48 * 64]}, "empty-mask"),
    ],
)
def test_coco_outlines_that_are_none_are_told_and_the_box_is_kept(
    tmp_path: Path, segmentation: object, code: str
) -> None:
    findings: list[Finding] = []
    folder = coco(tmp_path, {"segmentation": segmentation, "bbox": [16, 12, 32, 24]}, {"segmentation": segmentation})
    data = load_dataset(folder, note=findings.append)
    assert [finding.code for finding in findings] == [code, code, "box-unparsable"]
    assert findings[0].where.endswith("annotations.json: annotation 0")
    assert data[0].boxes is not None
    assert list(data[0].boxes.boxes_xyxy_px) == [(16, 12, 48, 36)]
    assert data[0].boxes.outlines is None


@pytest.mark.parametrize("file", ["instances_default.json", "person_keypoints_default.json"])
def test_coco_of_cvat_has_no_split(tmp_path: Path, file: str) -> None:
    annotation: dict[str, object] = {"bbox": [16, 12, 32, 24], "keypoints": [20, 20, 2], "segmentation": []}
    coco(tmp_path / "images" / "default", *[annotation] * 3)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images" / "default" / "annotations.json").rename(tmp_path / "annotations" / file)
    findings: list[Finding] = []
    data = load_dataset(tmp_path, note=findings.append)
    assert boxes(data) == [(16, 12, 48, 36)] * 3
    assert not data.splits
    assert [(finding.code, finding.severity.value) for finding in findings] == [("key-points-not-read", "info")]
    write_dataset(data, tmp_path / "yolo", "yolo")
    # a split that is called so keeps its name
    write_dataset(data.with_splits(["default"] * 3), tmp_path / "named", "coco")
    assert load_dataset(tmp_path / "named").splits == ("default",)


def test_coco_key_points_beside_the_instances_of_the_same_pictures_are_not_read_twice(tmp_path: Path) -> None:
    coco(tmp_path / "val2017", {"bbox": [16, 12, 32, 24]})
    for name in ("instances", "person_keypoints", "captions"):
        content = json.loads((tmp_path / "val2017" / "annotations.json").read_text())
        write_json(tmp_path / "annotations" / f"{name}_val2017.json", content)
    (tmp_path / "val2017" / "annotations.json").unlink()
    data = load_dataset(tmp_path)
    assert len(data) == 1
    assert data.splits == ("validation",)


CONFIG = "path: .\ntrain: images/train\nnames:\n  0: terminal\n"
BOX_LINE = "0 0.5 0.5 0.5 0.5"  # 16 12 48 36 of 64 by 48


def yolo(folder: Path, *lines: str, config: str | None = CONFIG, pictures: str = "images/train") -> Path:
    """YOLO with a picture for each text of labels."""
    for number, text in enumerate(lines):
        write_picture(folder / pictures / f"{number}.png", number, size_wh=SIZE_WH)
        file = folder / pictures.replace("images", "labels") / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n" if text else "")
    if config is not None:
        (folder / "data.yaml").write_text(config)
    return folder


@pytest.mark.parametrize(
    ("shape", "keys"), [("[3, 2]", "0.4 0.45 0.5 0.5 0.6 0.55"), ("[3, 3]", "0.4 0.45 2 0.5 0.5 2 0.6 0.55 0")]
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_yolo_key_points_are_no_polygons(tmp_path: Path, shape: str, keys: str, is_declared: bool) -> None:
    config = CONFIG + (f"kpt_shape: {shape}\n" if is_declared else "")
    findings: list[Finding] = []
    data = load_dataset(yolo(tmp_path, *[f"{BOX_LINE} {keys}"] * 4, config=config), note=findings.append)
    assert boxes(data) == [(16, 12, 48, 36)] * 4
    assert only_outline(data) is None
    codes = ["key-points-not-read"] if is_declared else ["key-points-guessed", "key-points-not-read"]
    assert [finding.code for finding in findings] == codes
    if not is_declared:
        assert f"kpt_shape: {shape}" in findings[0].remedy, "which settles it"


def test_yolo_polygons_with_a_hole_cut_in_are_kept_as_one(tmp_path: Path) -> None:
    mask = MASK.copy()
    mask[20:24, 20:30] = False
    mask[2:6, 2:9] = True
    data = load_dataset(coco(tmp_path / "coco", {"segmentation": to_coco(outline_of(mask))}))
    write_dataset(data, tmp_path / "yolo", "yolo")
    back = load_dataset(tmp_path / "yolo")
    outline = only_outline(back)
    assert outline is not None
    assert (mask_of(outline, SIZE_WH) == mask).all()
    assert boxes(back) == [(2, 2, 48, 36)]


def test_yolo_boxes_beside_polygons_are_written_as_polygons(tmp_path: Path) -> None:
    triangle = "0 0.1 0.1 0.3 0.1 0.2 0.4"
    data = load_dataset(yolo(tmp_path / "a", f"{triangle}\n{BOX_LINE}", BOX_LINE))
    found = data[0].boxes
    assert found is not None
    assert found.outlines is not None
    assert found.outlines[1] is None
    write_dataset(data, tmp_path / "b", "yolo")
    lines = (tmp_path / "b" / "labels" / "train" / "0.txt").read_text().splitlines()
    assert [len(line.split()) for line in lines] == [7, 9], "other tools take four numbers for two corners there"
    assert len((tmp_path / "b" / "labels" / "train" / "1.txt").read_text().split()) == 5
    back = load_dataset(tmp_path / "b")
    assert [one.boxes and one.boxes.boxes_xyxy_px for one in back] == [
        pytest.approx(np.array(one.boxes.boxes_xyxy_px)) for one in data if one.boxes
    ]


def test_yolo_oriented_boxes_are_told_from_polygons_by_the_whole_data_set(tmp_path: Path) -> None:
    turned = "0 0.5 0.25 0.6875 0.5 0.5 0.75 0.3125 0.5"  # corners 32 12, 44 24, 32 36, 20 24
    quadrangle = "0 0.1 0.1 0.3 0.1 0.2 0.4 0.1 0.3"
    data = load_dataset(yolo(tmp_path / "obb", turned, turned))
    outline = only_outline(data)
    assert outline == Outline(((32, 12, 44, 24, 32, 36, 20, 24),), oriented=True)
    assert boxes(data) == [(20, 12, 44, 36)] * 2
    assert [finding.code for finding in data.findings] == ["oriented-boxes"]
    write_dataset(data, tmp_path / "again", "yolo")
    assert "task: obb" in (tmp_path / "again" / "data.yaml").read_text()
    assert only_outline(load_dataset(tmp_path / "again")) == outline
    for name, lines, config in (
        ("mixed", (turned, quadrangle), CONFIG),
        ("beside boxes", (turned, BOX_LINE), CONFIG),
        ("declared", (turned, turned), CONFIG + "task: segment\n"),
    ):
        outline = only_outline(load_dataset(yolo(tmp_path / name, *lines, config=config)))
        assert outline is not None
        assert not outline.oriented, name
    declared = only_outline(load_dataset(yolo(tmp_path / "quad", quadrangle, config=CONFIG + "task: obb\n")))
    assert declared is not None
    assert declared.oriented


def test_yolo_says_that_regions_of_a_mask_are_polygons(tmp_path: Path) -> None:
    write_picture(tmp_path / "test" / "void" / "0.png", 0, size_wh=SIZE_WH)
    write_picture(tmp_path / "train" / "good" / "0.png", 1)
    write_mask(tmp_path / "ground_truth" / "void" / "0_mask.png", ((16, 12, 48, 36),), size_wh=SIZE_WH)
    write_dataset(load_dataset(tmp_path), tmp_path / "yolo", "yolo", allow_loss=True)
    back = load_dataset(tmp_path / "yolo")
    outline = next(one.boxes.outlines[0] for one in back if one.boxes and one.boxes.outlines)
    assert outline is not None
    assert not outline.oriented


NAMES = "names:\n  0: void\n"


@pytest.mark.parametrize(
    ("config", "listed"),
    [
        ("path: .\ntrain: images\\train\n", None),
        ("path: C:\\Users\\someone\\ds\ntrain: images\\train\n", None),
        ("path: .\ntrain: data/images/train\n", None),
        ("path: .\ntrain: train.txt\n", "data/images/train/{}.png\n"),
        ("path: .\ntrain: train.txt\n", ".\\images\\train\\{}.png\r\n"),
        ("path: .\ntrain:\n- images/train/0.png\n- images/train/1.png\n- images/train/2.png\n", None),
    ],
    ids=["backslash", "drive as path", "data in front", "CVAT's list", "Windows' list", "pictures"],
)
def test_yolo_paths_of_another_machine_are_found(tmp_path: Path, config: str, listed: str | None) -> None:
    yolo(tmp_path, *[BOX_LINE] * 3, config=config + NAMES)
    if listed is not None:
        (tmp_path / "train.txt").write_text("".join(listed.format(number) for number in range(3)))
    data = load_dataset(tmp_path)
    assert data.splits == ("train",)
    assert boxes(data) == [(16, 12, 48, 36)] * 3


def test_yolo_of_a_drive_of_another_machine_is_refused_once_in_one_sentence(tmp_path: Path) -> None:
    config = "train: C:/Users/someone/ds/images/train/\nval: C:/Users/someone/ds/images/val/\n" + NAMES
    findings: list[Finding] = []
    load_dataset(yolo(tmp_path, BOX_LINE, config=config), note=findings.append)
    (missing,) = [finding for finding in findings if finding.severity.value == "error"]
    assert missing.what == "train names 'C:/Users/someone/ds/images/train/', a path of another machine"
    # the remedy works
    (tmp_path / "data.yaml").write_text("train: images/train\n" + NAMES)
    assert boxes(load_dataset(tmp_path)) == [(16, 12, 48, 36)]


@pytest.mark.parametrize("pictures", ["images", "images/train", "train/images", "."])
@pytest.mark.parametrize("is_listed", [True, False])
def test_yolo_without_a_yaml_file(tmp_path: Path, pictures: str, is_listed: bool) -> None:
    yolo(tmp_path, BOX_LINE, "", config=None, pictures=pictures)
    if is_listed:
        (tmp_path / "classes.txt").write_text("void\nscratch\n")
    data = load_dataset(tmp_path)
    assert data.format == "yolo"
    found = data[0].boxes
    assert found is not None
    assert list(found.boxes_xyxy_px) == [(16, 12, 48, 36)]
    assert data.classes == (("void", "scratch") if is_listed else ("0",))
    assert data[0].split == ("train" if "train" in pictures else None)
    assert [finding.code for finding in data.findings if finding.severity.value == "warning"] == (
        [] if is_listed else ["no-class-names"]
    )


def test_darknet_of_cvat(tmp_path: Path) -> None:
    (tmp_path / "obj.data").write_text(
        "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    )
    (tmp_path / "obj.names").write_text("scratch\nvoid\n")
    for n in range(6):
        write_picture(tmp_path / "obj_train_data" / f"frame_{n:06d}.PNG", n, size_wh=SIZE_WH)
        label = f"{n % 2} 0.500000 0.500000 0.500000 0.500000\n" if n < 5 else ""
        (tmp_path / "obj_train_data" / f"frame_{n:06d}.txt").write_text(label)
    (tmp_path / "train.txt").write_text("".join(f"data/obj_train_data/frame_{n:06d}.PNG\n" for n in range(6)))
    data = load_dataset(tmp_path)
    assert data.format == "darknet"
    assert data.classes == ("scratch", "void")
    assert boxes(data.select(range(5))) == [(16, 12, 48, 36)] * 5
    assert [one.boxes.labels for one in data if one.boxes] == [("scratch",), ("void",)] * 2 + [("scratch",)]
    assert data[5].boxes is not None
    assert not len(data[5].boxes)
    assert not [finding for finding in data.findings if finding.severity.value != "info"]


def test_the_doctor_tells_outlines_that_do_not_fit(tmp_path: Path) -> None:
    outside = [-9, 12, 48, 12, 48, 36, -9, 36]
    data = coco(
        tmp_path,
        {"segmentation": [RECTANGLE], "bbox": [16, 12, 32, 24]},
        {"segmentation": [RECTANGLE], "bbox": [1, 2, 32, 24]},
        {"segmentation": [outside], "bbox": [-9, 12, 57, 24]},
    )
    found = [f for f in examine(data).findings if f.code.startswith("outline")]
    assert [(f.code, f.pictures) for f in found] == [
        ("outline-apart", ("2.png",)),
        ("outline-out-of-frame", ("3.png",)),
    ]
    assert "outline 1 (scratch) of 2.png" in found[0].where


def test_yolo_labels_are_found_by_composed_names(tmp_path: Path) -> None:
    """macOS decomposes the names of files; the tool that wrote the labels composed them."""
    stems = ("バリ_ガ", "한글부품", "Prüfling", "ABC")
    for number, stem in enumerate(stems):
        write_picture(tmp_path / "images" / f"{unicodedata.normalize('NFD', stem).lower()}.jpg", number)
        label = tmp_path / "labels" / f"{unicodedata.normalize('NFC', stem)}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("0 .5 .5 .5 .5\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [void]\n")
    data = load_dataset(tmp_path)
    assert [len(example.boxes or ()) for example in data] == [1, 1, 1, 1]
    assert not data.findings
