"""Defective parts that teach a unit space: none of them, of their groups or near-duplicates shows how good it is."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kenpin import update
from kenpin.data.dataset import Dataset
from kenpin.data.duplicates import NEAR_DISTANCE, perceptual_hashes
from kenpin.errors import KenpinError
from kenpin.export import export_package
from kenpin.models.contract import Explained
from kenpin.models.mahalanobis import defect_head
from kenpin.models.mahalanobis.patch_inspector import TAUGHT
from kenpin.predictor import load_predictor
from kenpin.records import Detections, Example, ImageSource, Map
from kenpin.run.layout import MODEL, REPORT
from kenpin.run.record import read_record
from kenpin.runtime import version_of
from kenpin.training import Listener, train
from kenpin.training.folding import Folding, learned_without
from kenpin.training.known_defects import near_ones_together
from kenpin.training.start import begin
from tests.commands import Run
from tests.pictures import part

VALUES: dict[str, Any] = {"data": "-", "base": "toy", "where": "pooled", "learn_defects": True, "report": False}


def _png(seed: int, *, bad: bool, marked: bool = False, quality: int | None = None) -> Example:
    """A part, or with a quality its near-duplicate."""
    file = io.BytesIO()
    picture = part(seed, scratched=bad)
    if quality is None:
        picture.save(file, "png")
    else:
        picture.save(file, "jpeg", quality=quality)
    boxes = Detections(((4.0, 4.0, 60.0, 60.0),), ("scratch",)) if marked else None
    name = f"{seed}{'' if quality is None else f' {quality}'}"
    return Example(name, ImageSource(name, file.getvalue()), label="scratch" if bad else "ok", boxes=boxes)


def _parts(good: int = 14, bad: int = 5) -> list[Example]:
    return [*(_png(seed, bad=False) for seed in range(good)), *(_png(100 + seed, bad=True) for seed in range(bad))]


# ---- held out


def _near(dataset: Dataset, first: int, second: int) -> bool:
    hashes = perceptual_hashes(dataset.select([first, second]))
    return int(np.bitwise_count(hashes[0] ^ hashes[1]).sum()) <= NEAR_DISTANCE


def test_no_fold_learns_from_a_defect_that_it_judges_nor_from_its_like() -> None:
    parts = _parts()
    parts += [_png(101, bad=True, quality=80), _png(102, bad=True, quality=70), replace(_png(103, bad=True), id="copy")]
    dataset = Dataset.from_examples(parts)
    twins = {(15, 19), (16, 20), (17, 21)}
    assert all(_near(dataset, *pair) for pair in twins)
    start = begin("mahalanobis", None, dataset, VALUES | {"out": "out"})
    assert start.folding is not None
    folds, judged = start.folding.folds, set(start.folding.rows)
    assert judged == set(range(len(parts)))
    for fold in range(start.folding.count):
        learned = set(learned_without(start.parts.training, folds, fold))
        for row in (row for row in judged if folds[row] == fold):
            assert row not in learned
            assert not learned & {other for pair in twins if row in pair for other in pair}


@given(st.data(), st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_near_duplicates_share_a_fold_and_are_not_judged_where_one_always_teaches(data: Any, count: int) -> None:
    pictures = [_png(100, bad=True), _png(100, bad=True, quality=80), _png(101, bad=True), _png(102, bad=True)]
    training = Dataset.from_examples([*pictures, *(_png(seed, bad=False) for seed in range(4))])
    folds = data.draw(st.lists(st.one_of(st.none(), st.integers(0, count - 1)), min_size=8, max_size=8))
    rows = tuple(row for row, fold in enumerate(folds) if fold is not None)
    found = near_ones_together(Folding(rows, tuple(folds), count), training, [0, 1, 2, 3], lambda _: None)
    assert found.folds[0] == found.folds[1]
    assert found.folds[0] in (folds[:2] if None not in folds[:2] else [None])
    assert found.folds[2:] == tuple(folds[2:])
    assert found.rows == tuple(row for row, fold in enumerate(found.folds) if fold is not None)


def test_defects_that_are_all_alike_cannot_both_teach_and_judge() -> None:
    alike = [_png(100, bad=True, quality=quality) for quality in (70, 80, 90)]
    parts = Dataset.from_examples([*_parts(bad=0), *alike])
    with pytest.raises(KenpinError, match="0 defective parts to learn from; at least 1 is needed"):
        begin("mahalanobis", None, parts, VALUES | {"out": "out"})


@pytest.mark.parametrize("learn", [True, False])
def test_pictures_like_a_known_defect_do_not_measure(learn: bool) -> None:
    learned = [replace(one, split="train", group=one.id) for one in _parts()]
    tested = [
        _png(50, bad=False), _png(150, bad=True), _png(100, bad=True, quality=80), _png(0, bad=False, quality=80)
    ]  # fmt: skip
    tested.append(replace(_png(151, bad=True), group="101"))
    dataset = Dataset.from_examples([*learned, *(replace(one, split="test") for one in tested)])
    start = begin("mahalanobis", None, dataset, VALUES | {"out": "out", "learn_defects": learn})
    assert start.parts.test is not None
    kept = start.parts.test.column("id")
    assert kept == (["50", "150", "0 80"] if learn else ["50", "150", "100 80", "0 80", "151"])
    assert any("2 of the 5 test pictures were left out, as near-duplicates" in note for note in start.notes) is learn


# ---- runs


@pytest.fixture(scope="module", autouse=True)
def _short_learning() -> Iterator[None]:
    """A head of each fold learns: enough to tell these parts apart. What it learns in full has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(defect_head, "_STEPS", 40)
        yield


