"""What does not pass is looked at closer: known cases that were like it, and words that are held to the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.inspection.closer_look import layer_of
from kenpin.inspection.journal import JOURNAL, read_records
from kenpin.inspection.record import PartRecord
from kenpin.training import train
from tests.commands import Run
from tests.toy_runs import ToyRun


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def runs(parts: Path, tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A classifier `head`, and `words`, which answers questions; neither has learned much."""
    folder = tmp_path_factory.mktemp("runs")
    toy_run("classifier", folder / "head")
    some = load_dataset(parts).select(range(0, 48, 8))
    asked = [replace(one, prefix="What is it?", suffix=one.label) for one in some]
    train(
        "vlm", data="-", dataset=Dataset.from_examples(asked), out=folder / "words", base="toy", epochs=1, report=False
    )
    return folder


def _inspected(kenpin: Run, runs: Path, more: str, *pictures: Path) -> list[PartRecord]:
    # half of the scale is for review, so that both verdicts below occur
    policy = runs / "policy.yaml"
    policy.write_text(f"runs: {{classifier: {{run: head, fail_from: 0.5}}}}\n{more}\n")
    status, _, err = kenpin("inspect", policy, *pictures, "--out", "records")
    assert status in (0, 3), err
    return list(read_records(Path("records") / JOURNAL))


def test_known_cases_are_named_for_what_fails_and_never_the_part_itself(kenpin: Run, runs: Path, parts: Path) -> None:
    known = Path("known").absolute()
    assert (
        kenpin("cases", "add", known, runs / "head", parts / "scratch", "--verdict", "positive", "--note", "polished")[
            0
        ]
        == 0
    )
    pictures = [*sorted((parts / "scratch").iterdir())[:10], *sorted((parts / "ok").iterdir())[:10]]
    more = f"cases: {{library: {known}, run: classifier, nearest: 2, when: FAIL}}"
    records = _inspected(kenpin, runs, more, *pictures)
    failed = [record for record in records if record.verdict == "FAIL"]
    assert 0 < len(failed) < len(records)
    for record in records:
        assert len(record.cases) == (2 if record in failed else 0)
        assert record.picture_hash not in [case.id for case in record.cases]
        assert [case.distance for case in record.cases] == sorted(case.distance for case in record.cases)
    assert {case.note for record in failed for case in record.cases} == {"polished"}


def test_a_library_of_another_run_is_refused(
    kenpin: Run, runs: Path, parts: Path, tmp_path: Path, toy_run: ToyRun
) -> None:
    toy_run("embedder", tmp_path / "other", epochs=1)
    assert kenpin("cases", "add", tmp_path / "known", tmp_path / "other", parts / "ok" / "000.png")[0] == 0
    (runs / "policy.yaml").write_text(f"runs: {{a: head}}\ncases: {{library: {tmp_path / 'known'}, run: a}}")
    status, out, err = kenpin("inspect", runs / "policy.yaml", parts / "ok" / "000.png", "--out", "records")
    assert (status, out) == (2, "")
    assert "holds embeddings of run other" in err


def test_what_fails_is_described_and_the_words_are_held_to_the_verdict(kenpin: Run, runs: Path, parts: Path) -> None:
    pictures = [*sorted((parts / "scratch").iterdir())[:4], *sorted((parts / "ok").iterdir())[:4]]
    more = "describe: {run: words, text_length: 8, when: FAIL}\nmaps: {of: classifier, when: FAIL}"
    records = _inspected(kenpin, runs, more, *pictures)
    failed = [record for record in records if record.verdict == "FAIL"]
    assert 0 < len(failed) < len(records)
    for record in records:
        assert (record.description is not None) is (record in failed)
        if record.description is not None:
            assert record.description.finding in ("scratch", "unknown", "none")
            assert len(record.description.appearance) <= 8
            assert (record.description.finding != "none") or record.contradictions


def test_only_a_run_that_answers_questions_describes(kenpin: Run, runs: Path, parts: Path) -> None:
    (runs / "policy.yaml").write_text("runs: {a: head}\ndescribe: {run: head}")
    status, _, err = kenpin("inspect", runs / "policy.yaml", parts / "ok" / "000.png", "--out", "records")
    assert status == 2
    assert "this run's model answers no questions" in err


def test_a_map_is_written_as_a_layer_too(kenpin: Run, runs: Path, parts: Path) -> None:
    pictures = sorted((parts / "scratch").iterdir())[:3]
    plain = _inspected(kenpin, runs, "maps: {of: classifier, when: [PASS, FAIL]}", *pictures)
    # the same inspection goes on: a layer decides nothing
    _inspected(kenpin, runs, "maps: {of: classifier, when: [PASS, FAIL], layers: true}", parts / "ok" / "000.png")
    record = [*read_records(Path("records") / JOURNAL)][-1]
    assert record.answers[0].map is not None
    assert not (Path("records") / layer_of(plain[0].answers[0].map or "")).exists()
    with Image.open(Path("records") / layer_of(record.answers[0].map)) as layer:
        assert layer.mode == "RGBA"
        assert layer.size == record.size_wh
        opacity = np.asarray(layer)[..., 3]
    assert opacity.max() > 200 > opacity.min()
