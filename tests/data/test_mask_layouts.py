"""Published layouts of pictures with masks: masks are never pictures or classes, labels and splits are the layout's."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.errors import DatasetError
from kenpin.records import Finding
from tests.builders import write_mask, write_picture

SIZE_WH = (64, 48)
BOX = (16, 12, 48, 36)


def picture(path: Path) -> None:
    write_picture(path, abs(hash(path)) % 10_000, size_wh=SIZE_WH)


def mask(path: Path, value: int = 255, box: tuple[int, int, int, int] = BOX) -> None:
    write_mask(path, (box,), size_wh=SIZE_WH)
    Image.fromarray(np.asarray(Image.open(path)) // 255 * np.uint8(value)).save(path)


def counted(data: Dataset) -> Counter[tuple[str | None, str | None, int | None]]:
    """How many pictures have a label, a split and a number of boxes, each of which is the mask's."""
    for example in data:
        assert example.boxes is None or set(example.boxes.boxes_xyxy_px) <= {BOX}, example
    return Counter((one.label, one.split, None if one.boxes is None else len(one.boxes)) for one in data)


def no_trouble(data: Dataset) -> bool:
    return not [finding for finding in data.findings if finding.severity.value != "info"]


def test_folders_of_anomalib(tmp_path: Path) -> None:
    for k in range(3):
        picture(tmp_path / "train/normal/images" / f"{k:03d}.tif")
        picture(tmp_path / "test/normal/images" / f"{k:03d}.tif")
        picture(tmp_path / "test/anomalous/images" / f"{k:03d}.tif")
        mask(tmp_path / "test/anomalous/masks" / f"{k:03d}.tif")
    data = load_dataset(tmp_path)
    assert counted(data) == {("normal", "train", 0): 3, ("normal", "test", 0): 3, ("anomalous", "test", 1): 3}
    assert data.classes == ("normal", "anomalous")
    assert no_trouble(data)


@pytest.mark.parametrize(
    ("images", "masks"), [("images", "masks"), ("images/train", "masks/train"), ("train/images", "train/ground_truth")]
)
def test_masks_of_equal_names_say_what_is_defective(tmp_path: Path, images: str, masks: str) -> None:
    for k in range(4):
        picture(tmp_path / images / f"{k}.jpg")
        mask(tmp_path / masks / f"{k}.png", value=k % 2)
    mask(tmp_path / masks / "left.png")
    data = load_dataset(tmp_path)
    split = "train" if "train" in images else None
    assert counted(data) == {("good", split, 0): 2, ("defective", split, 1): 2}
    assert [finding.code for finding in data.findings] == ["orphan-annotation"]


@pytest.mark.parametrize("root", [".", "pcb9"])
def test_visa(tmp_path: Path, root: str) -> None:
    rows, splits = ["image,label,mask"], ["object,split,label,image,mask"]
    for k in range(4):
        picture(tmp_path / "pcb9/Data/Images/Normal" / f"{k:04d}.JPG")
        picture(tmp_path / "pcb9/Data/Images/Anomaly" / f"{k:03d}.JPG")
        mask(tmp_path / "pcb9/Data/Masks/Anomaly" / f"{k:03d}.png", value=1 + k % 3)
        rows.append(f"pcb9/Data/Images/Normal/{k:04d}.JPG,normal,")
        rows.append(f'pcb9/Data/Images/Anomaly/{k:03d}.JPG,"bent,melt",pcb9/Data/Masks/Anomaly/{k:03d}.png')
        split = "train" if k else "test"
        splits.append(f"pcb9,{split},normal,pcb9/Data/Images/Normal/{k:04d}.JPG,")
        splits.append(f"pcb9,test,anomaly,pcb9/Data/Images/Anomaly/{k:03d}.JPG,pcb9/Data/Masks/Anomaly/{k:03d}.png")
    (tmp_path / "pcb9/image_anno.csv").write_text("\n".join(rows))
    data = load_dataset(tmp_path / root)
    assert data.format == "visa"
    assert counted(data) == {("normal", None, 0): 4, ("anomaly", None, 1): 4}
    assert data[7].attributes["defects"] == "bent,melt"
    assert no_trouble(data)
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text("\n".join(splits))
    split_data = load_dataset(tmp_path / root)
    assert counted(split_data) == {("normal", "train", 0): 3, ("normal", "test", 0): 1, ("anomaly", "test", 1): 4}


@pytest.mark.parametrize("form", ["kos{:02d}/Part{}.jpg _label.bmp", "train/{}{}.png _GT.png"])
def test_kolektor(tmp_path: Path, form: str) -> None:
    name, ending = form.split()
    for item in range(2):
        for part in range(3):
            path = tmp_path / name.format(item, part)
            picture(path)
            mask(path.with_name(path.stem + ending), value=255 if part == 1 else 0)
    data = load_dataset(tmp_path)
    split = "train" if "train" in form else None
    assert counted(data) == {("good", split, 0): 4, ("defective", split, 1): 2}
    assert set(data.column("group")) == ({None} if split else {"kos00", "kos01"})
    assert no_trouble(data)