@pytest.fixture(scope="module", params=["pooled", "positions", "neighbours", "apart", "tiles", "roi"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder, heard = tmp_path_factory.mktemp("known"), list[str]()
    more: dict[str, Any] = {"where": request.param}
    if request.param == "apart":
        more = {"join_layers": "apart", "layers": (1, 2)}
    elif request.param == "tiles":
        more = {"tile_px": 32}
    elif request.param == "roi":
        mask = Image.new("L", (64, 64))
        mask.paste(255, (4, 4, 64, 60))
        mask.save(folder / "roi.png")
        more = {"roi": str(folder / "roi.png")}
    marked = [_png(110 + seed, bad=True, marked=True) for seed in range(4)]
    parts = Dataset.from_examples([*_parts(bad=0 if request.param == "tiles" else 2), *marked])
    values = VALUES | {"out": folder / "run", "report": request.param == "pooled"} | more
    return train("mahalanobis", dataset=parts, listener=Listener(say=heard.append), **values), heard


def test_a_run_says_what_taught_it(run: tuple[Path, list[str]]) -> None:
    folder, heard = run
    record = read_record(folder)
    taught = json.loads((folder / MODEL / TAUGHT).read_text("utf-8"))["defective_parts"]
    known = record.dataset["counts"]["train"]["scratch"]
    assert {one["id"] for one in taught} == {f"{seed}" for seed in (100, 101, 110, 111, 112, 113)[6 - known :]}
    (said,) = (note for note in record.notes if note.startswith("A head has learned"))
    assert f"of {known} defective parts" in said
    assert f"4 with boxes and {known - 4} with neither" in said
    basis = record.threshold["basis"] if record.threshold else ""
    assert f"The distance has learned from {known} defective parts too" in basis
    assert basis in " ".join(heard)
    if (folder / REPORT).is_file():
        page = (folder / REPORT).read_text("utf-8")
        assert f"learned from {known} defective parts too" in page
        assert "A head has learned" in page


def _map(folder: Path) -> Map:
    """Of a scratched part."""
    predictor = load_predictor(folder)
    assert isinstance(predictor.model, Explained)
    return predictor.model.maps([part(160, scratched=True)], [_png(160, bad=True)])[0][0]


def test_it_judges_from_disk_and_in_a_package_as_it_was_trained(run: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, _ = run
    pictures = Dataset.from_examples([_png(60, bad=False), _png(160, bad=True), _png(161, bad=True)])
    scores = np.array([one.defect_score for one in load_predictor(folder, engine="torch").predict(pictures)])
    again = np.array([one.defect_score for one in load_predictor(folder, engine="torch").predict(pictures)])
    assert np.array_equal(scores, again)
    assert scores[1:].min() > scores[0]
    shown = _map(folder)
    assert shown.shows == "distance from good parts, weighed by known defects"
    if version_of("openvino") is None or read_record(folder).options.get("roi"):
        return
    package = load_predictor(export_package(folder, tmp_path / "package", to="openvino"))
    packed = np.array([one.defect_score for one in package.predict(pictures)])
    np.testing.assert_allclose(packed, scores, rtol=1e-3)
    assert _map(tmp_path / "package").shows == shown.shows


def test_it_takes_no_further_parts(run: tuple[Path, list[str]], tmp_path: Path) -> None:
    with pytest.raises(KenpinError, match="learn_defects weighs the distance by a head"):
        update(run[0], Dataset.from_examples([_png(70, bad=False)]), tmp_path / "new")


def test_without_the_option_defects_teach_nothing(tmp_path: Path) -> None:
    few, more = (Dataset.from_examples(_parts(bad=bad)) for bad in (1, 5))
    pictures = Dataset.from_examples([_png(60, bad=False), _png(160, bad=True)])
    of_each = []
    for learn in (False, True):
        scores = []
        for number, parts in enumerate((few, more)):
            if learn and parts is few:
                parts = Dataset.from_examples(_parts(bad=2))
            out = tmp_path / f"{learn}{number}"
            found = train("mahalanobis", dataset=parts, **(VALUES | {"out": out, "learn_defects": learn}))
            scores.append([one.defect_score for one in load_predictor(found).predict(pictures)])
        of_each.append(scores)
    assert of_each[0][0] == of_each[0][1]
    assert of_each[1][0] != of_each[1][1]


def test_trimming_looks_at_good_parts_alone(tmp_path: Path) -> None:
    found = train(
        "mahalanobis", dataset=Dataset.from_examples(_parts()), **(VALUES | {"trim": 0.1, "out": tmp_path / "a"})
    )
    assert any(note.startswith("A head has learned") for note in read_record(found).notes)


# ---- refusals


@pytest.mark.parametrize(
    ("values", "bad", "said"),
    [
        ({"where": "none"}, 5, "`learn_defects` does nothing with where none"),
        ({"updatable": "always"}, 5, "`updatable` does nothing with learn_defects"),
        ({}, 0, "0 defective parts to learn from"),
        ({}, 1, "0 defective parts to learn from"),
        ({"tile_px": 32}, 3, "nothing marks the defect of 100"),
        ({"made_defects": 4, "defect_rate": 0.1}, 3, "real defects decide better"),
    ],
)
def test_what_cannot_be_learned_is_refused(values: dict[str, Any], bad: int, said: str) -> None:
    with pytest.raises(KenpinError, match=said):
        begin("mahalanobis", None, Dataset.from_examples(_parts(bad=bad)), VALUES | values | {"out": "out"})


def test_the_command_says_it(kenpin: Run, few_parts: Path) -> None:
    status, _, err = kenpin(
        "train", "mahalanobis", "--data", str(few_parts), "--out", "run", "--base", "toy", "--where", "pooled",
        "--learn-defects",
    )  # fmt: skip
    assert status == 0
    assert "A head has learned from" in err
