"""The layouts in which other tools leave their data are read as they mean it, box by box."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.outlines import Outline
from kenpin.records import Example, Finding, ImageSource
from tests.builders import picture_bytes, write_mask, write_picture

SIZE_WH = (64, 40)
# x1 y1 x2 y2 in pixels of a 64 by 40 picture: swapping, mirroring or any other order gives another box
BOX = (8.0, 10.0, 24.0, 38.0)


def only_box(data: Dataset, index: int = 0) -> tuple[str, tuple[float, ...]]:
    """Label and box of a picture that has one."""
    found = data[index].boxes
    assert found is not None
    assert len(found) == 1
    return found.labels[0], found.boxes_xyxy_px[0]


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def coco(*names: str, first_id: int = 0) -> dict[str, object]:
    """COCO with the box on its first picture; image, annotation and category ids count from `first_id`."""
    return {
        "images": [{"id": first_id + i, "file_name": n, "width": 64, "height": 40} for i, n in enumerate(names)],
        "annotations": [{"id": first_id, "image_id": first_id, "category_id": first_id, "bbox": [8, 10, 16, 28]}],
        "categories": [{"id": first_id, "name": "void"}, {"id": first_id + 1, "name": "unused"}],
    }


def test_coco_of_roboflow_with_ids_from_0(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        for seed, name in enumerate(("a.png", "b.png")):
            write_picture(tmp_path / split / name, seed, size_wh=SIZE_WH)
        write_json(tmp_path / split / "_annotations.coco.json", coco("a.png", "b.png"))
    data = load_dataset(tmp_path)
    assert data.format == "coco"
    assert data.splits == ("test", "train", "validation")
    assert only_box(data) == ("void", BOX)
    empty = data[1].boxes
    assert empty is not None, "a picture without annotations is annotated as empty"
    assert len(empty) == 0
    assert data.classes == ("void", "unused")
    assert data[0].size_wh == SIZE_WH


def test_coco_headings_of_roboflow_are_no_classes(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "boards", "supercategory": "none"},
        {"id": 1, "name": "void", "supercategory": "boards"},
        {"id": 2, "name": "unused", "supercategory": "boards"},
    ]
    for split, used in (("train", 1), ("valid", 1), ("test", 1)):
        write_picture(tmp_path / split / "a.png", 1, size_wh=SIZE_WH)
        box = {"id": 0, "image_id": 0, "category_id": used, "bbox": [8, 10, 16, 28]}
        content = {**coco("a.png"), "categories": categories, "annotations": [box]}
        write_json(tmp_path / split / "_annotations.coco.json", content)
    assert load_dataset(tmp_path).classes == ("void", "unused")
    # somebody drew a box of the heading, in one split
    write_json(tmp_path / "valid" / "_annotations.coco.json", {**content, "annotations": [{**box, "category_id": 0}]})
    assert load_dataset(tmp_path).classes == ("boards", "void", "unused")
    # a class of the project's own name, unused
    categories[1]["name"] = "boards"
    for split in ("train", "valid", "test"):
        write_json(tmp_path / split / "_annotations.coco.json", {**content, "annotations": []})
    assert load_dataset(tmp_path).classes == ("boards", "unused")


@pytest.mark.parametrize("absolute", [False, True])
def test_coco_as_a_single_file(tmp_path: Path, absolute: bool) -> None:
    picture = write_picture(tmp_path / "pictures" / "a.png", 1, size_wh=SIZE_WH)
    name = str(picture) if absolute else "pictures/a.png"
    file = write_json(tmp_path / "labels.json", coco(name, first_id=7))
    for place in (file, tmp_path):
        assert only_box(load_dataset(place)) == ("void", BOX)


def test_the_original_coco_with_captions_beside_it(tmp_path: Path) -> None:
    write_picture(tmp_path / "train2017" / "a.png", 1)
    write_json(tmp_path / "annotations" / "instances_train2017.json", coco("a.png"))
    write_json(tmp_path / "annotations" / "captions_train2017.json", {**coco("a.png"), "categories": []})
    data = load_dataset(tmp_path)
    assert data.column("split") == ["train"]
    assert data.column("id") == ["train2017/a.png"]


def test_coco_crowd_and_polygons(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    content = coco("a.png")
    box = {"image_id": 0, "category_id": 0, "bbox": [8, 10, 16, 28], "segmentation": [[1, 2, 3, 4, 5, 6]]}
    content["annotations"] = [{**box, "id": 0, "iscrowd": 1}, {**box, "id": 1, "iscrowd": 0}]
    write_json(tmp_path / "all.json", content)
    findings: list[Finding] = []
    found = load_dataset(tmp_path, note=findings.append)[0].boxes
    assert found is not None
    assert found.crowd == (True, False)
    assert found.outlines == (Outline(((1, 2, 3, 4, 5, 6),)),) * 2
    assert not findings


def yolo(folder: Path, config: str) -> Path:
    write_picture(folder / "train" / "images" / "a.png", 1, size_wh=SIZE_WH)
    write_picture(folder / "valid" / "images" / "b.png", 2, size_wh=SIZE_WH)
    (folder / "train" / "labels").mkdir()
    (folder / "train" / "labels" / "a.txt").write_text("1 0.25 0.6 0.25 0.7\n")
    (folder / "data.yaml").write_text(config, "utf-8")
    return folder


@pytest.mark.parametrize(
    "names", ["names: ['OK', 'NO', 'x']", "names:\n  0: OK\n  1: NO\n  2: x", "names:\n- OK\n- NO\n- x", "nc: 3"]
)
def test_yolo_of_roboflow(tmp_path: Path, names: str) -> None:
    yolo(tmp_path, f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n{names}\n")
    findings: list[Finding] = []
    data = load_dataset(tmp_path, note=findings.append)
    assert data.format == "yolo"
    assert [(f.code, f.severity.value) for f in findings] == [("missing-file", "warning")], "there is no test folder"
    label, box = only_box(data)
    assert label == ("1" if names == "nc: 3" else "NO")
    assert box == pytest.approx(BOX)
    assert data.classes == (("0", "1", "2") if names == "nc: 3" else ("OK", "NO", "x"))
    assert data.column("split") == ["train", "validation"]
    assert data[1].boxes is not None, "a picture without a label file is annotated as empty"


def test_yolo_of_roboflow_beside_another_export(tmp_path: Path) -> None:
    yolo(tmp_path / "mine", "train: ../train/images\nval: [[../valid/images]]\nnames: [a, b]\n")
    write_picture(tmp_path / "train" / "images" / "other.png", 3)
    findings: list[Finding] = []
    data = load_dataset(tmp_path / "mine", note=findings.append)
    assert data.column("id") == ["train/images/a.png"]
    assert [f.code for f in findings] == ["missing-file", "orphan-image"], "a list in a list is no path"


def test_yolo_with_a_root_lists_and_polygons(tmp_path: Path) -> None:
    yolo(tmp_path / "data", f"path: {tmp_path / 'data'}\ntrain: train.txt\nval: [valid/images]\nnames: [a, b]\n")
    (tmp_path / "data" / "train.txt").write_text("./train/images/a.png\n")
    (tmp_path / "data" / "train" / "labels" / "a.txt").write_text("1 0.125 0.25 0.375 0.25 0.375 0.95 0.2 0.5\n")
    findings: list[Finding] = []
    data = load_dataset(tmp_path / "data" / "data.yaml", note=findings.append)
    label, box = only_box(data)
    assert label == "b"
    assert box == pytest.approx(BOX)
    assert not findings
    assert data[0].boxes is not None
    assert data[0].boxes.outlines is not None, "the polygon is kept"
    assert data.column("split") == ["train", "validation"]


VOC = """<annotation><filename>old name.png</filename><size><width>64</width><height>40</height><depth>3</depth></size>
<object><name>void</name><difficult>0</difficult><bndbox><ymin>10</ymin><xmin>8</xmin><xmax>24.0</xmax><ymax>38</ymax></bndbox>
</object></annotation>"""


def test_voc_with_lists(tmp_path: Path) -> None:
    for seed, name in enumerate(("a.jpg", "b.jpg", "c.jpg")):
        write_picture(tmp_path / "JPEGImages" / name, seed, size_wh=SIZE_WH)
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text(VOC)
    (tmp_path / "Annotations" / "b.xml").write_text("<annotation/>")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("b\n")
    (lists / "trainval.txt").write_text("a\nb\n")
    (lists / "void_train.txt").write_text("a 1\nb -1\n")
    data = load_dataset(tmp_path)
    assert data.format == "voc"
    assert only_box(data) == ("void", BOX)
    assert data.column("split") == ["train", "validation", None]
    assert data[1].boxes is not None
    assert data[2].boxes is None, "a picture without an XML file is not annotated"


@pytest.mark.parametrize("stated", ["a.jpg", "a.png"])
def test_voc_of_two_pictures_with_one_stem(tmp_path: Path, stated: str) -> None:
    for seed, name in enumerate(("a.jpg", "a.png")):
        write_picture(tmp_path / name, seed, size_wh=SIZE_WH)
    (tmp_path / "a.xml").write_text(f"<annotation><filename>{stated}</filename></annotation>")
    annotated = [example.id for example in load_dataset(tmp_path, format="voc") if example.boxes is not None]
    assert annotated == [stated]


@pytest.mark.parametrize("split", ["", "valid"])
def test_voc_beside_the_pictures(tmp_path: Path, split: str) -> None:
    write_picture(tmp_path / split / "a.png", 1, size_wh=SIZE_WH)
    (tmp_path / split / "a.xml").write_text(VOC)
    data = load_dataset(tmp_path)
    assert only_box(data) == ("void", BOX)
    assert data.column("split") == ["validation" if split else None]


@pytest.mark.parametrize("form", ["_annotations.{}.jsonl", "{}.jsonl", "{}/annotations.jsonl"])
@pytest.mark.parametrize("name", ["paligemma_jsonl", "florence2_jsonl"])
def test_json_lines(tmp_path: Path, form: str, name: str) -> None:
    if name == "paligemma_jsonl":  # 64 by 40 pixels in 1024 bins
        suffix = "<loc0256><loc0128><loc0972><loc0384> C1.2 (void)"
        tolerance = 1024
    else:
        suffix = "C1.2 (void)<loc_125><loc_250><loc_375><loc_949>"
        tolerance = 1000
    for split in ("train", "valid"):
        file = tmp_path / form.format(split)
        write_picture(file.parent / f"{split}.png", len(split), size_wh=SIZE_WH)
        line = {"image": f"{split}.png", "prefix": "detect C1.2 (void)", "suffix": suffix}
        file.write_text(json.dumps(line, ensure_ascii=False) + "\n\n", "utf-8")
    data = load_dataset(tmp_path)
    assert data.format == name
    assert sorted(data.column("split")) == ["train", "validation"]
    label, box = only_box(data)
    assert label == "C1.2 (void)"
    assert box == pytest.approx(BOX, abs=64 / tolerance)
    assert data[0].prefix == "detect C1.2 (void)"
    assert data[0].suffix is None


def test_json_lines_of_free_text(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    file = tmp_path / "data.jsonl"
    for prefix, name in (("describe", "paligemma_jsonl"), ("<CAPTION>", "florence2_jsonl")):
        file.write_text(json.dumps({"image": str(tmp_path / "a.png"), "prefix": prefix, "suffix": "a bent pin; left"}))
        data = load_dataset(file)
        assert (data.format, data[0].suffix, data[0].boxes) == (name, "a bent pin; left", None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_with_other_names_and_delimiters(tmp_path: Path, delimiter: str) -> None:
    write_picture(tmp_path / "p" / "a.png", 1)
    rows = [("File", "Class", "Lot", "Serial", "Split", "note"), ("p/a.png", "不良", "L7", "0012", "Val", ' "x" ')]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    for place in (tmp_path, tmp_path / "list.csv"):
        example = load_dataset(place)[0]
        assert (example.label, example.group, example.split) == ("不良", "L7", "validation")
        assert example.attributes == {"Serial": "0012", "note": ' "x" '}
        assert example.id == "p/a.png"


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_class_folders_with_splits(tmp_path: Path, validation: str) -> None:
    places = ["train/ok/a.png", "train/ok/lot 1/b.PNG", f"{validation}/scratch%2Fdent/a.jpeg", "test/c.png"]
    for seed, place in enumerate(places):
        write_picture(tmp_path / place, seed)
    (tmp_path / "train" / ".hidden.png").write_bytes(b"")
    data = load_dataset(tmp_path)
    assert data.format == "folders"
    assert {(e.id, e.split, e.label) for e in data} == {
        ("train/ok/a.png", "train", "ok"),
        ("train/ok/lot 1/b.PNG", "train", "ok"),
        (places[2], "validation", "scratch/dent"),
        ("test/c.png", "test", None),
    }


def test_a_flat_folder_of_pictures(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    data = load_dataset(tmp_path)
    assert (data.format, data[0].label, data[0].boxes) == ("folders", None, None)


def test_mvtec_masks_become_boxes(tmp_path: Path) -> None:
    write_picture(tmp_path / "train" / "good" / "000.png", 1)
    write_picture(tmp_path / "test" / "good" / "000.png", 2)
    write_picture(tmp_path / "test" / "crack" / "000.png", 3)
    # the third touches the second at a corner only: one defect
    mask = write_mask(
        tmp_path / "ground_truth" / "crack" / "000_mask.png", ((2, 12, 9, 19), (20, 1, 24, 3), (24, 3, 31, 5))
    )
    data = load_dataset(tmp_path)
    assert data.format == "mvtec"
    by_label = {(e.split, e.label): e for e in data}
    found = by_label["test", "crack"].boxes
    assert found is not None
    assert set(found.boxes_xyxy_px) == {(2.0, 12.0, 9.0, 19.0), (20.0, 1.0, 31.0, 5.0)}
    assert found.labels == ("crack", "crack")
    assert by_label["test", "crack"].mask == str(mask)
    for split in ("train", "test"):
        good = by_label[split, "good"]
        assert (good.boxes is not None, good.mask) == (True, None)
    assert data.classes == ("good", "crack")


@pytest.mark.parametrize("packed", [False, True])
def test_idx_of_mnist(tmp_path: Path, packed: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    for start in ("train", "t10k"):
        images = bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]) + pixels.tobytes()
        labels = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 255])
        for name, content in ((f"{start}-images-idx3-ubyte", images), (f"{start}-labels-idx1-ubyte", labels)):
            (tmp_path / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    data = load_dataset(tmp_path)
    from kenpin.data.images import read_image

    assert data.format == "idx"
    assert sorted(data.splits) == ["test", "train"]
    train = data.of_split("train")
    assert train.column("label") == ["7", "0", "255"]
    for number in range(3):
        assert (np.asarray(read_image(train[number].image))[:, :, 0] == pixels[number]).all()


def test_idx_is_written_under_the_names_of_mnist(tmp_path: Path) -> None:
    picture = ImageSource("a.png", picture_bytes(1, mode="L"))
    data = Dataset.from_examples([Example(split, picture, split, "7") for split in ("train", "test")])
    write_dataset(data, tmp_path / "out", "idx")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {
        f"{start}-{rest}" for start in ("train", "t10k") for rest in ("images-idx3-ubyte", "labels-idx1-ubyte")
    }


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    write_picture(tmp_path / "ok" / "a.png", 1)
    (tmp_path / "ok" / "again").symlink_to(tmp_path)
    assert load_dataset(tmp_path).column("id") == ["ok/a.png"]


def test_relative_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_picture(Path("data/ok/a.png"), 1)
    for place in ("data", "./data", "data/../data", str(tmp_path / "data")):
        data = load_dataset(place)
        assert data.column("id") == ["ok/a.png"]
        assert Path(data[0].image.path or "").read_bytes() == picture_bytes(1)
