"""The effect plot of an item selection: what gains most comes first, and the sentence says what was won or lost."""

from __future__ import annotations

import re

import pytest

from kenpin.records import Measure
from kenpin.report.effects import confirmation_sentence, effects_figure
from kenpin.taguchi.selection import Confirmation, ItemGain, Selection


def selection(groups: int, change: Measure | None = None) -> Selection:
    """Two items a group, of which every second group is kept; the later a group, the more it gains."""
    gains = tuple(
        ItemGain(f"<item {i}>", i // 2, with_db=5 + i // 2 / 10, without_db=5.0, kept=i // 2 % 2 == 0)
        for i in range(2 * groups)
    )
    confirmed = None if change is None else Confirmation(300, 40, 0.9, 0.9 + (change.value or 0), change)
    return Selection(256, groups, 100, gains, all_db=9.0, kept_db=8.0, confirmation=confirmed)


def _names(svg: str) -> list[str]:
    return re.findall(r'text-anchor="end">&lt;item (\d+)&gt; \+1<', svg)


@pytest.mark.parametrize("groups", [3, 60])
def test_groups_stand_in_the_order_of_their_gains(groups: int) -> None:
    figure = effects_figure(selection(groups))
    numbers = [int(name) // 2 for name in _names(str(figure.svg))]
    expected = list(range(groups))[::-1]
    assert numbers == (expected if groups == 3 else expected[:12] + expected[-12:])
    assert ("12 largest and 12 smallest of 60" in figure.caption) is (groups == 60)
    assert "<item" not in str(figure.svg)


def test_a_gain_goes_to_the_right_and_what_is_kept_is_marked() -> None:
    svg = str(effects_figure(selection(4)).svg)
    rows = re.findall(r'<g class="change (ok|bad)"><line x1="([\d.]+)" x2="([\d.]+)"', svg)
    assert [style for style, _, _ in rows] == ["bad", "ok", "bad", "ok"]
    lengths = [float(end) - float(start) for _, start, end in rows]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 0
    assert lengths[-1] == pytest.approx(0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            Measure(-0.05, -0.08, -0.02),
            "a change of −0.050 (two-sided 95 % interval −0.080 to −0.020), more than chance explains.",
        ),
        (
            Measure(-0.01, -0.03, 0.01),
            "a change of −0.010 (two-sided 95 % interval −0.030 to +0.010), no loss beyond chance.",
        ),
        (None, "not confirmed on other parts."),
    ],
)
def test_the_sentence_says_what_was_won_or_lost(change: Measure | None, said: str) -> None:
    sentence = confirmation_sentence(selection(4, change))
    assert sentence.endswith(said)
    assert sentence.startswith("4 of 8 items are kept, by 256 runs")
