"""Annotation files of other tools: each is known by its sign, and what its remedy says works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kenpin.data import load_dataset
from kenpin.data.formats import format_names, get_format
from kenpin.data.reading.foreign import tool_of
from kenpin.errors import DatasetError
from kenpin.records import Finding, Severity
from tests.builders import write_picture

COCO = '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": [{"id": 1, "name": "void"}]}'
VOC = "<annotation><filename>a.png</filename></annotation>"
LABELME = (
    '{"version": "5.5.0", "shapes": [], "imagePath": "a.png", "imageData": null, "imageHeight": 20, "imageWidth": 32}'
)
CVAT = '<annotations><image id="0" name="a.png" width="32" height="20"/></annotations>'
SAMPLES = {
    # name of the file, content, words of the tool
    "a.json": (LABELME, "labelme"),
    "x-anylabeling.json": ('{"shapes": [{"label": "a", "shape_type": "rotation", "points": [[1, 2], [3, 4]]}], '
                           '"imagePath": "a.png"}', "labelme"),
    "via_project.json": ('{"_via_settings": {}, "_via_img_metadata": {"a.png1": {"regions": []}}}', "VIA"),
    "via_region_data.json": ('{"a.png1": {"filename": "a.png", "regions": [{"region_attributes": {}}]}}', "VIA"),
    "via.csv": ("filename,file_size,region_count,region_shape_attributes,region_attributes\na.png,1,0,{},{}\n", "VIA"),
    "0a-asset.json": ('{"asset": {"name": "a.png"}, "regions": [{"tags": ["void"]}]}', "VoTT"),
    "line.vott.json": ('{"name": "line", "visitedTags": []}', "VoTT"),
    "project-1.json": ('[{"annotations": [{"result": [{"from_name": "label", "to_name": "image"}]}]}]', "Label Studio"),
    "min.json": ('[{"image": "/data/upload/a.png", "label": [{"x": 1, "rectanglelabels": ["void"]}]}]', "Label Studio"),
    "project-1.csv": ("annotation_id,image,label,lead_time\n1,a.png,\"[{\"\"x\"\": 1}]\",2.5\n", "Label Studio"),
    "train.json": ('{"dm_format_version": "1.0", "media_type": 2, "categories": {}, "items": []}', "Datumaro"),
    "a.png.json": ('{"description": "", "objects": [{"classTitle": "void", "points": {}}]}', "Supervisely"),
    "_annotations.createml.json": ('[{"image": "a.png", "annotations": [{"label": "void", "coordinates": {"x": 1}}]}]',
                                   "CreateML"),
    "export.ndjson": ('{"data_row": {"id": "1"}, "projects": {}}', "Labelbox"),
    "labelbox.json": ('[{"ID": "1", "Labeled Data": "https://x/a.png", "Label": {"objects": []}}]', "Labelbox"),
    "darwin.json": ('{"item": {"name": "a.png", "slots": []}, "annotations": [{"bounding_box": {}}]}', "V7"),
    "output.manifest": ('{"source-ref": "s3://b/a.png", "boxes": {}}', "Ground Truth"),
    "video.xml": ('<annotations><track id="0" label="void"></track></annotations>', "video"),
    "annotations.xml": (CVAT, "CVAT"),
    "voc.xml": (VOC, "Pascal VOC"),
    "instances.json": (COCO, "COCO"),
    "a.txt": ("0 0.5 0.5 0.25 0.25\n1 .1 .2 3e-05 1\n", "YOLO"),
    "boxes.csv": ("filename,class,xmin,ymin,xmax,ymax\na.png,void,1,2,3,4\n", "table of boxes"),
    "x.tfrecord": ("", "TFRecord"),
    "x.mat": ("", "MATLAB"),
    "x.pkl": ("", "pickle"),
    "x.h5": ("", "HDF5"),
    "x.rec": ("", "RecordIO"),
}  # fmt: skip
IN_WORDS = {"COCO": "coco", "YOLO": "yolo", "Pascal VOC": "voc", "CSV": "csv", "CVAT for images": "cvat"}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_each_tool_is_known_by_its_sign(name: str, encoding: str, tmp_path: Path) -> None:
    content, words = SAMPLES[name]
    (tmp_path / name.upper()).write_bytes(content.encode(encoding))
    tool = tool_of(tmp_path / name.upper())
    assert tool is not None
    assert words in tool.name


@pytest.mark.parametrize("name", SAMPLES)
def test_its_remedy_names_what_kenpin_reads(name: str, tmp_path: Path) -> None:
    content, _ = SAMPLES[name]
    (tmp_path / name).write_text(content)
    tool = tool_of(tmp_path / name)
    assert tool is not None
    if not tool.is_read:
        assert any(words in tool.remedy for words in IN_WORDS)
        assert set(IN_WORDS.values()) <= set(format_names())
        return
    format = re.findall(r"--format (\w+)", tool.remedy)[0]
    if format == "yolo":
        (tmp_path / "data.yaml").write_text("train: .\nnames: [void, scratch]\n")
    write_picture(tmp_path / "a.png", 1)
    if name == "voc.xml":
        (tmp_path / name).rename(tmp_path / "a.xml")
    assert get_format(format).recognises(tmp_path)
    data = load_dataset(tmp_path, format=format)
    assert (len(data), data.format) == (1, format)
    assert data[0].boxes is not None


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (_, words) in SAMPLES.items()
        if words
        in (
            "VIA",
            "VoTT",
            "Label Studio",
            "Datumaro",
            "Supervisely",
            "CreateML",
            "Labelbox",
            "V7",
            "Ground Truth",
            "TFRecord",
        )
    ],
)
def test_what_no_reader_takes_is_told_and_is_no_clean_data_set(name: str, tmp_path: Path) -> None:
    """Beside pictures in class folders it is a warning; beside pictures alone nothing is annotated."""
    content, _ = SAMPLES[name]
    for folder in ("sorted/ok", "sorted/ng", "flat"):
        write_picture(tmp_path / folder / "a.png", len(folder))
    for folder in ("sorted", "flat"):
        (tmp_path / folder / name).write_text(content)
    findings: list[Finding] = []
    data = load_dataset(tmp_path / "sorted", note=findings.append)
    assert (data.format, data.classes) == ("folders", ("ng", "ok"))
    assert [(f.code, f.severity) for f in findings] == [("annotation-not-read", Severity.WARNING)]
    with pytest.raises(DatasetError):
        load_dataset(tmp_path / "flat")


def test_a_table_of_another_tool_is_refused_with_its_export(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    for name in ("via.csv", "project-1.csv"):
        (tmp_path / name).write_text(SAMPLES[name][0])
        with pytest.raises(DatasetError, match=r"hold annotations of a form of their own\. Export it as COCO"):
            load_dataset(tmp_path / name)


def test_other_files_are_nobodys(tmp_path: Path) -> None:
    for name, content in (
        ("a.json", '{"camera": "A1"}'),
        ("a.xml", "<settings/>"),
        ("a.txt", "10 parts"),
        ("a.csv", "a\n"),
    ):
        (tmp_path / name).write_text(content)
        assert tool_of(tmp_path / name) is None
    assert tool_of(tmp_path / "gone.json") is None


def test_boxes_of_open_images_name_pictures_without_an_ending(tmp_path: Path) -> None:
    write_picture(tmp_path / "train" / "0a1b.jpg", 1, size_wh=(64, 48))
    text = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n0a1b,x,Screw,1,0.25,0.75,0.25,0.75\n"
    (tmp_path / "boxes.csv").write_text(text)
    data = load_dataset(tmp_path)
    found = data[0].boxes
    assert found is not None
    assert (data[0].id, found.labels, found.boxes_xyxy_px) == ("train/0a1b.jpg", ("Screw",), ((16, 12, 48, 36),))
