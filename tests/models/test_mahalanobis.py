"""Unit spaces as a family: methods, limits, item selection, runs and tables as sources of items."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.errors import DatasetError, KenpinError, OptionError, RunError, UnitSpaceError
from kenpin.models.mahalanobis import MahalanobisOptions
from kenpin.predictor import load_predictor
from kenpin.records_json import from_json
from kenpin.taguchi import AdjugateSpace, RecognitionSpace, UnitSpace
from kenpin.taguchi.limits import chi_square_limit, f_limit
from kenpin.taguchi.selection import Selection
from kenpin.training import train
from tests.tables import ITEMS, write_table


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six numbers of each part. Read only."""
    return write_table(tmp_path_factory.mktemp("table") / "parts.csv")


def _good(table: Path) -> np.ndarray:
    dataset = load_dataset(table)
    return dataset.numbers(ITEMS)[[label == "ok" for label in dataset.column("label")]]


def _trained(table: Path, out: Path, **options: Any) -> Path:
    return train("mahalanobis", data=str(table), out=out, report=False, **options)


def _distances(run: Path, dataset: Dataset) -> NDArray[np.float64]:
    return np.array([prediction.distance for prediction in load_predictor(run).predict(dataset)], np.float64)


def _threshold(run: Path) -> float:
    threshold = load_predictor(run).threshold
    assert threshold is not None
    return threshold.fail_from


@pytest.mark.parametrize(
    ("options", "space"),
    [
        ({}, UnitSpace()),
        ({"ridge": 0.0}, UnitSpace(0)),
        ({"inverse": "pseudo"}, UnitSpace(inverse="pseudo")),
        ({"method": "mta"}, AdjugateSpace()),
        ({"method": "rt"}, RecognitionSpace()),
    ],
)
def test_a_run_on_a_table_is_the_space_itself(options: dict[str, Any], space: Any, table: Path, tmp_path: Path) -> None:
    run = _trained(table, tmp_path / "run", **options)
    dataset = load_dataset(table)
    expected = space.fit(_good(table)).score_samples(dataset.numbers(ITEMS))
    np.testing.assert_allclose(_distances(run, dataset), expected, rtol=1e-6)


def test_contributions_of_a_table_name_its_columns(table: Path, tmp_path: Path) -> None:
    run = _trained(table, tmp_path / "run", ridge=0.0)
    dataset = load_dataset(table)
    bad = dataset.select(i for i, label in enumerate(dataset.column("label")) if label == "ng")
    strongest = [next(iter(said.contributions or {})) for said in load_predictor(run).predict(bad)]
    assert sum(name in ("length", "width") for name in strongest) > 0.8 * len(strongest)


def test_a_table_is_read_by_its_names_not_its_order(table: Path, tmp_path: Path) -> None:
    run = _trained(table, tmp_path / "run")
    lines = [line.split(",") for line in table.read_text().splitlines()]
    (tmp_path / "turned.csv").write_text("\n".join(",".join(line[::-1]) for line in lines) + "\n")
    turned = load_dataset(tmp_path / "turned.csv")
    assert turned.item_names == ITEMS[::-1]
    np.testing.assert_array_equal(_distances(run, turned), _distances(run, load_dataset(table)))
    (tmp_path / "narrow.csv").write_text("\n".join(",".join(line[:-1]) for line in lines) + "\n")
    with pytest.raises(DatasetError, match="no item 'gloss'"):
        _distances(run, load_dataset(tmp_path / "narrow.csv"))


def test_items_of_a_table_that_never_vary_are_left_out_and_told(table: Path, tmp_path: Path) -> None:
    lines = table.read_text().splitlines()
    (tmp_path / "t.csv").write_text("\n".join([lines[0] + ",fixed", *(line + ",1000.5" for line in lines[1:])]) + "\n")
    run = _trained(tmp_path / "t.csv", tmp_path / "run")
    assert "1 item without variation was left out" in " ".join(json.loads((run / "run.json").read_text())["notes"])
    np.testing.assert_allclose(
        _distances(run, load_dataset(tmp_path / "t.csv")),
        UnitSpace().fit(_good(table)).score_samples(load_dataset(table).numbers(ITEMS)),
        rtol=1e-6,
    )


def test_pictures_and_tables_are_told_apart(table: Path, parts: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="it is a table of numbers"):
        train("classifier", data=str(table), out=tmp_path / "run", base="toy")
    with pytest.raises(OptionError, match="does nothing with a table"):
        _trained(table, tmp_path / "run", base="toy")
    run = _trained(table, tmp_path / "run")
    with pytest.raises(DatasetError, match="it holds pictures"):
        _distances(run, load_dataset(parts))


