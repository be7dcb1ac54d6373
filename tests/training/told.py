"""What `kenpin train` writes, on a terminal and off it, as texts to compare: `python -m tests.training.told` rewrites
those below tests/golden.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kenpin.cli import main
from kenpin.data.loading import write_dataset
from tests.models.chat.shapes import joined as shapes_and
from tests.models.chat.shapes import shapes
from tests.objects import joined, made_objects
from tests.pictures import write_parts

GOLDEN = Path(__file__).parents[1] / "golden"
SHORT = ("--epochs", "2", "--evaluate-every", "3", "--precision", "fp32")
CASES: dict[str, tuple[str, ...]] = {
    "classifier-head": ("classifier", "--data", "parts", "--tuning", "head"),
    "classifier-full": (
        *("classifier", "--data", "parts", "--tuning", "full", "--precision", "fp32"),
        *("--epochs", "3", "--batch-size", "32"),
    ),
    "mahalanobis": ("mahalanobis", "--data", "parts"),
    "embedder": ("embedder", "--data", "parts", "--precision", "fp32", "--epochs", "2", "--batch-size", "48"),
    "florence2": ("florence2", "--data", "objects", *SHORT, "--batch-size", "2", "--max-new-tokens", "20"),
    "paligemma": ("paligemma", "--data", "objects", *SHORT, "--batch-size", "2", "--max-new-tokens", "20"),
    "vlm": ("vlm", "--data", "chats", *SHORT, "--batch-size", "4", "--max-new-tokens", "8"),
}
"""By the name of the golden text: a family and its options."""


def write_data(folder: Path) -> None:
    """The data sets that the cases name."""
    write_parts(folder / "parts", count=40)
    write_dataset(joined(made_objects(6), made_objects(2, first=50, split="validation")), folder / "objects", "yolo")
    chats = shapes_and(shapes(12, split="train"), shapes(4, first=50, split="validation"))
    write_dataset(chats, folder / "chats", "chat_jsonl")


def written(*words: str, terminal: bool) -> tuple[int, str]:
    """Exit status of a command, and what it and all that it loads write to standard error: as bytes came, in text."""
    with standard_error(terminal) as pieces:
        try:
            main(list(words))
        except SystemExit as ended:
            status = int(ended.code or 0)
    return status, b"".join(pieces).decode()


@contextmanager
def standard_error(terminal: bool, columns: int = 120) -> Iterator[list[bytes]]:
    """Standard error of this process, down to what libraries write past Python, goes to a terminal or a pipe; gives
    the pieces that came, all of them when it is left."""
    reading, writing = pty.openpty() if terminal else os.pipe()
    if terminal:
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    pieces: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(reading, 65536):
                pieces.append(piece)
        except OSError:  # a terminal ends so
            pass

    reader = threading.Thread(target=read)
    reader.start()
    before, descriptor = sys.stderr, os.dup(2)
    os.dup2(writing, 2)
    try:
        with open(writing, "w", encoding="utf-8") as stream:
            sys.stderr = stream
            yield pieces
    finally:
        sys.stderr = before
        os.dup2(descriptor, 2)
        os.close(descriptor)
        reader.join()
        os.close(reading)


def screen(raw: str) -> str:
    """What stands on a terminal in the end, where lines are written over."""
    lines = []
    for line in raw.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for again in line.split("\r"):
            cells[: len(again)] = again
        lines.append("".join(cells).rstrip())
    return "\n".join(lines)


def masked(text: str) -> str:
    """Without what another machine, or another day, may write otherwise: figures, times, and what fonts there are."""
    text = re.sub(r"(?m)^No installed font .*\n", "", text)
    text = re.sub(r"(?ms)^(On [^\n]*:\n).*?^$", r"\1  FIGURES\n", text)
    text = re.sub(r"(?m)^[A-Z].*[^:]$", lambda line: re.sub(r"(?<![a-z])\d[\d.,]*(?<=\d)", "#", line[0]), text)
    text = re.sub(r" +\d+\.\d+", " #", text)
    text = re.sub(r"(?m)^epoch .*|^before .*", lambda line: re.sub(r"(?: \(best\))? {3,}", "   ", line[0]), text)
    return re.sub(r"(?m)(under \d+ s|\d+ s|\d+ min( \d+ s)?) left$", "TIME left", text)


def told(name: str, terminal: bool) -> str:
    """What a case writes to standard error, in this folder."""
    status, raw = written("train", *CASES[name], "--base", "toy", "--out", "run", "--overwrite", terminal=terminal)
    assert status == 0, raw
    return raw


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KENPIN_CACHE"] = f"{folder}/cache"
        os.chdir(folder)
        write_data(Path(folder))
        for case in CASES:
            (GOLDEN / f"train-{case}.txt").write_text(masked(told(case, terminal=False)), encoding="utf-8")
