"""Augmented copies that a fit learns from: of what pictures they are, what they show, and that they judge nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.lineage import NOTHING_SEEN
from kenpin.data.loading import load_dataset
from kenpin.errors import DatasetError, OptionError
from kenpin.finished_run import load_run
from kenpin.models import get_family
from kenpin.models.classifier.heads import _folds
from kenpin.models.contract import Task
from kenpin.models.copies import AugmentedCopies, copies_by
from kenpin.models.inference import infer_batches
from kenpin.models.mahalanobis.cell_neighbours import fit_neighbours
from kenpin.models.tiles import for_learning
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.report.page import write_report
from kenpin.targets import Target
from kenpin.training import train
from tests.pictures import SHIFTS_PX, shifted_terminal
from tests.tables import write_table

MIRROR = {"passed": "passed", "Xplus": "Xminus", "Xminus": "Xplus", "Yplus": "Yplus", "Yminus": "forbid"}
QUIET: dict[str, Any] = {"brightness": 0.0, "contrast": 0.0}
BOTH: dict[str, Any] = {"flip_horizontal": "same", "flip_vertical": "same", **QUIET}


def _terminals(tmp_path: Path, *labels: str, count: int = 3) -> Dataset:
    examples = list[Example]()
    for label in labels:
        for seed in range(count):
            file = tmp_path / f"{label}{seed}.png"
            shifted_terminal(seed + 100 * len(examples), SHIFTS_PX[label]).save(file)
            examples.append(Example(id=file.name, image=ImageSource(path=str(file)), label=label))
    return Dataset.from_examples(examples)


def _options(family: str = "classifier", **values: Any) -> Any:
    return get_family(family).Options.from_mapping({"data": "-", "out": "-", "base": "toy", **values})


def _copies(count: int, **values: Any) -> AugmentedCopies:
    found = copies_by(_options(augmented_copies=count, **values), tuple(SHIFTS_PX))
    assert found is not None
    return found


def _pixels(pictures: Dataset) -> list[Any]:
    return [np.asarray(read_image(pictures.source_of(example)).convert("RGB")) for example in pictures]


def test_copies_by_flips_alone_are_all_mirror_images_of_their_picture_once(tmp_path: Path) -> None:
    pictures = _terminals(tmp_path, "Xplus")
    found = _copies(3, **BOTH).added_to(pictures)
    shown = _pixels(found)
    for row, picture in enumerate(_pixels(pictures)):
        mirrored = {flipped.tobytes() for flipped in (picture[:, ::-1], picture[::-1], picture[::-1, ::-1])}
        assert np.array_equal(shown[4 * row], picture)
        assert {one.tobytes() for one in shown[4 * row + 1 : 4 * row + 4]} == mirrored
    assert found.column("group") == [id for id in pictures.column("id") for _ in range(4)], "no fold parts them"


def test_a_copy_has_the_class_that_its_flip_makes_of_it(tmp_path: Path) -> None:
    pictures = _terminals(tmp_path, "Xplus", "Yminus", count=1)
    found = _copies(1, flip_horizontal=MIRROR, **QUIET).added_to(pictures)
    assert found.column("label") == ["Xplus", "Xminus", "Yminus", "Yminus"]
    plus, mirrored, minus, as_it_is = _pixels(found)
    assert np.array_equal(mirrored, plus[:, ::-1])
    assert np.array_equal(as_it_is, minus), "the map forbids this class to be mirrored"
    contents = found.contents()
    assert contents[::2] == pictures.contents()
    assert contents[3] == contents[2]
    assert contents[1] != contents[0]


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.9), st.floats(0, 180), st.booleans(), st.sampled_from(["off", "same"]))
def test_contents_are_equal_where_and_only_where_pictures_are(
    seed: int, brightness: float, degrees: float, crops: bool, flip: str
) -> None:
    values = {"brightness": brightness, "rotate_degrees": degrees, "flip_horizontal": flip}
    copies = AugmentedCopies(_copies(1, seed=seed, crop="same" if crops else "off", **values).augmenter, 2)
    file = Image.fromarray(np.random.default_rng(seed).integers(60, 190, (16, 12, 3), dtype=np.uint8))
    pictures = Dataset.from_examples(
        Example(id=name, image=ImageSource(data=data), label="passed")
        for name, data in (("a", _png(file)), ("the same again", _png(file)))
    )
    found = copies.added_to(pictures)
    shown, contents = [one.tobytes() for one in _pixels(found)], found.contents()
    assert shown[:3] == shown[3:], "whichever row a picture has"
    assert contents[:3] == contents[3:]
    assert len(set(contents)) == 3
    again = copies.added_to(pictures.select([1]))
    assert [one.tobytes() for one in _pixels(again)] == shown[:3], "and whatever it is among"


def _png(image: Image.Image) -> bytes:
    import io

    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("family", "values", "words"),
    [
        ("classifier", {"augmented_copies": 2, **QUIET}, "no augmentation is on"),
        ("classifier", {"augmented_copies": 2, "flip_horizontal": "same", **QUIET}, "take 1"),
        ("classifier", {"augmented_copies": 4, **BOTH}, "take 3"),
        ("classifier", {"augmented_copies": 1, "flip_horizontal": "on"}, "class map"),
        ("classifier", {"flip_horizontal": "same"}, "give `augmented_copies` too"),
        ("classifier", {"augmented_copies": 1, "tuning": "full"}, "`augmented_copies` does nothing with tuning full"),
        ("mahalanobis", {"rotate_degrees": 5}, "no --augmented-copies"),
        ("mahalanobis", {"augmented_copies": 1, "limit": "chi-square"}, "independent"),
        ("mahalanobis", {"augmented_copies": 1, "select_items": True}, "leave one out"),
        ("mahalanobis", {"augmented_copies": 1, "ridge": 0.0}, "no further ones"),
        ("mahalanobis", {"augmented_copies": 1, "flip_horizontal": {**MIRROR, "passed": "forbid"}}, "becomes Xminus"),
        (
            "mahalanobis",
            {"augmented_copies": 1, "flip_vertical": {**dict.fromkeys(SHIFTS_PX, "forbid"), "Yplus": "Yplus"}, **QUIET},
            "no augmentation is on",
        ),
        ("mahalanobis", {"augmented_copies": 1, "cluster": "local"}, "as they are"),
    ],
)
def test_copies_that_do_nothing_or_break_a_promise_are_refused(family: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        copies_by(
            _options(family, **values), tuple(SHIFTS_PX), ("passed", "Xplus") if family == "mahalanobis" else None
        )


def _unit_space(where: str, training: Dataset, **values: Any) -> Any:
    family: Any = get_family("mahalanobis")
    inspector = family.create(_options("mahalanobis", where=where, **values), Task(("passed",), ("passed",)))
    inspector.module.eval()
    inspector.fit(training, NOTHING_SEEN, lambda *_: None)
    return inspector


def _scores(inspector: Any, pictures: Dataset) -> Any:
    key = "map" if inspector._options.where != "none" else "features"
    found = np.concatenate([outputs[key] for _, outputs in infer_batches(inspector, pictures)])
    return found.max(axis=(1, 2))


@pytest.mark.parametrize("where", ["pooled", "neighbours"])
def test_of_few_good_parts_mirrored_ones_are_known_by_their_copies(where: str, tmp_path: Path) -> None:
    few = _terminals(tmp_path, "Xplus", count=4).with_labels(["passed"] * 4, ["passed"])
    mirrored = Dataset.from_examples(
        Example(id=one.id, image=ImageSource(data=_png(ImageOps.mirror(read_image(one.image))))) for one in few
    )

    def apart(**values: Any) -> float:
        inspector = _unit_space(where, few, **values)
        return float(_scores(inspector, mirrored).mean() - _scores(inspector, few).mean())

    alone, beside = apart(), apart(augmented_copies=1, flip_horizontal="same", **QUIET)
    assert alone > 0.2
    assert abs(beside) < alone / 4


def test_a_single_part_is_measured_by_itself_and_not_by_its_copies() -> None:
    """What is usual would else be how far a part lies from its own mirror image, and everything else far from it."""
    cells = torch.randn(1, 60, 8, generator=torch.Generator().manual_seed(0))
    near = torch.eye(60, dtype=torch.bool)
    values: dict[str, Any] = {"kept": 1_000, "ridge": 0.1, "seed": 0, "near": near}
    alone = fit_neighbours(lambda: [cells], 1, **values)
    beside = fit_neighbours(lambda: [cells, cells.flip(1)[:, :50]], 2, **values)  # less of an object may be seen turned
    assert beside.usual == pytest.approx(alone.usual, rel=0.05)


def test_the_scale_of_a_single_part_in_tiles_is_not_that_of_their_copies(parts: Path) -> None:
    """With it, a cut by two parts, each fitted without the other, would let nearly everything pass."""
    one = load_dataset(parts).select([0]).with_labels(["passed"], ["passed"])
    tiles: dict[str, Any] = {"tile_px": 32, "overlap": 0.0}
    alone = _unit_space("neighbours", one, **tiles)._fitted.usual
    beside = _unit_space("neighbours", one, augmented_copies=3, brightness=0.01, contrast=0.0, **tiles)._fitted.usual
    assert alone / 2 < beside < 2 * alone


def test_copies_do_not_stand_for_parts_that_are_missing(few_parts: Path) -> None:
    family: Any = get_family("classifier")
    whole = load_dataset(few_parts)
    inspector = family.create(_options(augmented_copies=3), Task(("ok", "scratch"), ("ok",)))
    with pytest.raises(DatasetError, match=r"each class: 24, 1; .* two pictures"):
        inspector.fit(whole.select(range(25)), NOTHING_SEEN, lambda *_: None)
    plus = whole.select(range(24)).with_labels(["ok"] * 24, ["ok", "scratch"])
    mapped = family.create(
        _options(augmented_copies=1, flip_horizontal={"ok": "scratch", "scratch": "ok"}), Task(("ok", "scratch"), ())
    )
    with pytest.raises(DatasetError, match="each class: 24, 0"):
        mapped.fit(plus, NOTHING_SEEN, lambda *_: None)


def test_a_table_of_numbers_has_no_copies(tmp_path: Path) -> None:
    table = write_table(tmp_path / "parts.csv")
    with pytest.raises(OptionError, match="`augmented_copies` does nothing with a table"):
        train("mahalanobis", data=str(table), out=tmp_path / "run", augmented_copies=2)


@pytest.mark.parametrize("where", ["none", "positions"])
def test_copies_of_the_same_parts_leave_the_ridge_as_it_is(where: str, few_parts: Path) -> None:
    """They tell nothing of how other parts differ, which is what it stands for."""
    good = load_dataset(few_parts).select(range(24)).with_labels(["passed"] * 24, ["passed"])
    alone = _ridge(_unit_space(where, good))
    beside = _ridge(_unit_space(where, good, augmented_copies=8, brightness=0.01, contrast=0.0))
    assert beside == pytest.approx(alone, rel=0.15)


def _ridge(inspector: Any) -> float:
    return inspector._space.ridge_ if inspector._options.where == "none" else float(inspector._fitted.ridge.mean())


def test_tiles_are_copied_and_known_by_the_row_of_their_picture(parts: Path) -> None:
    pictures = load_dataset(parts).select([0, 60])
    judge: Any = get_family("classifier").create(
        _options(augmented_copies=2, tile_px=32, overlap=0.0, seed=1), Task(("ok", "scratch"), ("ok",))
    )
    learned = for_learning(judge, pictures.select([0]), Target.LABEL, ("ok",))
    assert learned.originals == 4
    assert learned.rows == (0,) * 12
    tile, *copies = _pixels(learned.pictures)[:3]
    assert tile.shape == (32, 32, 3)
    assert all(copy.shape == tile.shape and not np.array_equal(copy, tile) for copy in copies)


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("classifier", {}),
        ("classifier", {"head": "linear", "beside": ("toy@32",)}),
        ("mahalanobis", {}),
        ("mahalanobis", {"where": "pooled"}),
        ("mahalanobis", {"where": "neighbours", "beside": ("toy@32",)}),
    ],
)
def test_a_run_with_copies_judges_each_part_once_and_says_what_it_learned_from(
    family: str, values: dict[str, Any], few_parts: Path, tmp_path: Path
) -> None:
    run = train(
        family, data=str(few_parts), out=tmp_path / "run", base="toy", augmented_copies=2, rotate_degrees=90.0,
        report=False, **values,
    )  # fmt: skip
    finished = load_run(run)
    assert len(finished.evaluation.judged) == 48, "each picture by a fit without it and without its copies"
    sentence = (
        "2 augmented copies of each were learned from as well: turned by up to 90°, brighter or darker by up to 10%, "
        "changed in contrast by up to 10%."
    )
    assert finished.record.notes.count(sentence) == 1
    page = write_report(run, tmp_path / "page.html", language="ja").read_text("utf-8")
    assert "データ拡張した複製 2 枚" in page
    before = finished.evaluation.judged[0]
    (again,) = load_predictor(run).predict_files([few_parts / before.id])
    assert again.defect_score is not None


def test_no_part_helps_to_judge_its_own_copies(few_parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sigmoid of a head is fitted to decisions on parts that the machine has not seen, in no form."""
    from sklearn import model_selection

    asked = []

    def spy(machine: Any, x: Any, truth: Any, *, cv: Any, method: str) -> Any:
        asked.extend(cv)
        return kept(machine, x, truth, cv=cv, method=method)

    kept = model_selection.cross_val_predict
    monkeypatch.setattr(model_selection, "cross_val_predict", spy)
    family: Any = get_family("classifier")
    inspector = family.create(_options(augmented_copies=3), Task(("ok", "scratch"), ("ok",)))
    inspector.fit(load_dataset(few_parts), NOTHING_SEEN, lambda *_: None)
    assert len(asked) == 5
    for fitted, decided in asked:
        assert not {row // 4 for row in fitted} & {row // 4 for row in decided}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40))
def test_folds_of_a_sigmoid_keep_parts_together_and_leave_both_kinds(examples: list[tuple[bool, int]]) -> None:
    truth, rows = np.array([kind for kind, _ in examples]), np.arange(len(examples)) // 2
    parts = np.array([part for _, part in examples])
    if truth.sum() < 2 or (~truth).sum() < 2:
        return
    folds = _folds(truth, (parts, rows))
    assert sorted(row for _, decided in folds for row in decided) == list(range(len(truth)))
    for fitted, _ in folds:
        assert 0 < truth[fitted].sum() < len(fitted)
    parted = [any(set(of[fitted]) & set(of[decided]) for fitted, decided in folds) for of in (parts, rows)]
    sizes = [np.unique(parts[truth == kind], return_counts=True)[1] for kind in (False, True)]
    if set(parts[truth]).isdisjoint(parts[~truth]) and all(len(of) == 2 and of.min() == of.max() for of in sizes):
        assert not parted[0], "half of each kind are left, whichever part is held out"
    of_rows = [len(set(rows[truth == kind])) for kind in (False, True)]
    if parted[0] and set(rows[truth]).isdisjoint(rows[~truth]) and min(of_rows) >= 6:
        assert not parted[1]


@pytest.mark.parametrize("where", ["none", "pooled"])
def test_moments_of_parts_that_come_later_have_their_copies_too(where: str, few_parts: Path) -> None:
    good = load_dataset(few_parts).select(range(24)).with_labels(["passed"] * 24, ["passed"])
    values = {"augmented_copies": 2, "updatable": "always", "ridge": 0.1}
    whole = _unit_space(where, good, **values)
    before, after = (whole.moments_of(good.select(rows), lambda *_: None) for rows in (range(14), range(14, 24)))
    updated = _unit_space(where, good.select(range(14)), **values)
    sentences = updated.fit_moments(before + after)
    assert "24 good" in sentences[0]
    assert sentences[1].startswith("2 augmented copies")
    np.testing.assert_allclose(_means(updated), _means(whole), rtol=1e-6)


def _means(inspector: Any) -> Any:
    return inspector._space.mean_ if inspector._options.where == "none" else inspector._fitted.mean.numpy()
