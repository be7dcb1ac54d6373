"""What a station refuses, and why a part was judged as it was, is said in the language of the page."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.inspection.fusing import fuse, parse_rule
from kenpin.inspection.nearest import choose, told
from kenpin.inspection.record import Nearness
from kenpin.quality.part_verdicts import SeenView, judge_part
from kenpin.quality.threshold import judge
from kenpin.records import Prediction, Threshold
from kenpin.views import PartViews
from kenpin.words import Language, Texts
from kenpin.words.recorded import translated
from tests.catalogues import TRANSLATED
from tests.tree import PACKAGE

_ON_NO_PAGE = (
    "api/part_forms.py",
    "auditing.py", "demonstration/", "folder.py", "running.py", "secret.py", "service.py", "settings.py", "tls.py",
    "store/", "trail.py", "who/console.py", "who/proxies.py", "sinks/pattern.py", "sources/contract.py",
    "sources/naming.py", "sources/kinds/", "sinks/kinds/"
)  # fmt: skip
"""Below `station/`: what is refused before there is a page, or to a program: a command, settings, keys, a store."""
_WHY_AWAY = ("cannot be", "not told", "does not answer", "refuses", "breaks off", "answers", "has ended", "its frames")
"""Words of what devices say while the station runs; the rest that they refuse is in its settings."""
_ELSEWHERE = {"MissingExtraError"}  # ends the command before there is a page


def refusals(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each sentence that a file gives to an error, or keeps for one, with sample values."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            given: ast.expr | None = node.value
        elif isinstance(node, ast.Call) and (name := ast.unparse(node.func)).endswith("Error"):
            given = node.args[0] if node.args and name not in _ELSEWHERE else None
        else:
            continue
        if (text := _filled(given)) is not None and text.endswith((".", "?")):
            yield node.lineno, text


def _filled(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else _sample(ast.unparse(part)) for part in node.values
    )


def _sample(field: str) -> str:
    if "counted(" in field:
        return "7 characters" if "normal" in field else "7 parts"
    if "state" in field:
        return "waiting"
    if "where" in field:
        return "mark 7"
    if "hindrance" in field:
        return "encloses less than a pixel"
    if "answered" in field:
        return "mes: answers 503"
    if any(word in field for word in ("why", "error", "code", "told")):
        return "timed out"
    return "present password" if "{what}" in field else "7"


def held() -> list[str]:
    """The modules whose refusals a page may show."""
    below = PACKAGE / "station"
    names = sorted(file.relative_to(below).as_posix() for file in below.rglob("*.py"))
    return [name for name in names if not name.startswith(_ON_NO_PAGE) and any(refusals(below / name))]


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("name", held())
def test_each_refusal_has_a_template(name: str, language: Language) -> None:
    found = list(refusals(PACKAGE / "station" / name))
    lacking = [f"{name}:{line}: {text}" for line, text in found if translated(text, Texts(language)) is None]
    assert not lacking


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_devices_say_while_they_run_has_a_template(language: Language) -> None:
    kinds = [file for below in ("sinks", "sources") for file in (PACKAGE / "station" / below).rglob("*.py")]
    found = [text for file in kinds for _, text in refusals(file) if any(word in text for word in _WHY_AWAY)]
    running = [text for text in found if text.startswith("7: ") or text.startswith("mes: ")]
    assert len(running) > 10
    assert [text for text in running if translated(text, Texts(language)) is None] == []


SCORES = st.floats(0, 1e6) | st.none() | st.just(math.nan)
THRESHOLDS = st.builds(
    Threshold,
    fail_from=st.floats(0.1, 1e6),
    basis=st.just("by costs"),
    review_from=st.none() | st.just(-math.inf) | st.floats(0, 0.1),
    good_scores=st.lists(st.floats(0, 1e6), max_size=4).map(tuple),
) | st.just(Threshold(-math.inf, None, "nothing passes"))
PREDICTIONS = st.builds(
    Prediction,
    id=st.just("a.png"),
    defect_score=SCORES,
    label=st.sampled_from([None, "scratch"]),
    probabilities=st.sampled_from([None, {"scratch": 0.7}]),
    contributions=st.sampled_from([None, {"stage4.17": 2.0, "stage6.3": 1.0}]),
)


@given(
    PREDICTIONS,
    THRESHOLDS,
    st.lists(st.sampled_from(["top", "side", None]), min_size=1, max_size=3),
    st.sampled_from([("top", "side"), ("top",)]),
)
def test_each_reason_of_a_verdict_has_a_template(
    prediction: Prediction, threshold: Threshold, views: list[str | None], expected: tuple[str, ...]
) -> None:
    seen = [SeenView(name, replace(prediction, id=f"{n}.png")) for n, name in enumerate(views)]
    alone = judge(prediction, threshold)
    together = judge_part("a", seen, PartViews("name", len(expected), expected), threshold)
    fused = fuse({"look": alone, "whole": together}, [parse_rule("FAIL if look FAIL")])
    for language in TRANSLATED:
        for reason in (*alone.reasons, *together.reasons, *fused.reasons, *fuse({}, []).reasons):
            assert translated(reason, Texts(language)) is not None, reason


@given(st.lists(st.floats(0.1, 1_000), max_size=3, unique=True), st.floats(1, 9), st.floats(1, 4))
def test_each_reason_of_a_chosen_product_has_a_template(times: list[float], limit: float, margin: float) -> None:
    near = [Nearness(f"product-{n}", one, one, 2.0 * one) for n, one in enumerate(times)]
    sentence = told(choose(near, limit, margin))
    for language in TRANSLATED:
        assert translated(sentence, Texts(language)) is not None, sentence