@pytest.mark.parametrize("ridge", [0.0, "ledoit-wolf"])
def test_selection_finds_the_items_that_tell_and_confirms_them(ridge: Any, table: Path, tmp_path: Path) -> None:
    run = _trained(table, tmp_path / "run", select_items=True, ridge=ridge)
    text = (run / "model" / "selection.json").read_text("utf-8")
    selection = from_json(Selection, json.loads(text), "selection.json")
    kept = [selection.gains[place].item for place in selection.kept]
    assert set(kept) >= {"length", "width"}
    assert len(kept) <= 3
    confirmed = selection.confirmation
    assert confirmed is not None
    assert not confirmed.lost
    assert (confirmed.good, confirmed.defective) == (45, 15)
    assert (confirmed.change.low or 0) <= (confirmed.change.value or 0) <= (confirmed.change.high or 0)
    places = [ITEMS.index(name) for name in kept]
    expected = UnitSpace(ridge).fit(_good(table)[:, places]).score_samples(load_dataset(table).numbers(kept))
    np.testing.assert_allclose(_distances(run, load_dataset(table)), expected, rtol=1e-6)
    notes = " ".join(json.loads((run / "run.json").read_text())["notes"])
    assert f"keeps {len(kept)} of 6 items. On 45 good and 15 defective" in notes
    assert all(name in notes for name in selection.dropped)
    assert "model/selection.json" in json.loads((run / "run.json").read_text())["files"]


