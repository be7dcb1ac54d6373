"""The trail: entries come back as they were, whatever JSON they hold, and no line is taken without its hash."""

from __future__ import annotations

import json
import math
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenpin.errors import RunError
from kenpin.station.trail import Trail, read_entries

Json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), Json, max_size=4))
def test_an_entry_holds_any_json(tmp_path: Path, about: dict[str, Any]) -> None:
    path = tmp_path / "node-1.jsonl"
    path.unlink(missing_ok=True)
    with closing(Trail(path, "node-1")) as trail:
        written = [trail.append("aoi", "part-reviewed", about), trail.append("ren", "part-reviewed", {})]
    assert list(read_entries(path)) == written
    with closing(Trail(path, "node-1")) as trail:
        assert len(trail) == 2


def test_what_json_cannot_hold_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "node-1.jsonl"
    with closing(Trail(path, "node-1")) as trail:
        with pytest.raises(TypeError, match="has no JSON form"):
            trail.append("aoi", "part-reviewed", {"label": object()})
        assert trail.append("aoi", "part-reviewed", {"score": math.inf}).number == 1
    assert [one.about for one in read_entries(path)] == [{"score": "inf"}]


def test_a_trail_without_hashes_is_no_trail(tmp_path: Path) -> None:
    path = tmp_path / "node-1.jsonl"
    with closing(Trail(path, "node-1")) as trail:
        trail.append("aoi", "part-reviewed", {})
    line = json.loads(path.read_text("utf-8"))
    del line["before"]
    path.write_text(json.dumps(line) + "\n", "utf-8")
    with pytest.raises(RunError, match="line 1: is not an entry of the trail"):
        list(read_entries(path))
    with pytest.raises(RunError, match="line 1: is not an entry of the trail"):
        Trail(path, "node-1")
