"""Every check of the doctor finds its own mistake and nothing else, and a clean data set passes all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.doctor import Examination, as_json, examine, examine_dataset, render
from kenpin.records import Detections, Example, Finding, ImageSource, Severity
from tests.data.made import encoded, noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SIZE_WH = (64, 48)
BOX = (10.0, 12.0, 30.0, 40.0)
LABELS = ("ok", "scratch")


def clean(count: int = 40, *, boxes: bool = True) -> list[Example]:
    """Pictures of two classes in two splits, each part of its own group, with a box where there is a scratch."""
    examples = []
    for number in range(count):
        label, name = LABELS[number % 2], f"{number:03}.png"
        marked = Detections((BOX,), (label,))
        examples.append(
            Example(
                id=name,
                image=encoded(noise(number, SIZE_WH), name),
                split="train" if number % 4 < 2 else "test",
                label=None if boxes else label,
                boxes=marked if boxes else None,
                group=f"part {number}",
                size_wh=SIZE_WH,
                origin=f"labels.csv:{number + 2}",
            )
        )
    return examples


def examined(examples: Sequence[Example], **options: Any) -> Examination:
    return examine_dataset(Dataset.from_examples(examples, **options))


def found(examination: Examination) -> set[tuple[str, str]]:
    return {(finding.severity.value, finding.code) for finding in examination.findings}


@pytest.mark.parametrize("boxes", [True, False])
def test_a_clean_data_set_has_no_findings(boxes: bool) -> None:
    examination = examined(clean(boxes=boxes), classes=LABELS, root="parts", format="csv")
    assert examination.findings == ()
    assert not examination.has_errors
    assert (examination.source, examination.format, examination.pictures) == ("parts", "csv", 40)
    assert examination.counts == {"train": {"ok": 10, "scratch": 10}, "test": {"ok": 10, "scratch": 10}}
    assert examination.sizes is not None
    assert examination.sizes.smallest_wh == examination.sizes.largest_wh == SIZE_WH
    assert "Clean: no errors, no warnings." in render(examination)


def with_image(place: int, image: ImageSource, **fields: Any) -> Callable[[list[Example]], None]:
    def change(examples: list[Example]) -> None:
        examples[place] = replace(examples[place], image=image, **fields)

    return change


def with_fields(*places: int, **fields: Any) -> Callable[[list[Example]], None]:
    def change(examples: list[Example]) -> None:
        for place in places:
            examples[place] = replace(examples[place], **fields)

    return change


def with_box(x1: float, y1: float, x2: float, y2: float, *places: int) -> Callable[[list[Example]], None]:
    return with_fields(*(places or (3,)), boxes=Detections(((x1, y1, x2, y2), BOX), ("scratch", "ok")))


def all_of(*changes: Callable[[list[Example]], Any]) -> Callable[[list[Example]], None]:
    def change(examples: list[Example]) -> None:
        for one in changes:
            one(examples)

    return change


def cut_to(*places: int) -> Callable[[list[Example]], None]:
    def change(examples: list[Example]) -> None:
        examples[:] = [examples[place] for place in places]

    return change


def renamed(old: str, new: str, *places: int) -> Callable[[list[Example]], None]:
    """Some boxes' class, or all of one class, called by another name."""

    def change(examples: list[Example]) -> None:
        for place in places or range(len(examples)):
            boxes = examples[place].boxes
            assert boxes is not None
            labels = tuple(new if label == old else label for label in boxes.labels)
            examples[place] = replace(examples[place], boxes=replace(boxes, labels=labels))

    return change


def turned(orientation: int) -> ImageSource:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(noise(900, SIZE_WH), "turned.jpg", "JPEG", exif=exif)


def deep(highest: int, seed: int = 901) -> ImageSource:
    values = np.random.default_rng(seed).integers(0, highest + 1, SIZE_WH[::-1]).astype(np.uint16)
    values[0, 0] = highest
    return encoded(Image.fromarray(values), "deep.png")


def blurred_copy(place: int) -> ImageSource:
    return encoded(noise(place, SIZE_WH).resize((128, 96)).resize(SIZE_WH), "copy.png")


WHOLE = encoded(noise(902, SIZE_WH), "x.png").data or b""
REVERSED = SIZE_WH[::-1]
UNANNOTATED = {"boxes": None, "label": None}

