"""A plan is the smallest test that shows its claim, and sentences never claim more than was shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from kenpin.errors import OptionError
from kenpin.quality.bounds import at_most
from kenpin.quality.planning import bound_sentence, percent_down, percent_up, plan


def test_success_run_theorem() -> None:
    # 1 - C = R^n: 59 parts for 95 % reliability and 299 for 99 % at 95 % confidence, 22 and 230 at 90 %
    # (NIST/SEMATECH e-Handbook 8.3.1.1; Montgomery 2013, chapter 15)
    sizes = [plan("escape", rate, confidence).parts for rate, confidence in
             ((0.05, 0.95), (0.01, 0.95), (0.10, 0.90), (0.01, 0.90))]  # fmt: skip
    assert sizes == [59, 299, 22, 230]
    assert [plan("overkill", 0.05, 0.95, allowed).parts for allowed in range(5)] == [59, 93, 124, 153, 181]


def test_operating_characteristic_of_montgomerys_plan() -> None:
    # Montgomery 2013, table 15.2: n = 89, c = 2
    made = plan("overkill", 0.05, 0.95, 2)
    montgomery = type(made)("overkill", 0.05, 0.95, 2, 89)
    published = {0.005: 0.9897, 0.01: 0.9397, 0.02: 0.7366, 0.03: 0.4985, 0.04: 0.3042, 0.05: 0.1721}
    assert {rate: round(montgomery.chance(rate), 4) for rate in published} == published


@given(st.floats(0.01, 0.3), st.integers(0, 4))
def test_the_true_rate_that_passes_passes(rate: float, allowed: int) -> None:
    made = plan("escape", rate, 0.9, allowed)
    assert made.chance(made.rate_passing(0.8)) == pytest.approx(0.8)
    assert made.chance(rate) == pytest.approx(binom.cdf(allowed, made.parts, rate))
    assert made.chance(rate) <= 0.1 + 1e-9


def test_sentences() -> None:
    assert bound_sentence("escape", 0, 59) == "0 escapes in 59 NG parts: at most 5 %, one-sided 95 %."
    assert bound_sentence("overkill", 1, 1) == "1 overkill in 1 OK part: at most 100 %, one-sided 95 %."
    assert bound_sentence("escape", 0, 0) == "0 escapes in 0 NG parts: the rate is unknown."
    assert str(plan("escape", 0.05)).startswith("59 NG parts with no escape show a rate of at most 5 %")
    assert "with at most 1 overkill show" in str(plan("overkill", 0.05, allowed=1))


@given(st.integers(0, 30), st.integers(30, 5000))
def test_a_bound_is_never_rounded_to_a_bolder_claim(events: int, parts: int) -> None:
    bound = at_most(events, parts)
    assert bound is not None
    up, down = (float(words.removesuffix(" %")) / 100 for words in (percent_up(bound), percent_down(bound)))
    assert down - 1e-12 <= bound <= up + 1e-12
    assert up - down <= 0.11 * bound


def test_negative_errors_are_refused() -> None:
    with pytest.raises(OptionError, match="-1 wrong decisions"):
        plan("escape", 0.05, allowed=-1)
