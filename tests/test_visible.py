"""Names and labels of strangers on terminal and page: no command lets them steer one, or forge a line of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.display import escape
from kenpin.report.document import template, write_document
from kenpin.visible import in_brief, short, visible
from tests.commands import Run
from tests.pictures import write_parts
from tests.toy_runs import ToyRun

FORGED = "a.png\nforged.png\tPASS\tok\t0.0001\nz.png"
NASTY = (
    FORGED,
    "red \x1b[31m\x07.png",
    "back\r\x08.png",
    "turned \u202egnp.png",
    "next\x85line\u2028.png",
    "\x9b2J.png",
)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@given(st.text(st.characters(codec=None), max_size=40))
def test_visible_text_is_utf8_on_one_line_and_keeps_what_is_seen(text: str) -> None:
    shown = visible(text)
    assert not UNSEEN.search(shown)
    assert not {"\n", "\t"} & set(shown)
    shown.encode()
    seen = [letter for letter in text if letter.isprintable()]
    rest = iter(shown)
    assert all(letter in rest for letter in seen)
    assert visible(shown) == shown


@given(st.text(max_size=60), st.integers(3, 30))
def test_a_long_text_keeps_both_ends(text: str, room: int) -> None:
    brief = in_brief(text, room)
    assert len(brief) <= room
    assert brief == text or (text.startswith(brief.split("…")[0]) and text.endswith(brief[-1]))


def test_a_name_of_50_megabytes_is_shown_in_brief() -> None:
    assert len(short("\x1b" * 50_000_000)) <= 100


@pytest.fixture
def nasty(few_parts: Path, tmp_path: Path) -> Path:
    """Class folders with files of nasty names, and a class of one."""
    folder = copytree(few_parts, tmp_path / "nasty")
    for kind in ("ok", "scratch"):
        some = sorted((folder / kind).iterdir())
        for picture, name in zip(some, NASTY, strict=False):
            picture.rename(picture.with_name(name))
        (some[-1].parent / "broken \x1b[2J\nx.png").write_bytes(b"no picture")
    (folder / "scratch").rename(folder / "scratch\x1b[7m\nok")
    return folder


def commands(run: Path, data: Path) -> Iterator[list[object]]:
    pictures = [data / "ok" / name for name in (*NASTY, "broken \x1b[2J\nx.png")]
    policy = run.with_name("policy.yaml")
    policy.write_text("runs:\n  classes: run\n")
    yield ["predict", run, *pictures]
    yield ["doctor", data]
    yield ["evaluate", run, "--data", data, "--with-seen"]
    yield ["explain", run, *pictures[:3], "--out", "maps"]
    yield ["inspect", policy, *pictures, "--out", "records"]
    yield ["convert", data, "out\x1b[1m.csv\n", "--to", "csv"]
    yield ["look", data, "--out", "page.html"]
    yield ["predict", run, "no \x1b[5m\u202esuch.png"]
    yield ["doctor", data, "--format", "x\x1b[5m"]


def test_no_command_prints_what_is_not_seen(kenpin: Run, toy_run: ToyRun, nasty: Path) -> None:
    run = toy_run("classifier", Path("run"))
    for words in commands(run, nasty):
        _, out, err = kenpin(*words)
        assert not UNSEEN.search(out + err), words
        assert "should not have happened" not in err, (words, err)
        assert out or err
        assert not re.search(r"^(forged|z)\.png", out + err, re.MULTILINE), words


def test_cases_print_visible_names(kenpin: Run, toy_run: ToyRun, nasty: Path) -> None:
    pytest.importorskip("lancedb")
    run = toy_run("embedder", Path("run"))
    pictures = [nasty / "ok" / name for name in NASTY[:3]]
    for words in (
        [
            "cases",
            "add",
            "library",
            run,
            *pictures,
            "--note",
            "good\x1b[0m\nbad",
            "--label",
            "\u202eok",
            "--lot",
            "7\x07",
        ],
        ["cases", "search", "library", run, *pictures],
        ["cases", "stats", "library"],
    ):
        status, out, err = kenpin(*words)
        assert (status, UNSEEN.search(out + err)) == (0, None), words
        assert not re.search(r"^forged", out, re.MULTILINE)


def test_a_name_that_is_no_utf8_is_printed_byte_by_byte(kenpin: Run, toy_run: ToyRun, few_parts: Path) -> None:
    toy_run("classifier", Path("run"))
    Path("policy.yaml").write_text("runs:\n  classes: run\n")
    name = "caf\udce9.png"
    Path(name).write_bytes(next((few_parts / "ok").iterdir()).read_bytes())
    for words in (["explain", "run", name, "--out", "maps"], ["inspect", "policy.yaml", name, "--out", "records"]):
        _, out, err = kenpin(*words)
        assert out.startswith("caf\\xe9.png\t"), err


def test_machines_read_the_names_as_they_are(kenpin: Run, toy_run: ToyRun, nasty: Path) -> None:
    run = toy_run("classifier", Path("run"))
    pictures = [str(nasty / "ok" / name) for name in NASTY]
    kenpin("predict", run, *pictures, "--json", "out.json")
    assert [row["id"] for row in json.loads(Path("out.json").read_text())["predictions"]] == pictures


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_encoding_without_the_letters_of_a_name_prints_their_codes(encoding: str, tmp_path: Path) -> None:
    write_parts(tmp_path / "良品", count=2)
    words = [sys.executable, "-m", "kenpin", "doctor", "良品"]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode in (0, 1)
    assert b"\\u826f\\u54c1" in done.stdout
    assert not done.stderr


def test_a_page_shows_what_is_not_seen_and_nothing_endless(tmp_path: Path) -> None:
    page = write_document(
        lambda: f"<p>{escape(FORGED)}\x1b[1m\u202e\udce9</p>", tmp_path / "page.html", overwrite=False
    )
    assert "<p>a.png\nforged.png\tPASS\tok\t0.0001\nz.png\\x1b[1m\\u202e\\xe9</p>" in page.read_text()
    assert escape("<\x1b>") == "&lt;\\x1b&gt;"
    environment = template("page.html.jinja").environment
    assert len(environment.from_string("{{ name }}").render(name="x" * 50_000_000)) < 100_000