CASES: dict[str, tuple[Callable[[list[Example]], Any], set[tuple[str, str]]]] = {
    "missing": (with_image(3, ImageSource("no/such.png")), {("error", "image-missing")}),
    "empty": (with_image(3, ImageSource("empty.png", b"")), {("error", "image-empty")}),
    "truncated": (with_image(3, ImageSource("cut.png", WHOLE[:1200])), {("error", "image-truncated")}),
    "foreign": (with_image(3, ImageSource("page.png", b"<html></html>")), {("error", "image-foreign")}),
    "disguised": (
        with_image(3, encoded(noise(903, SIZE_WH), "jpeg.png", "JPEG")), {("warning", "image-disguised")},
    ),
    "mirrored, with boxes": (with_image(3, turned(2)), {("warning", "exif-orientation")}),
    "mirrored, without boxes": (
        with_image(3, turned(2), boxes=None, label="scratch"), {("info", "exif-orientation")},
    ),
    "rotated, and stated as stored": (
        with_image(3, turned(6)),
        {("warning", "exif-orientation"), ("error", "image-size-mismatch"), ("warning", "image-odd-shape")},
    ),
    "rotated, and stated as displayed": (
        with_image(3, turned(6), size_wh=REVERSED),
        {("warning", "exif-orientation"), ("warning", "image-odd-shape")},
    ),
    "other size": (with_fields(3, size_wh=(640, 480)), {("error", "image-size-mismatch")}),
    "deep": (with_image(3, deep(65535)), {("info", "image-deep")}),
    "low bits": (
        with_image(3, deep(4095)),
        {("info", "image-deep"), ("warning", "image-low-bits"), ("warning", "image-dark")},
    ),
    "one dark deep picture": (
        all_of(with_image(3, deep(4095)), with_image(4, deep(60000, seed=904))),
        {("info", "image-deep"), ("warning", "image-low-bits"), ("warning", "image-dark")},
    ),
    "colour among grey": (
        with_image(3, encoded(noise(905, SIZE_WH).convert("RGB"), "rgb.png")), {("info", "grey-and-colour")},
    ),
    "sizes": (
        with_image(3, encoded(noise(906, (320, 48)), "wide.png"), size_wh=None),
        {("info", "sizes-differ"), ("warning", "image-odd-shape")},
    ),
    "box wholly outside": (with_box(70, 5, 90, 20), {("error", "box-out-of-frame")}),
    "box partly outside": (with_box(50, 5, 70, 20), {("warning", "box-out-of-frame")}),
    "box over the edge by rounding": (with_box(50, 5, 64.9, 48.9), set()),
    "box inverted": (with_box(30, 5, 20, 20), {("error", "box-inverted")}),
    "box empty": (with_box(30, 5, 30, 20), {("error", "box-empty")}),
    "box tiny": (with_box(30, 5, 31, 20), {("warning", "box-tiny")}),
    "box nowhere": (with_box(30, 5, float("nan"), 20), {("error", "box-not-finite")}),
    "axes swapped": (with_box(10, 52, 40, 62, *range(5, 9)), {("error", "box-form")}),
    "two boxes that fit swapped": (with_box(10, 52, 40, 62, 5, 6), {("error", "box-out-of-frame")}),
    "axes swapped in some": (
        all_of(with_box(10, 52, 40, 62, 5, 6, 7), with_box(70, 52, 90, 60, 8, 9)), {("error", "box-out-of-frame")},
    ),
    "unannotated": (with_fields(3, **UNANNOTATED), {("info", "image-unannotated")}),
    "without boxes": (with_fields(3, boxes=Detections()), {("info", "image-without-boxes")}),
    "uncarriable": (renamed("scratch", "scratch "), {("warning", "class-uncarriable")}),
    "alike in case": (renamed("ok", "OK", *range(0, 20, 2)), {("warning", "class-names-alike")}),
    "alike in form": (
        all_of(renamed("scratch", "caf\u00e9"), renamed("caf\u00e9", "cafe\u0301", *range(21))),
        {("warning", "class-names-alike")},
    ),
    "single class": (with_fields(*range(40), label="scratch", boxes=None), {("warning", "class-single")}),
    "single good class": (with_fields(*range(40), label="ok", boxes=None), {("info", "class-single")}),
    "too few": (cut_to(*range(0, 40, 2), *range(1, 16, 2)), {("warning", "class-too-small")}),
    "flip": (all_of(renamed("ok", "Xplus"), renamed("scratch", "Xminus")), {("info", "class-flip")}),
    "group leak": (with_fields(0, 2, group="part 0"), {("error", "group-leak")}),
    "group partly in no split": (
        all_of(with_fields(0, 2, group="part 0"), with_fields(2, split=None)), set(),
    ),
    "class missing from a split": (
        with_fields(*range(3, 40, 4), split="train"), {("warning", "class-missing-from-split")},
    ),
    "only good parts to learn from": (
        all_of(with_fields(*range(1, 40, 2), split="test"), with_fields(*range(0, 40, 2), split="train"),
               with_fields(*range(0, 40, 8), split="test")),
        {("info", "class-missing-from-split")},
    ),
    "boxes of a single class": (renamed("ok", "scratch"), set()),
    "copies": (with_image(3, encoded(noise(7, SIZE_WH), "7 again.png")), {("warning", "copies")}),
    "contradicting copies": (with_image(3, encoded(noise(4, SIZE_WH), "c.png")), {("error", "copies-contradict")}),
    "copies across splits": (with_image(3, encoded(noise(1, SIZE_WH), "c.png")), {("error", "copies-across-splits")}),
    "near copies": (with_image(3, blurred_copy(7)), {("info", "near-copies")}),
    "near copies across splits": (with_image(3, blurred_copy(1)), {("warning", "near-copies-across-splits")}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_check_finds_exactly_its_mistake(case: str) -> None:
    change, expected = CASES[case]
    examples = clean()
    change(examples)
    examination = examined(examples)
    assert found(examination) == expected, [str(finding) for finding in examination.findings]
    assert examination.has_errors == any(severity == "error" for severity, _ in expected)
    for finding in examination.findings:
        assert finding.where
        assert "\n" not in str(finding)
        assert not finding.what.endswith(".")
        assert not finding.remedy.endswith(".")


def test_imbalance() -> None:
    examples = [example for number, example in enumerate(clean(250)) if number % 2 == 0 or number < 24]
    assert found(examined(examples)) == {("warning", "class-imbalance")}


def test_unused_classes_are_declared_ones_without_a_picture() -> None:
    examination = examined(clean(), classes=("ok", "dent", "scratch"))
    assert [(f.code, "'dent'" in f.what) for f in examination.findings] == [("class-unused", True)]


def test_the_place_names_file_line_and_box() -> None:
    examples = clean()
    with_box(70, 5, 90, 20)(examples)
    (finding,) = examined(examples).findings
    assert finding.where == "labels.csv:5: box 1 (scratch) of 003.png"
    assert "(70, 5) to (90, 20)" in finding.what
    assert "64 × 48" in finding.what


def test_a_rotated_picture_tells_both_sizes() -> None:
    examples = clean()
    with_image(3, turned(6))(examples)
    error = next(f for f in examined(examples).findings if f.severity is Severity.ERROR)
    assert "states 64 × 48, the size before EXIF rotation" in error.what
    assert "displayed as 48 × 64" in error.what


def test_boxes_of_an_unreadable_picture_are_checked_by_the_stated_size() -> None:
    examples = clean()
    all_of(with_box(70, 5, 90, 20), with_image(3, ImageSource("gone.png")))(examples)
    assert found(examined(examples)) == {("error", "image-missing"), ("error", "box-out-of-frame")}
    with_fields(3, size_wh=None)(examples)
    assert found(examined(examples)) == {("error", "image-missing")}


def test_findings_stand_by_severity_then_place() -> None:
    told = [
        Finding(Severity.INFO, "a", "x:1", "w", "r"),
        Finding(Severity.ERROR, "b", "x:10", "w", "r"),
        Finding(Severity.ERROR, "c", "x:9", "w", "r"),
        Finding(Severity.WARNING, "d", "x:1", "w", "r"),
    ]
    examination = examine_dataset(Dataset.from_examples(clean()), told)
    assert [finding.code for finding in examination.findings] == ["c", "b", "d", "a"]


def test_the_doctor_tells_more_closely_what_a_reader_told() -> None:
    examples = clean()
    with_image(3, ImageSource("empty.png", b""))(examples)
    told = [
        Finding(Severity.ERROR, "unreadable-image", "empty.png", "cannot be opened", "r"),
        Finding(Severity.ERROR, "unreadable-image", "other.png", "cannot be opened", "r"),
        Finding(Severity.WARNING, "orphan-annotation", "empty.png", "something else", "r"),
    ]
    examination = examine_dataset(Dataset.from_examples(examples), told)
    assert [(f.code, f.where) for f in examination.findings] == [
        ("image-empty", "empty.png"),
        ("unreadable-image", "other.png"),
        ("orphan-annotation", "empty.png"),
    ]


def test_an_empty_data_set_is_examined() -> None:
    examination = examined([])
    assert (examination.pictures, examination.sizes, examination.counts) == (0, None, {})
    assert "0 pictures" in render(examination)


def test_examine_reads_from_disk(parts: Path) -> None:
    examination = examine(parts)
    assert examination.counts == {"": {label: len([*(parts / label).iterdir()]) for label in LABELS}}
    assert not examination.has_errors


def test_the_text_is_shortened_and_the_json_is_not() -> None:
    examples = clean()
    with_box(70, 5, 90, 20, *range(12))(examples)
    renamed("ok", "[bold]ok")(examples)
    examination = examined(examples, root="parts/[red]", format="coco")
    text = render(examination)
    assert "parts/[red] (read as coco): 40 pictures" in text
    assert "[bold]ok" in text
    assert "ERROR box-out-of-frame (12)" in text
    assert text.count("labels.csv:") == 5
    assert "and 7 more" in text
    assert text.count("Draw it again") == 1
    assert "12 errors, 0 warnings" in text
    values = json.loads(json.dumps(as_json(examination)))
    assert values["totals"] == {"error": 12, "warning": 0, "info": 0}
    assert len(values["findings"]) == 12
    assert set(values["findings"][0]) == {"severity", "code", "where", "what", "remedy", "pictures"}
    assert values["sizes"]["median_wh"] == [64, 48]


def test_importing_the_doctor_loads_nothing_heavy() -> None:
    code = (
        "import kenpin.data.doctor, kenpin.data.splitting, sys;"
        "print({'torch', 'datasets', 'sklearn', 'scipy', 'imagehash'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_of_a_sample_the_pictures_are_opened_and_of_all_the_annotations_checked() -> None:
    examples = clean(40)
    for place in (3, 20):
        with_image(place, ImageSource("broken.png", b"nothing"))(examples)
    outside = Detections(((60.0, 40.0, 90.0, 47.0),), ("scratch",))
    with_fields(20, 21, boxes=outside)(examples)
    shown: list[str] = []
    sampled = examine_dataset(
        Dataset.from_examples(examples, classes=LABELS),
        opened=range(10),
        seen=lambda example, picture: shown.append(f"{example.id} {picture.header.size_wh}"),
    )
    assert (sampled.pictures, sampled.opened) == (40, 10)
    assert sorted(shown) == [f"{place:03}.png {SIZE_WH}" for place in range(10) if place != 3]
    assert [(finding.code, finding.pictures) for finding in sampled.findings] == [
        ("image-foreign", ("003.png",)),
        ("box-out-of-frame", ("020.png",)),
        ("box-out-of-frame", ("021.png",)),
    ]
    assert "Opened: 10 of them" in render(sampled)
    whole = examine_dataset(Dataset.from_examples(examples, classes=LABELS))
    assert whole.opened == 40
    assert "Opened" not in render(whole)
    assert {("image-foreign", ("003.png",)), ("image-foreign", ("020.png",))} <= {
        (finding.code, finding.pictures) for finding in whole.findings
    }


def test_a_finding_on_copies_names_them_all() -> None:
    examples = clean(40)
    for place in (6, 8, 12, 16, 20, 24, 28):
        with_fields(place, image=examples[4].image)(examples)
    (copies,) = (f for f in examined(examples).findings if f.code.startswith("copies"))
    assert copies.pictures == tuple(f"{place:03}.png" for place in (4, 6, 8, 12, 16, 20, 24, 28))
