"""The commands on decisions: what they print, what they refuse."""

from __future__ import annotations

import pytest

from tests.commands import Run


def test_plan(kenpin: Run) -> None:
    status, out, _ = kenpin("plan", "--escape-rate", "0.05", "--overkill-rate", "0.02", "--allowed", "1")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["93", "236"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("plan",), "give --escape-rate, --overkill-rate or both"),
        (("plan", "--escape-rate", "5"), "`--escape-rate` is '5'; give a number below 1"),
        (("plan", "--escape-rate", "0.05", "--allowed", "-1"), "`--allowed` is '-1'; give a number from 0 up"),
    ],
)
def test_misuse_is_one_sentence(kenpin: Run, words: tuple[str, ...], sentence: str) -> None:
    status, out, err = kenpin(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
