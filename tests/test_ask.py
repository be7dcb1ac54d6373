"""`kenpin ask`: a base without a run, a run, and what cannot be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.data.loading import write_dataset
from tests.commands import Run
from tests.models.chat.shapes import joined, shapes


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture
def picture(parts: Path) -> Path:
    """A picture of a part."""
    return parts / "scratch" / "000.png"


def test_a_base_is_asked_without_a_run(kenpin: Run, picture: Path) -> None:
    status, first, _ = kenpin("ask", "toy", picture, "What is it?", "--max-new-tokens", 6)
    assert (status, first.endswith("\n")) == (0, True)
    assert kenpin("ask", "toy", picture, "What is it?", "--max-new-tokens", 6)[1] == first


def test_words_are_drawn_by_lot_where_it_is_asked_for(kenpin: Run, picture: Path) -> None:
    words = ["ask", "toy", picture, "What is it?", "--max-new-tokens", 12, "--temperature", 1]
    one, same, other = (kenpin(*words, "--seed", seed)[1] for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no/such-base", "PICTURE"), "cannot be loaded as a pretrained model"),
        (("./nowhere", "PICTURE"), "there is no such folder"),
        (("toy", "nothing.png"), "there is no such file"),
        (("toy", "PICTURE", "--temperature", "0"), "must lie above 0"),
        (("toy", "PICTURE", "--min-p", "2"), "from 0 to 1"),
        (("toy", "PICTURE", "what is </s>?"), "means something else"),
        (("toy", "PICTURE", "--four-bit", "--device", "cpu"), "4 bits need a CUDA device"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(words: tuple[str, ...], said: str, kenpin: Run, picture: Path) -> None:
    status, out, err = kenpin("ask", *(picture if word == "PICTURE" else word for word in words))
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_the_whole_way_with_answers(kenpin: Run, tmp_path: Path) -> None:
    data = joined(shapes(8, split="train"), shapes(2, first=50, split="test"))
    write_dataset(data, tmp_path / "chats", "chat_jsonl")
    words = ("train", "vlm", "--data", "chats", "--out", "run", "--base", "toy", "--epochs", 1)
    status, out, _ = kenpin(*words, "--dry-run")
    assert (status, "Peak memory on cpu" in out) == (0, True)
    status, out, err = kenpin(*words)
    assert (status, out.strip()) == (0, "run"), err
    assert "No threshold: an answer in words is neither good nor defective." in err
    status, out, _ = kenpin("evaluate", "run", "--data", "chats")
    assert status == 0
    assert "exact match" in out
    assert "token f1" in out
    image = next((tmp_path / "chats" / "images").glob("*.png"))
    status, predicted, _ = kenpin("predict", "run", image, "--json", "said.json", "--draw", "drawn")
    assert status == 0
    _, asked, _ = kenpin("ask", "run", image, "What is where?")
    assert predicted.split("\t")[2] == " ".join(asked.split()) or predicted.split("\t")[2] == "-"
    status, _, err = kenpin("ask", "run", image, "--four-bit")
    assert (status, "a run is loaded as it was trained" in err) == (2, True)
    status, _, _ = kenpin("report", "run", "--out", "report.html")
    assert status == 0
    assert "answered:" in (tmp_path / "report.html").read_text("utf-8")


def test_a_run_that_answers_no_questions_is_refused(kenpin: Run, parts: Path, picture: Path) -> None:
    kenpin("train", "classifier", "--data", parts, "--out", "run", "--base", "toy")
    status, _, err = kenpin("ask", "run", picture, "What is it?")
    assert (status, "answers no questions" in err) == (2, True)


def test_flips_are_refused_where_answers_say_places(kenpin: Run, tmp_path: Path) -> None:
    write_dataset(
        joined(shapes(8, split="train"), shapes(2, split="validation", first=40)), tmp_path / "chats", "chat_jsonl"
    )
    words = ("train", "vlm", "--data", "chats", "--out", "run", "--base", "toy")
    status, _, err = kenpin(*words, "--flip-horizontal", "same")
    assert (status, "may say where something is" in err) == (2, True)
    status, _, err = kenpin(*words, "--ok-labels", "ok")
    assert (status, "answers in words have no classes" in err) == (2, True)
