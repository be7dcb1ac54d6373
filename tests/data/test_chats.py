"""Chats on pictures in every form that people write them in: as JSON lines, and in Hugging Face tables."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.data.dataset import content_hash
from kenpin.data.doctor import examine
from kenpin.errors import DatasetError
from kenpin.records import Example, Finding, ImageSource
from tests.builders import picture_bytes, write_picture

ASKED = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}
SAID = {"role": "assistant", "content": "A scratch, upper left."}


def lines(folder: Path, *rows: dict[str, Any], name: str = "train.jsonl") -> Path:
    for seed, picture in enumerate(("a.png", "b.png")):
        write_picture(folder / "images" / picture, seed)
    (folder / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return folder


def found_in(folder: Path) -> tuple[Dataset, list[Finding]]:
    findings: list[Finding] = []
    return load_dataset(folder, note=findings.append), findings


def content(*parts: dict[str, Any] | str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


URL = "data:image/png;base64," + base64.b64encode(picture_bytes(0)).decode()
FORMS: dict[str, dict[str, Any]] = {
    "a column of pictures": {"messages": [ASKED, SAID], "images": ["images/a.png"]},
    "one picture in a column": {"messages": [ASKED, SAID], "image": "a.png"},
    "a picture with its path apart": {"messages": [ASKED, SAID], "images": [{"path": "a.png"}]},
    "a mark in a text": {
        "messages": [{"role": "user", "content": "<image>\nWhat is it?"}, SAID],
        "images": ["images/a.png"],
    },
    "a path in a part": {
        "messages": [{"role": "user", "content": content({"type": "image", "image": "a.png"}, "What is it?")}, SAID]
    },
    "a file URL": {
        "messages": [
            {
                "role": "user",
                "content": content({"type": "image_url", "image_url": {"url": "file://images/a.png"}}, "What is it?"),
            },
            {"role": "assistant", "content": content("A scratch, upper left.")},
        ]
    },
    "a picture in the line": {
        "messages": [
            {"role": "user", "content": content({"type": "image_url", "image_url": {"url": URL}}, "What is it?")},
            SAID,
        ]
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: str, tmp_path: Path) -> None:
    dataset, findings = found_in(lines(tmp_path / "data", FORMS[form]))
    (example,) = dataset
    assert dataset.format == "chat_jsonl"
    assert (example.prefix, example.suffix, example.split) == ("What is it?", "A scratch, upper left.", "train")
    assert content_hash(example.image) == content_hash(ImageSource("a.png", picture_bytes(0)))
    assert {finding.code for finding in findings} <= {"orphan-image"}


def test_each_answer_is_an_example_with_what_was_said_before_it_in_its_question(tmp_path: Path) -> None:
    more = [{"role": "user", "content": "How deep?"}, {"role": "assistant", "content": "Not deep."}]
    system = {"role": "system", "content": "You inspect parts."}
    row = {"messages": [system, ASKED, SAID, *more], "images": ["a.png"]}
    first, second = found_in(lines(tmp_path / "data", row))[0]
    assert (first.prefix, first.suffix) == ("You inspect parts.\nWhat is it?", "A scratch, upper left.")
    assert second.prefix == "You inspect parts.\nWhat is it?\nA scratch, upper left.\nHow deep?"
    assert second.suffix == "Not deep."
    assert first.id != second.id


def test_one_picture_may_be_asked_about_often(tmp_path: Path) -> None:
    dataset, findings = found_in(lines(tmp_path / "data", *[FORMS["one picture in a column"]] * 3))
    assert len(set(dataset.column("id"))) == 3
    assert {finding.code for finding in findings} <= {"orphan-image"}


def test_the_doctor_minds_no_further_question_on_a_picture_but_the_same_one_twice(tmp_path: Path) -> None:
    asked = [{"messages": [{"role": "user", "content": text}, SAID], "image": "a.png"} for text in ("a?", "b?", "b?")]

    def codes(rows: list[dict[str, Any]], folder: Path) -> set[str]:
        return {finding.code for finding in examine(str(lines(folder, *rows))).findings}

    assert "copies" not in codes(asked[:2], tmp_path / "two")
    assert "copies" in codes(asked, tmp_path / "three")
    apart = [{**row, "split": split} for row, split in zip(asked, ("train", "test"), strict=False)]
    assert "copies-across-splits" in codes(apart, tmp_path / "apart")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"messages": [ASKED, SAID], "images": ["a.png", "b.png"]}, "several-pictures"),
        ({"messages": [ASKED, SAID]}, "missing-image"),
        ({"messages": [ASKED, SAID], "images": ["c.png"]}, "missing-image"),
        ({"messages": [ASKED, SAID], "images": ["https://example.org/a.png"]}, "missing-image"),
        ({"messages": [ASKED, SAID], "images": ["data:image/png;base64,%%%"]}, "missing-image"),
        ({"messages": "What is it?", "images": ["a.png"]}, "unparsable-line"),
        ({"messages": [{"role": "user", "content": 3}], "images": ["a.png"]}, "unparsable-line"),
        ({"messages": [{"role": "nobody", "content": "?"}], "images": ["a.png"]}, "unparsable-line"),
        ({"messages": [{"role": "user", "content": [{"text": "?"}]}], "images": ["a.png"]}, "unparsable-line"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(row: dict[str, Any], code: str, tmp_path: Path) -> None:
    folder = lines(tmp_path / "data", FORMS["a column of pictures"], row)
    dataset, findings = found_in(folder)
    assert len(dataset) == 1
    (told,) = [finding for finding in findings if finding.code != "orphan-image"]
    assert (told.code, told.where) == (code, f"{folder / 'train.jsonl'}:2")
    with pytest.raises(DatasetError, match=r"train.jsonl:2"):
        load_dataset(folder)


def test_a_line_may_name_split_label_and_group(tmp_path: Path) -> None:
    row = {**FORMS["a column of pictures"], "split": "test", "label": "不良", "group": "lot 7"}
    (example,) = found_in(lines(tmp_path / "data", row))[0]
    assert (example.split, example.label, example.group) == ("test", "不良", "lot 7")


def test_what_was_written_reads_as_messages_elsewhere(tmp_path: Path) -> None:
    source = write_picture(tmp_path / "a.png", 0)
    asked = Example("a", ImageSource(str(source)), "train", prefix="What?\nWhere?", suffix="A <b>scratch</b>")
    write_dataset(Dataset.from_examples([asked]), tmp_path / "out", "chat_jsonl")
    (row,) = map(json.loads, (tmp_path / "out" / "train.jsonl").read_text("utf-8").splitlines())
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
    assert row["messages"][0]["content"] == content({"type": "image", "image": "images/a.png"}, "What?\nWhere?")


def table(folder: Path, **columns: Any) -> Dataset:
    pictures = [{"bytes": picture_bytes(seed), "path": f"{seed}.png"} for seed in range(2)]
    made = datasets.Dataset.from_dict({"image": pictures, **columns}).cast_column("image", datasets.Image())
    made.save_to_disk(str(folder))
    return load_dataset(folder)


@pytest.mark.parametrize("column", ["suffix", "caption", "answer", "text"])
def test_a_column_of_a_table_is_the_answer(column: str, tmp_path: Path) -> None:
    dataset = table(tmp_path / "data", **{column: ["a dent", "nothing"]}, question=["what?", "what?"])
    assert dataset.column("suffix") == ["a dent", "nothing"]
    assert dataset.column("prefix") == ["what?", "what?"]


def test_beside_labels_a_text_may_be_anything_and_stays_an_attribute(tmp_path: Path) -> None:
    dataset = table(tmp_path / "data", text=["line 3", "line 4"], label=["ok", "dent"])
    assert dataset.column("suffix") == [None, None]
    assert dataset[0].attributes == {"text": "line 3"}


def test_captions_and_labels_are_both_kept(tmp_path: Path) -> None:
    dataset = table(tmp_path / "data", caption=["fine", "a dent"], label=["ok", "dent"])
    assert dataset.column("suffix") == ["fine", "a dent"]
    assert dataset.column("label") == ["ok", "dent"]


def test_a_table_of_messages_gives_each_answer_its_picture(tmp_path: Path) -> None:
    more = [{"role": "user", "content": "Deep?"}, {"role": "assistant", "content": "No."}]
    plain = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A dent."}]
    dataset = table(tmp_path / "data", messages=[plain + more, plain])
    assert dataset.column("suffix") == ["A dent.", "No.", "A dent."]
    hashes = [content_hash(example.image) for example in dataset]
    assert hashes[0] == hashes[1] != hashes[2]