def test_a_choice_that_loses_is_not_taken(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kenpin.models.mahalanobis import selection
    from kenpin.taguchi.selection import select_items

    def worst(*args: Any, **settings: Any) -> Selection:
        from dataclasses import replace

        found = select_items(*args, **settings)
        return replace(found, gains=tuple(replace(gain, kept=gain.item == "hum") for gain in found.gains))

    monkeypatch.setattr(selection, "select_items", worst)
    run = _trained(table, tmp_path / "run", select_items=True, ridge=0.0)
    assert "more than chance, so all items are kept" in " ".join(json.loads((run / "run.json").read_text())["notes"])
    expected = UnitSpace(0).fit(_good(table)).score_samples(load_dataset(table).numbers(ITEMS))
    np.testing.assert_allclose(_distances(run, load_dataset(table)), expected, rtol=1e-6)


def test_selection_needs_defective_parts(tmp_path: Path) -> None:
    few = write_table(tmp_path / "few.csv", bad=9)
    with pytest.raises(UnitSpaceError, match="9 defective training parts; at least 10"):
        _trained(few, tmp_path / "run", select_items=True)


def test_selection_holds_whole_groups_out(table: Path, tmp_path: Path) -> None:
    from kenpin.models.mahalanobis.selection import divide_parts

    lots = [f"lot {place // 10}" for place in range(200)]
    dataset = load_dataset(table)._with_column("group", lots)
    portions = divide_parts(dataset, [label == "ok" for label in dataset.column("label")], 0.3, seed=0)
    held_out = {lots[place] for place in portions.good_held_out + portions.defective_held_out}
    assert held_out
    assert held_out.isdisjoint(lots[place] for place in portions.good + portions.defective)
    assert sorted(portions.all_rows) == list(range(200))


def test_limits_are_those_of_the_shipped_space(table: Path, tmp_path: Path) -> None:
    space = UnitSpace(0).fit(_good(table))
    by_f = _trained(table, tmp_path / "f", ridge=0.0, limit="f", good_passed=0.95)
    assert _threshold(by_f) == pytest.approx(f_limit(space, 0.95).value)
    by_chi = _trained(table, tmp_path / "chi", ridge=0.0, limit="chi-square")
    assert _threshold(by_chi) == pytest.approx(chi_square_limit(space, 0.99).value)
    by_rt = _trained(table, tmp_path / "rt", method="rt", limit="f")
    assert _threshold(by_rt) == pytest.approx(f_limit(RecognitionSpace().fit(_good(table)).space_).value)


def test_a_quantile_is_of_good_parts_that_the_space_has_not_seen(table: Path, tmp_path: Path) -> None:
    run = _trained(table, tmp_path / "q", limit="quantile", good_passed=0.9)
    sure = _trained(table, tmp_path / "sure", limit="quantile", good_passed=0.9, confidence=0.95)
    seen = np.quantile(_distances(run, load_dataset(table)), 0.9)
    assert _threshold(run) != pytest.approx(seen)
    assert _threshold(sure) > _threshold(run)
    with pytest.raises(OptionError, match="at least 299"):
        _trained(table, tmp_path / "few", limit="quantile", confidence=0.95)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"inverse": "pseudo", "ridge": 0.1}, "`ridge` does nothing with inverse pseudo"),
        ({"method": "rt", "select_items": True}, "`select_items` does nothing with method rt"),
        ({"keep_share": 0.3}, "`keep_share` does nothing with no --select-items"),
        ({"limit": "chi-square", "cost_escape": 3}, "`cost_escape` does nothing with limit chi-square"),
        ({"confidence": 0.9}, "`confidence` does nothing with limit costs"),
        ({"limit": "f"}, "without a ridge alone"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        MahalanobisOptions.from_mapping({"data": "-", "out": "-", **options})


def test_what_cannot_be_fitted_leaves_nothing_behind(tmp_path: Path) -> None:
    small = write_table(tmp_path / "small.csv", good=14, bad=5)
    small.write_text(small.read_text("utf-8").replace("operator", "lot"), "utf-8")  # two lots, hence two folds
    with pytest.raises(KenpinError, match="too little"):
        _trained(small, tmp_path / "run", ridge=0.0)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def head_run(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Path:
    """A classifier by its head, whose vectors are features of its base. Read only."""
    out = tmp_path_factory.mktemp("head") / "run"
    return train("classifier", data=str(parts), out=out, base="toy", tuning="head", report=False)


def test_vectors_of_a_run_are_items(head_run: Path, parts: Path, tmp_path: Path) -> None:
    pictures = load_dataset(parts)
    vectors = np.concatenate([rows for _, rows in load_predictor(head_run).embed(pictures)])
    good = vectors[[label == "ok" for label in pictures.column("label")]]
    run = train("mahalanobis", data=str(parts), out=tmp_path / "run", base=str(head_run), ridge=0.2, report=False)
    expected = UnitSpace(0.2).fit(good).score_samples(vectors)
    np.testing.assert_allclose(_distances(run, pictures), expected, rtol=1e-3)
    said = next(load_predictor(run).predict(pictures.select([0])))
    assert all(name.startswith("vector.") for name in said.contributions or {})
    record = json.loads((run / "run.json").read_text())
    assert record["base_id"] == str(head_run.absolute())


def test_a_base_run_that_changed_or_went_is_refused(head_run: Path, parts: Path, tmp_path: Path) -> None:
    base = copytree(head_run, tmp_path / "base")
    run = train("mahalanobis", data=str(parts), out=tmp_path / "run", base=str(base), report=False)
    load_predictor(run)
    # the same vectors, and yet another run
    train("classifier", data=str(parts), out=base, base="toy", head="linear", overwrite=True, report=False)
    with pytest.raises(RunError, match="answers differently"):
        load_predictor(run)
    rmtree(base)
    with pytest.raises(RunError, match="no such run"):
        load_predictor(run)


def test_a_base_run_is_not_written_over_by_what_stands_on_it(head_run: Path, parts: Path, tmp_path: Path) -> None:
    base = copytree(head_run, tmp_path / "base")
    with pytest.raises(KenpinError, match="the data come from this folder"):
        train("mahalanobis", data=str(parts), out=base, base=str(base), overwrite=True)
    assert (base / "run.json").is_file()


def test_a_run_without_vectors_is_no_base(parts: Path, tmp_path: Path) -> None:
    tuned = train("classifier", data=str(parts), out=tmp_path / "a", base="toy", tuning="lora", epochs=1, report=False)
    with pytest.raises(OptionError, match="makes no embeddings"):
        train("mahalanobis", data=str(parts), out=tmp_path / "run", base=str(tuned))


def test_a_unit_space_on_a_unit_space_run_sees_the_same_features(parts: Path, tmp_path: Path) -> None:
    first = train("mahalanobis", data=str(parts), out=tmp_path / "a", base="toy", report=False)
    second = train("mahalanobis", data=str(parts), out=tmp_path / "b", base=str(first), report=False)
    pictures = load_dataset(parts).select(range(20, 30))
    np.testing.assert_allclose(_distances(second, pictures), _distances(first, pictures), rtol=1e-4)


def test_a_built_in_base_is_never_a_folder(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "run.json").write_text("{}")
    train("mahalanobis", data=str(parts), out=tmp_path / "run", base="toy", report=False)
