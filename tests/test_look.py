"""The page of a data set counts all of it, shows some of every class with what is annotated and found, and is safe."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import kenpin
from kenpin.data.dataset import Dataset
from kenpin.data.loading import write_dataset
from kenpin.data.sampling import PER_CLASS
from kenpin.errors import DatasetError, OptionError, OutputExistsError
from kenpin.outlines import Outline
from kenpin.records import Detections, Example, ImageSource
from kenpin.report import look as look_module
from kenpin.report.look import overview_of, render_look
from kenpin.report.look_cards import ShownPicture, within
from tests.builders import ODD_LABELS, detections, picture_bytes, write_picture
from tests.commands import Run
from tests.pictures import write_mvtec
from tests.tables import ITEMS, write_table

NASTY = '<script>alert("傷")</script>'


def page_of(examples: Sequence[Example], *, per_class: int = PER_CLASS, seed: int = 0) -> str:
    return render_look(overview_of(Dataset.from_examples(examples), per_class=per_class, seed=seed))


def pictured(number: int, **fields: object) -> Example:
    """An example with a picture of its own in memory."""
    name = f"{number:03}.png"
    return Example(name, ImageSource(name, picture_bytes(number)), **fields)  # type: ignore[arg-type]


def text_of(page: str) -> str:
    """What a reader sees, without mark-up."""
    body = re.sub(r"<style>.*?</style>|<desc>.*?</desc>|<title>.*?</title>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def cards_of(page: str, heading: str) -> list[str]:
    """The cards below the heading of a class."""
    below = page.split(f'<h3 class="class">{heading} ')[1].split("</ul>")[0]
    return re.findall(r'<li class="card">(.*?)</li>', below, re.S)


def test_counts_are_over_all_and_cards_over_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_module, "_OPENED_AT_LEAST", 20)
    examples = [
        pictured(number, label="ok" if number % 3 else "dent", split="train" if number < 45 else "test")
        for number in range(60)
    ]
    page = page_of(examples, per_class=3)
    said = text_of(page)
    assert "60 pictures, 2 classes, 2 splits." in said
    assert "20 of 60 pictures were opened" in said
    assert "12 pictures are shown, up to 3 of each class in each split" in said
    assert "ok 30 10 40" in said
    assert "dent 15 5 20" in said
    for name in ("ok", "dent"):
        cards = cards_of(page, name)
        assert ["train" in card for card in cards] == [True] * 3 + [False] * 3
        assert all(card.count("<img") == 1 for card in cards)
    assert page == page_of(examples, per_class=3)
    assert page != page_of(examples, per_class=3, seed=1)


def test_all_pictures_are_opened_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_module, "_OPENED_AT_LEAST", 0)
    dataset = Dataset.from_examples([pictured(number, label="ok") for number in range(30)])
    sampled, whole = (overview_of(dataset, per_class=3, whole=whole) for whole in (False, True))
    assert (sampled.examination.opened, len(sampled.headers)) == (3, 3)
    assert (whole.examination.opened, len(whole.headers)) == (30, 30)
    assert len(sampled.pictures) == len(whole.pictures) == 3
    assert "3 of 30 pictures were opened" in text_of(render_look(sampled))
    assert "All pictures were opened" in text_of(render_look(whole))


def test_annotations_are_checked_in_all_and_the_picture_of_a_finding_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(look_module, "_OPENED_AT_LEAST", 0)
    box = detections(((2, 2, 12, 12), "dent"))
    outside = detections(((2, 2, 500, 12), "dent"))
    examples = [pictured(number, boxes=outside if number == 17 else box, size_wh=(32, 20)) for number in range(30)]
    overview = overview_of(Dataset.from_examples(examples), per_class=1)
    assert overview.examination.opened == 1
    page = render_look(overview)
    finding = page.split("box-out-of-frame (1)")[1].split("</ul>\n")[1]
    assert "017.png" in finding
    assert "data:image/jpeg;base64," in finding


def test_boxes_are_drawn_with_their_labels_and_counted() -> None:
    boxes = detections(((2, 2, 12, 12), "傷"), ((14, 4, 30, 18), "傷"), ((1, 1, 4, 4), "dent"))
    page = page_of([pictured(0, boxes=boxes, split="train"), pictured(1, boxes=Detections(), split="test")])
    (card,) = cards_of(page, "dent")
    assert card.count("<rect") == 3
    assert '<div class="picture laid"><img ' in card, "boxes are laid over the picture, not over the whole card"
    assert ".laid { position: relative; }" in page
    assert card.count(">傷</text>") == 2
    said = text_of(page)
    assert "boxes: 傷\N{LEFT-TO-RIGHT MARK} × 2, dent\N{LEFT-TO-RIGHT MARK} × 1" in said
    assert "傷 2 10 × 10 16 × 14 16 × 14" in said
    assert "1 picture, 0 shown here and 1 with another class" not in said
    assert "boxes: none" in said


def test_many_boxes_do_not_make_a_page_endless() -> None:
    many = tuple(((x / 20, 1.0, x / 20 + 1, 3.0 + x % 7), "dent") for x in range(500))
    (card,) = cards_of(page_of([pictured(0, boxes=detections(*many))]), "dent")
    sides = re.findall(r'<rect[^>]* width="([\d.]+)" height="([\d.]+)"', card)
    assert [float(height) / float(width) for width, height in sides] == [pytest.approx(8)] * 50
    assert "× 500; the 50 largest are drawn" in card


def test_masks_are_outlined(tmp_path: Path) -> None:
    kenpin.look(write_mvtec(tmp_path / "parts", 6), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    scratched = cards_of(page, "scratch")
    assert len(scratched) == 6
    assert all('<path class="truth"' in card for card in scratched)
    assert not any('<path class="truth"' in card for card in cards_of(page, "good"))
    assert "masks, test" in text_of(page)


def test_outlines_are_drawn_with_the_labels_of_their_boxes() -> None:
    outline = Outline(((2, 2, 12, 2, 12, 12),))
    boxes = replace(detections(((2, 2, 12, 12), "dent")), outlines=(outline,))
    (card,) = cards_of(page_of([pictured(0, label="dent", boxes=boxes)]), "dent")
    assert '<path class="truth"' in card
    assert "<rect" in card
    foreign = replace(boxes, outlines=(Outline(runs=(1, 2, 1), size_wh=(2, 2)),))
    (card,) = cards_of(page_of([pictured(0, label="dent", boxes=foreign)]), "dent")
    assert '<path class="truth"' not in card
    assert "<rect" in card


def test_a_mask_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"nothing")
    boxes = detections(((2, 2, 12, 12), "dent"))
    (card,) = cards_of(page_of([pictured(0, label="dent", boxes=boxes, mask=str(mask))]), "dent")
    assert "<rect" in card


def test_a_ragged_mask_is_shown_by_its_boxes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (120, 120), np.uint8) * 255
    Image.fromarray(noise).save(tmp_path / "mask.png")
    boxes = detections(((2, 2, 12, 12), "dent"))
    (card,) = cards_of(page_of([pictured(0, label="dent", boxes=boxes, mask=str(tmp_path / "mask.png"))]), "dent")
    assert "<rect" in card
    assert len(card) < 12_000


def test_a_picture_that_cannot_be_opened_is_a_card_with_the_reason() -> None:
    broken = Example("broken.png", ImageSource("broken.png", b"nothing"), label="ok")
    page = page_of([broken, pictured(1, label="ok"), Example("gone.png", ImageSource("/nowhere/gone.png"), label="ok")])
    cards = cards_of(page, "ok")
    assert len(cards) == 3
    assert sum("<img" in card for card in cards) == 1
    said = text_of(page)
    assert "the content is not a picture of a known format" in said
    assert "there is no such file" in said
    assert "image-missing (1)" in said


def test_deep_pictures_are_shown_with_their_depth(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.png"
    file.parent.mkdir()
    Image.fromarray(np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)).save(file)
    page = page_of([Example("a.png", ImageSource(str(file)), label="ok")])
    (card,) = cards_of(page, "ok")
    assert "30 × 20, 16 bits" in card
    jpeg = base64.b64decode(re.findall(r"base64,([^\"]+)", card)[0])
    shown = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"))
    assert shown[0].mean() < 20 < 235 < shown[-1].mean()
    assert "PNG, I, 16 bits 1 ok" in text_of(page)


LABELS = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300), max_size=3)


@settings(max_examples=10)
@given(LABELS)
@example([*ODD_LABELS])
def test_any_label_is_shown_and_none_is_markup(labels: list[str]) -> None:
    examples = []
    for number, label in enumerate((*labels, NASTY)):
        annotated = {"boxes": detections(((2, 2, 12, 12), label))} if number % 2 else {"label": label}
        examples.append(pictured(number, split=label[:9], prefix=label, suffix=label, **annotated))
    page = page_of(examples)
    check = Elements()
    check.feed(page)
    assert check.open == []
    assert "script" not in check.seen
    said = text_of(page)
    assert all(" ".join(label.split()) in said for label in (NASTY, *labels) if len(label) < 100)


class Elements(HTMLParser):
    """Which elements there are, and which are open at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path, parts: Path) -> None:
    kenpin.look(parts, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert set(re.findall(r'(?:src|href)="([^":]*:[^,"]*)', page)) == {"data:image/jpeg;base64"}
    assert "@import" not in page
    assert "url(" not in page


@pytest.mark.parametrize(
    "examples",
    [
        [],
        [pictured(0), pictured(1)],
        [Example("a.png", ImageSource("nowhere.png"), boxes=detections(((1, 2, 3, 4), "dent")))],
        [pictured(0, label="ok", boxes=detections(((float("nan"), 2, 3, 4), "dent"), ((5, 5, 2, 2), "dent")))],
    ],
    ids=["empty", "no annotation", "boxes without a picture", "boxes that are none"],
)
def test_odd_data_sets_have_a_page(examples: list[Example]) -> None:
    said = text_of(page_of(examples))
    assert f"{len(examples)} picture" in said
    assert "What the doctor found" in said


def test_of_a_table_the_items_are_shown(tmp_path: Path) -> None:
    table = write_table(tmp_path / "parts.csv")
    found = kenpin.look(table, tmp_path / "page.html")
    assert (found.pictures, found.opened) == (200, 0)
    page = (tmp_path / "page.html").read_text("utf-8")
    said = text_of(page)
    assert "200 rows of 6 measured items, 2 classes" in said
    assert "This is a table of numbers: there are no pictures to look at." in said
    assert "<img" not in page
    length = kenpin.load_dataset(table).numbers(["length"])
    quartiles = " ".join(f"{value:.4g}" for value in np.quantile(length, [0, 0.25, 0.5, 0.75, 1]))
    assert f"length {quartiles} 200".replace("-", "\N{MINUS SIGN}") in said
    assert page.count("<figure>") == len(ITEMS) + 1
    assert page.count('<polyline class="line s2"') == len(ITEMS)


def test_questions_are_listed_with_their_answers() -> None:
    asked = [("Is it OK?", "Yes."), ("Is it OK?", "Yes."), ("Is it OK?", "No, a scratch."), (NASTY, "不良")]
    page = page_of([pictured(i, prefix=question, suffix=answer) for i, (question, answer) in enumerate(asked)])
    said = text_of(page)
    assert "Is it OK? 3 2 Yes. (2), No, a scratch. (1)" in said
    assert f"{NASTY} 1 1 不良 (1)" in said
    assert f"Q: {NASTY} A: 不良" in said


def test_findings_stand_on_the_cards_of_their_pictures() -> None:
    same = ImageSource("same.png", picture_bytes(5))
    examples = [
        Example("a.png", same, label="ok", split="train"),
        Example("b.png", same, label="ok", split="test"),
        pictured(7, label="ok", split="test"),
    ]
    cards = {re.findall(r"<b>(.*?)</b>", card)[0]: card for card in cards_of(page_of(examples), "ok")}
    assert "copies-across-splits: the same picture is also b.png" in cards["a.png"]
    assert "copies-across-splits: a.png: the same picture is also b.png" in cards["b.png"]
    assert "copies-across-splits" not in cards["007.png"]


def test_thumbnails_share_the_room_that_there_is() -> None:
    pictures = {
        f"{seed}": ShownPicture.opened(
            Example(f"{seed}", ImageSource("a.png", picture_bytes(seed, size_wh=(256, 200))))
        )
        for seed in range(6)
    }
    sizes = [sum(len(one.jpeg or b"") for one in within(pictures, most).values()) for most in (10**9, 100_000, 30_000)]
    assert sizes[0] == sum(len(one.jpeg or b"") for one in pictures.values())
    assert 30_000 < sizes[1] <= 100_000 < sizes[0]
    assert sizes[2] <= 30_000


def test_the_command_tells_what_it_did(kenpin: Run, parts: Path) -> None:
    status, out, err = kenpin("look", parts, "--out", "page.html", "--per-class", "2")
    assert (status, err) == (0, "")
    assert out == "page.html: 120 pictures, 120 opened, 2 classes. Clean: no errors, no warnings.\n"
    assert Path("page.html").read_text("utf-8").count('<li class="card">') == 4
    status, _, err = kenpin("look", parts, "--out", "page.html")
    assert status == 2
    assert "page.html" in err
    assert kenpin("look", parts, "--out", "page.html", "--overwrite")[0] == 0


def test_the_command_counts_rows_of_a_table(kenpin: Run) -> None:
    write_table(Path("parts.csv"))
    assert kenpin("look", "parts.csv", "--out", "page.html")[1].startswith("page.html: 200 rows, 2 classes. ")


def test_the_command_ends_as_the_doctor_does_where_an_error_stands(kenpin: Run, parts: Path) -> None:
    copytree(parts, "damaged")
    Path("damaged/ok/bad.png").write_bytes(b"nothing")
    status, out, _ = kenpin("look", "damaged", "--out", "page.html")
    assert status == 1
    assert out.endswith("1 error, 0 warnings, 0 notes.\n")
    assert Path("page.html").is_file()


def test_one_split_can_be_looked_at(kenpin: Run, tmp_path: Path) -> None:
    examples = [pictured(i, label="ok", split="train" if i < 5 else "test") for i in range(8)]
    write_dataset(Dataset.from_examples(examples), tmp_path / "data", "folders")
    assert "3 pictures, 3 opened, 1 class." in kenpin("look", "data", "--split", "test", "--out", "page.html")[1]
    status, _, err = kenpin("look", "data", "--split", "validation", "--out", "other.html")
    assert status == 2
    assert "no split 'validation'; there are test, train." in err
    assert not Path("other.html").exists()


def test_what_cannot_be_asked_for_is_refused(tmp_path: Path, parts: Path) -> None:
    out = tmp_path / "page.html"
    with pytest.raises(OptionError, match="`--per-class` is 0"):
        kenpin.look(parts, out, per_class=0)
    with pytest.raises(OptionError, match="`--seed` is -1"):
        kenpin.look(parts, out, seed=-1)
    with pytest.raises(DatasetError, match="there is no such file or folder"):
        kenpin.look(tmp_path / "nowhere", out)
    assert not out.exists()
    out.write_text("kept")
    with pytest.raises(OutputExistsError):
        kenpin.look(parts, out)
    assert out.read_text() == "kept"


def test_coco_with_faults_has_a_page(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.png", "width": 32, "height": 20}, {"id": 2, "file_name": "gone.png"}]
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 90, 5]}, {"id": 2, "image_id": 1, "bbox": "x"}]
    write_picture(tmp_path / "data" / "a.png", 1)
    (tmp_path / "data" / "annotations.json").write_text(
        json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": NASTY}]})
    )
    found = kenpin.look(tmp_path / "data", tmp_path / "page.html")
    assert {"missing-image", "box-out-of-frame", "unknown-class-id"} <= {finding.code for finding in found.findings}
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<script" not in page
    assert f"{NASTY} 1 1" in text_of(page)