@pytest.mark.parametrize("root", [".", "Class1"])
def test_dagm(tmp_path: Path, root: str) -> None:
    for split in ("Train", "Test"):
        for k in range(4):
            picture(tmp_path / "Class1" / split / f"{k:04d}.PNG")
        mask(tmp_path / "Class1" / split / "Label" / "0003_label.PNG")
    data = load_dataset(tmp_path / root)
    assert counted(data) == {
        ("good", "train", 0): 3, ("defective", "train", 1): 1, ("good", "test", 0): 3, ("defective", "test", 1): 1,
    }  # fmt: skip
    assert no_trouble(data)


def test_mvtec_ad_2(tmp_path: Path) -> None:
    for folder in ("train/good", "validation/good", "test_public/good", "test_public/bad", "test_private"):
        for k in range(2):
            picture(tmp_path / folder / f"{k:03d}.png")
    for k in range(2):
        mask(tmp_path / "test_public/ground_truth/bad" / f"{k:03d}_mask.png")
    data = load_dataset(tmp_path)
    assert data.format == "mvtec"
    assert counted(data) == {
        ("good", "train", 0): 2, ("good", "validation", 0): 2, ("good", "test", 0): 2, ("bad", "test", 1): 2,
        (None, "test_private", None): 2,
    }  # fmt: skip
    assert data.classes == ("good", "bad")
    assert no_trouble(data)


def test_mvtec_loco_has_several_masks_a_picture(tmp_path: Path) -> None:
    for folder in ("train/good", "validation/good", "test/good", "test/logical_anomalies"):
        picture(tmp_path / folder / "000.png")
    picture(tmp_path / "test/logical_anomalies/001.png")
    masks = tmp_path / "ground_truth/logical_anomalies"
    mask(masks / "000/000.png")
    mask(masks / "000/001.png", box=(2, 2, 6, 6))
    mask(masks / "001/000.png")
    data = load_dataset(tmp_path)
    several, one = (example for example in data if example.label == "logical_anomalies")
    assert several.boxes is not None
    assert list(several.boxes.boxes_xyxy_px) == [BOX, (2, 2, 6, 6)]
    assert several.boxes.outlines is not None
    assert [outline and outline.box_xyxy_px for outline in several.boxes.outlines] == [BOX, (2, 2, 6, 6)]
    assert one.mask is not None
    assert no_trouble(data)


def test_btad(tmp_path: Path) -> None:
    for folder, k in (("train/ok", 0), ("test/ok", 1), ("test/ko", 2)):
        picture(tmp_path / folder / f"{k:04d}.bmp")
    mask(tmp_path / "ground_truth/ko/0002.png")
    data = load_dataset(tmp_path)
    assert counted(data) == {("ok", "train", 0): 1, ("ok", "test", 0): 1, ("ko", "test", 1): 1}
    assert data.classes == ("ok", "ko")
    assert no_trouble(data)


def test_real_iad(tmp_path: Path) -> None:
    rows = [("OK/S0001/a.jpg", "OK", None), ("NG/HS/S0002/b.jpg", "HS", "NG/HS/S0002/b.png")]
    for name, _, of_mask in rows:
        picture(tmp_path / "toy" / name)
        if of_mask:
            mask(tmp_path / "toy" / of_mask)
    entries = [{"category": "toy", "anomaly_class": c, "image_path": n, "mask_path": m} for n, c, m in rows]
    content = {"meta": {"normal_class": "OK", "prefix": "toy/"}, "train": entries[:1], "test": entries[1:]}
    (tmp_path / "toy.json").write_text(json.dumps(content))
    data = load_dataset(tmp_path)
    assert data.format == "real_iad"
    assert counted(data) == {("OK", "train", 0): 1, ("HS", "test", 1): 1}
    assert no_trouble(data)


def test_masks_that_do_not_fit_are_told_and_leave_the_picture_unannotated(tmp_path: Path) -> None:
    for k in range(3):
        picture(tmp_path / "test/ko" / f"{k}.png")
    picture(tmp_path / "train/ok/9.png")
    write_mask(tmp_path / "ground_truth/ko/0.png", (BOX,), size_wh=(32, 20))
    mask(tmp_path / "ground_truth/ko/1.png", value=0)
    findings: list[Finding] = []
    data = load_dataset(tmp_path, note=findings.append)
    assert [(finding.code, finding.severity.value) for finding in findings] == [
        ("mask-size", "error"), ("empty-mask", "warning"), ("missing-file", "warning"),
    ]  # fmt: skip
    assert counted(data)[("ko", "test", None)] == 3


def test_layouts_that_are_only_read_say_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is only read\. Write mvtec, coco or yolo"):
        write_dataset(Dataset.from_examples([]), tmp_path / "out", "visa")
