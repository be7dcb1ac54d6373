"""A look at a data set in Japanese and Chinese: the page's own texts follow, what the doctor finds stays English."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kenpin import words
from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.records import Detections, Example, Finding, ImageSource, Severity
from kenpin.report.look import look, overview_of, render_look
from kenpin.words import Language, Texts
from tests.builders import picture_bytes
from tests.catalogues import TRANSLATED
from tests.commands import Run
from tests.languages import Marking, Shown, outside, without
from tests.pictures import write_parts
from tests.tables import ITEMS, write_table

_DATA = {"test", "train", "L", "RGB", "PNG", "JPEG", "scratch", "ok", "dent", "where", "set", "parts", "validation"}
_DATA |= {"folders", "items", "items.csv", "ng", "b'no pictu'", *ITEMS}
_DATA |= {"TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF"}


def _boxed(number: int, labels: tuple[str, ...]) -> Example:
    name = f"{number:03}.png"
    boxes = Detections(tuple((2.0 + i, 3.0, 9.0 + 2 * i, 11.0 + i) for i in range(len(labels))), labels)
    return Example(name, ImageSource(name, picture_bytes(number)), boxes=boxes, split="train" if number % 3 else "test")


def _asked(number: int) -> Example:
    name = f"{number:03}.png"
    answer = ("scratch", "dent", "")[number % 3]
    return Example(name, ImageSource(name, picture_bytes(number)), prefix="where", suffix=answer)


def _pages(folder: Path) -> dict[str, Dataset]:
    labels = [f"{i}" for i in range(30)]
    return {
        "folders": load_dataset(write_parts(folder / "set", count=6)),
        "boxes": Dataset.from_examples(
            [*(_boxed(i, tuple(labels[: 5 * i])) for i in range(8)), _boxed(9, ("0",) * 60)]
        ),
        "answers": Dataset.from_examples([_asked(i) for i in range(9)]),
        "rows": load_dataset(write_table(folder / "items.csv")),
        "broken": Dataset.from_examples([Example("1.png", ImageSource("1.png", b"no picture"), label="ok")]),
    }


PAGES = ("folders", "boxes", "answers", "rows", "broken")
FOUND = Finding(Severity.WARNING, "found-here", "001.png", "something is odd", "mend it", ("001.png",))


def _shown(name: str, folder: Path, language: Language) -> Shown:
    overview = overview_of(_pages(folder)[name], (FOUND,), per_class=2)
    return Shown(render_look(overview, Texts(language)))


@pytest.mark.parametrize("name", PAGES)
def test_every_fixed_text_of_the_page_is_in_the_catalogue(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marking = Marking()
    monkeypatch.setattr(words, "translations", lambda language: marking)
    shown = _shown(name, tmp_path, "ja")
    assert any("«" in text for text in shown.texts)
    assert not {(rest, text) for text in shown.texts if (rest := outside(text, _DATA))}
    assert "something is odd" in shown.recorded


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_another_language_has_no_english_sentence(name: str, language: Language, tmp_path: Path) -> None:
    shown = _shown(name, tmp_path, language)
    assert shown.language == language
    assert not [text for text in shown.texts if re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", without(text, _DATA))]


def test_the_command_and_the_function_write_the_language(tmp_path: Path, kenpin: Run) -> None:
    data = write_parts(tmp_path / "set", count=6)
    look(str(data), tmp_path / "python.html", language="ja")
    assert '<html lang="ja">' in (tmp_path / "python.html").read_text("utf-8")
    kenpin("look", data, "--out", tmp_path / "shell.html", "--language", "zh")
    assert '<html lang="zh">' in (tmp_path / "shell.html").read_text("utf-8")
