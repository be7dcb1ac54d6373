"""The simulated schedule of a training on machines that fail, beside Daly's formula."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from benchmarks.schedule import Plan, daly_s, expected_total_s, simulate, young_s
from tests.tree import ROOT

PLAN = Plan(
    nodes=100,
    node_mtbf_s=100 * 3_600.0,
    steps=20_000,
    step_s=2.0,
    steps_between_checkpoints=300,
    checkpoint_s=30.0,
    restart_s=120.0,
)


@pytest.mark.parametrize("every", [20, 100, 300, 1_000])
@pytest.mark.parametrize(("checkpoint_s", "restart_s"), [(5.0, 0.0), (30.0, 120.0), (120.0, 1_800.0)])
@pytest.mark.parametrize("slow", [(0.0, 1.0), (0.002, 2.0)])
def test_trainings_take_as_long_as_dalys_formula_says(
    every: int, checkpoint_s: float, restart_s: float, slow: tuple[float, float]
) -> None:
    plan = replace(
        PLAN,
        steps_between_checkpoints=every,
        checkpoint_s=checkpoint_s,
        restart_s=restart_s,
        slow_share=slow[0],
        slow_factor=slow[1],
    )
    rng = np.random.default_rng(7)
    found = np.array([simulate(plan, rng).total_s for _ in range(200)])
    error = found.std(ddof=1) / np.sqrt(len(found))
    # by chance, beyond four standard errors once in 16,000; and work is not the whole multiple that the formula takes
    assert abs(found.mean() - expected_total_s(plan)) < 4 * error + 0.005 * expected_total_s(plan)


@given(
    nodes=st.integers(1, 500),
    mtbf_h=st.floats(1.0, 1e5),
    every=st.integers(1, 500),
    seconds=st.tuples(st.floats(0.0, 60.0), st.floats(0.0, 600.0)),
    slow=st.tuples(st.floats(0.0, 0.1), st.floats(1.0, 3.0)),
    seed=st.integers(0, 99),
)
def test_every_second_went_somewhere_and_every_step_was_taken_once(
    nodes: int, mtbf_h: float, every: int, seconds: tuple[float, float], slow: tuple[float, float], seed: int
) -> None:
    plan = Plan(nodes, mtbf_h * nodes * 3_600, 1_000, 0.5, every, *seconds, *slow)
    spent = simulate(plan, np.random.default_rng(seed))
    assert spent.learning == 500.0
    assert spent.saving == pytest.approx(-(-1_000 // every) * seconds[0])
    assert min(spent.waiting, spent.lost, spent.restarting) >= 0
    assert (spent.failures == 0) == (spent.lost == 0.0 == spent.restarting) or seconds[1] == 0.0
    assert 0 < spent.goodput <= 1


def test_machines_that_never_fail_lose_checkpoints_alone() -> None:
    spent = simulate(replace(PLAN, node_mtbf_s=1e15), np.random.default_rng(0))
    assert spent.goodput == pytest.approx(40_000 / (40_000 + 67 * 30))


@given(checkpoint_s=st.floats(1.0, 600.0), mtbf_h=st.floats(1.0, 1_000.0))
def test_dalys_interval_is_where_his_formula_is_least(checkpoint_s: float, mtbf_h: float) -> None:
    m = mtbf_h * 3_600

    def cost(every: float) -> float:
        return float(np.expm1((every + checkpoint_s) / m) / every)

    best = minimize_scalar(cost, bounds=(1.0, 20 * young_s(checkpoint_s, m)), method="bounded").x
    assert daly_s(checkpoint_s, m) == pytest.approx(best, rel=0.02)
    assert daly_s(checkpoint_s, m) < young_s(checkpoint_s, m)


def test_where_a_checkpoint_takes_longer_than_machines_hold_it_is_the_mean_time_between_failures() -> None:
    assert daly_s(100.0, 50.0) == 50.0


def test_a_run_of_it_tells_the_best_interval() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "schedule.py"), "--days", "1", "--runs", "3"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("125 machines fail every 50.7 h; Young")
    assert [line.split("|")[1].strip() for line in lines[4:] if line] == ["0.1", "0.25", "0.5", "1", "2", "4", "10"]
