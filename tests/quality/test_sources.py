"""Every statistic of kenpin.quality has its source, its published example and its test in the documentation."""

from __future__ import annotations

import ast
import re

import pytest

from tests.tree import PACKAGE, ROOT

ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (ROOT / "docs" / "quality.md").read_text("utf-8").partition("## Sources")[2].splitlines()
    if line.startswith("|")
][2:]
PLAIN = {
    "percent_down": "rounds",
    "percent_up": "rounds",
    "judge": "words of a decision",
    "passes_something": "reads a threshold",
    "verdict_of": "reads a threshold",
    "finite": "checks its input",
    "consequences": "counts",
    "cost_notes": "words of what costs lead to",
    "crossed": "counts",
    "inside_unit": "a change of unit",
    "unit_of_distance": "a change of unit",
    "distance_of_unit": "a change of unit",
    "least_score": "reads a curve backwards",
}
"""Public functions that are no statistic, and what they are."""


def statistics() -> list[tuple[str, str]]:
    """Module and name of every public function."""
    return [
        (path.stem, node.name)
        for path in sorted((PACKAGE / "quality").glob("*.py"))
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


@pytest.mark.parametrize(("module", "name"), statistics(), ids=lambda one: str(one))
def test_every_statistic_has_its_row(module: str, name: str) -> None:
    listed = {function for row in ROWS for function in re.findall(r"`(\w+)`", row[1])}
    assert (name in listed) is not (name in PLAIN), f"{module}.{name}: give it a row in docs/quality.md#sources"


def test_rows_name_functions_and_tests_that_are_there() -> None:
    there = {name for _, name in statistics()} | {"calibration_error", "calibration_interval", "reliability_curve"}
    for statistic, functions, source, against, tests in ROWS:
        assert source, statistic
        assert against, statistic
        names = re.findall(r"`(\w+)`", functions)
        assert names, statistic
        assert set(names) <= there, statistic
        files = re.findall(r"`([\w/]+\.py)`", tests)
        assert files, statistic
        texts = [(ROOT / "tests" / file).read_text("utf-8") for file in files]
        assert all(any(name in text for text in texts) for name in names), f"{statistic}: {names} are not in {files}"
