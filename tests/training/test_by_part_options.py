"""Parts by several pictures with the other options of a unit space: each is judged by its worst view, or refused."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from kenpin.errors import KenpinError
from kenpin.inspection import Line, Policy
from kenpin.training import train
from tests.part_pictures import FORM, draw_parts

ONE: dict[str, dict[str, Any]] = {
    "defects": {"learn_defects": True},
    "made": {"made_defects": 6, "defect_rate": 0.1},
    "apart": {"join_layers": "apart"},
    "object": {"object": "brightness"},
    "tiles": {"tile_px": 48},
    "scale": {"px_per_mm": (2.0,)},
    "trim": {"trim": 0.2},
}
REFUSED = {
    frozenset({"trim"}): "--trim leaves single pictures out",
    frozenset({"made"}): "defects are made in single pictures",
    frozenset({"defects", "tiles"}): "nothing marks the defect",
}
"""Options that are refused beside any others, and why."""
PAIRS = [frozenset(pair) for pair in combinations(ONE, 2)]
QUICK = {frozenset(pair) for pair in (("defects", "scale"), ("apart", "tiles"), ("made", "object"), ("trim", "scale"))}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts to learn from, with defective ones and without, and two defective and two good ones to judge."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_parts(folder / "all", 40, 12, seed=3)
    draw_parts(folder / "good", 30, 0, seed=5)
    draw_parts(folder / "new", 4, 2, seed=9)
    return folder


@pytest.mark.parametrize(
    "pair",
    [pytest.param(one, marks=[] if one in QUICK else [pytest.mark.slow], id="-".join(sorted(one))) for one in PAIRS],
)
def test_two_options_together_are_judged_by_part_or_refused(pair: frozenset[str], drawn: Path, tmp_path: Path) -> None:
    data = drawn / ("all" if "defects" in pair else "good")
    given = {"base": "toy", "where": "pooled", "by": FORM} | {
        k: v for name in sorted(pair) for k, v in ONE[name].items()
    }
    out = tmp_path / "run"
    sentences = [sentence for among, sentence in REFUSED.items() if among <= pair]
    if sentences:
        with pytest.raises(KenpinError, match="|".join(sentences)):
            train("mahalanobis", data=str(data), out=out, report=False, **given)
        assert not out.exists()
        return
    run = train("mahalanobis", data=str(data), out=out, report=False, **given)
    policy = Policy.from_mapping({"runs": {"space": {"run": str(run)}}})
    with Line(policy, tmp_path / "records") as line:
        for number in range(2):
            views = {
                file.stem.split("_")[1]: file.read_bytes()
                for file in sorted((drawn / "new").rglob(f"p9-{number:02d}_*.png"))
            }
            record = line.judge_part(f"p{number}", views)
            assert record.verdict == "FAIL"
            scores = [view.answers[0].score for view in record.views]
            assert record.answers[0].score == max(score for score in scores if score is not None)
