"""Packages of tables: every kind of unit space as a graph that judges as the run, in kenpin and without it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kenpin.data.loading import load_dataset
from kenpin.errors import DatasetError, KenpinError, MissingExtraError, OptionError, RunError
from kenpin.export import export_int8, export_package
from kenpin.models.mahalanobis.graph import write_graph
from kenpin.predictor import load_predictor
from kenpin.quality.calibration import IsotonicCurve, LogisticCurve, inside_unit, unit_of_distance
from kenpin.runtime import version_of
from kenpin.taguchi import AdjugateSpace, RecognitionSpace, UnitSpace
from kenpin.training import train
from tests.commands import Run
from tests.tables import write_table

if version_of("onnx") is None:
    pytest.skip("the extra onnx is not installed", allow_module_level=True)
pytest.importorskip("onnx")
CLOSE = 1e-9
WAYS: tuple[dict[str, Any], ...] = (
    {"calibrate": "isotonic"},
    {"method": "rt", "calibrate": "platt"},
    {"method": "mta", "limit": "chi-square", "calibrate": "none"},
    {"inverse": "pseudo", "limit": "quantile", "good_passed": 0.9, "calibrate": "none"},
    {"ridge": 0.0, "select_items": True},
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts with a column that never varies, which no space knows. Read only."""
    file = write_table(tmp_path_factory.mktemp("table") / "parts.csv")
    lines = file.read_text().splitlines()
    file.write_text("\n".join([f"{lines[0]},fixed", *(f"{line},7.5" for line in lines[1:])]) + "\n")
    return file


@pytest.fixture(scope="module")
def exported(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `run` and its `package`. Read only."""
    folder = tmp_path_factory.mktemp("exported")
    train("mahalanobis", data=str(table), out=folder / "run", report=False)
    export_package(folder / "run", folder / "package", to="onnx")
    return folder


@pytest.fixture
def package(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported / "package", tmp_path / "package")


def _alone(file: Path, rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Outputs by ONNX Runtime, without kenpin."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"rows": rows}), strict=True))


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_a_package_of_a_table_judges_as_its_run(options: dict[str, Any], table: Path, tmp_path: Path) -> None:
    run = train("mahalanobis", data=str(table), out=tmp_path / "run", report=False, **options)
    package = export_package(run, tmp_path / "package", to="onnx")
    ours, theirs = load_predictor(package), load_predictor(run)
    parts = load_dataset(table)
    expected = list(theirs.predict(parts))
    assert ours.threshold == theirs.threshold
    assert ours.threshold is not None
    assert (expected[0].uncalibrated_score is None) == (options.get("calibrate", "none") == "none")
    for found, wanted in zip(ours.predict(parts), expected, strict=True):
        assert found.id == wanted.id
        assert found.defect_score == pytest.approx(wanted.defect_score, rel=CLOSE)
        assert found.distance == pytest.approx(wanted.distance, rel=CLOSE)
        assert found.contributions == pytest.approx(wanted.contributions, rel=CLOSE, abs=CLOSE)
        assert list(found.contributions or ()) == list(wanted.contributions or ())
        assert ours.judge(found).verdict == theirs.judge(wanted).verdict
    record = json.loads((package / "package.json").read_text())["input"]
    assert record["score_unit"] == ("D²/k" if options.get("calibrate", "none") == "none" else "probability")
    said = _alone(package / "network" / "model.onnx", parts.numbers(record["items"]))
    np.testing.assert_allclose(said["score"], np.array([one.defect_score for one in expected], float), rtol=CLOSE)
    np.testing.assert_allclose(said["distance"], np.array([one.distance for one in expected], float), rtol=CLOSE)


def test_a_table_is_read_by_its_names_not_its_order(package: Path, table: Path, tmp_path: Path) -> None:
    lines = [line.split(",") for line in table.read_text().splitlines()]
    (tmp_path / "turned.csv").write_text("\n".join(",".join(line[::-1]) for line in lines) + "\n")
    predictor = load_predictor(package)
    straight, turned = (predictor.predict_files([file]) for file in (table, tmp_path / "turned.csv"))
    assert [one.defect_score for one in straight] == [one.defect_score for one in turned]


def _without_width(lines: list[list[str]]) -> None:
    for line in lines:
        del line[4]


def _with(cell: str) -> Callable[[list[list[str]]], None]:
    def change(lines: list[list[str]]) -> None:
        lines[3][4] = cell

    return change


REFUSED: dict[str, tuple[Callable[[list[list[str]]], None], str]] = {
    "no column": (_without_width, "no item 'width'"),
    "empty": (_with(""), "item width is empty"),
    "nan": (_with("nan"), "not a finite number"),
    "too large": (_with("1e200"), "too large to be squared"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_table_that_the_run_refuses_is_refused_as_there(
    kind: str, exported: Path, table: Path, tmp_path: Path
) -> None:
    change, said = REFUSED[kind]
    lines = [line.split(",") for line in table.read_text().splitlines()]
    change(lines)
    (tmp_path / "wrong.csv").write_text("\n".join(",".join(line) for line in lines) + "\n")
    told = []
    for folder in ("run", "package"):
        with pytest.raises(KenpinError, match=said) as refused:
            list(load_predictor(exported / folder).predict_files([tmp_path / "wrong.csv"]))
        told.append(str(refused.value))
    assert told[0] == told[1]


def test_pictures_are_refused(package: Path, few_parts: Path) -> None:
    with pytest.raises(DatasetError, match="it holds pictures, and this model judges rows"):
        list(load_predictor(package).predict(load_dataset(few_parts)))


def _curve(kind: str, units: NDArray[np.float64]) -> LogisticCurve | IsotonicCurve | None:
    """One whose scores, where it is a curve through points, have a step right below one of the units."""
    if kind == "logistic":
        return LogisticCurve(0.7, -1.3)
    step = float(np.sort(units)[20]) - 1e-9
    scores = (0.0, step / 2, step, step, 1 - 2.0**-53, 1.0)
    return IsotonicCurve(scores, (0.01, 0.1, 0.3, 0.6, 0.9, 0.99)) if kind == "points" else None


@pytest.mark.parametrize("kind", ["none", "logistic", "points"])
@pytest.mark.parametrize(
    "space",
    [UnitSpace(), AdjugateSpace(), RecognitionSpace([[0, 3, 1], [4, 2]])],
    ids=lambda space: type(space).__name__,
)
def test_the_graph_is_the_space_and_its_curve(space: Any, kind: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(60, 5)) @ draw.normal(size=(5, 5)) + 1e3
    items = np.array([6, 0, 3, 4, 1])
    space.fit(rows)
    given = draw.normal(size=(80, 7))
    given[:40, items] = rows[:40]
    given[40:] *= 10.0 ** np.arange(40)[:, None]  # so far away at last that the score rounds to 1
    distances = space.score_samples(given[:, items])
    units = np.array([inside_unit(unit_of_distance(distance)) for distance in distances.tolist()])
    curve = _curve(kind, units)
    write_graph(tmp_path / "model.onnx", space, items, tuple("abcdefg"), curve)
    said = _alone(tmp_path / "model.onnx", given)
    np.testing.assert_allclose(said["distance"], distances, rtol=1e-6)
    np.testing.assert_allclose(said["shares"], space.contributions(given[:, items]), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(said["score"], distances if curve is None else curve.apply(units), rtol=1e-6)
    for wrong in (np.nan, np.inf, -np.inf, 1e200):
        broken = np.array(given)
        broken[:, 3] = wrong
        said = _alone(tmp_path / "model.onnx", broken)
        assert np.isnan([said["score"], said["distance"]]).all(), "nothing passes by a missing number"


def test_the_commands_take_a_package_of_a_table(kenpin: Run, exported: Path, table: Path, tmp_path: Path) -> None:
    run = shutil.copytree(exported / "run", tmp_path / "run")
    assert kenpin("export", str(run), "package", "--to", "onnx")[:2] == (0, "package\n")
    for folder in ("run", "package"):
        for against in ((), ("--against", str(table))):
            status, _, error = kenpin("explain", folder, str(table), "--out", "maps", *against)
            assert (status, "gives the share of each item" in error) == (2, True), (folder, against, error)
    shutil.rmtree(run)
    rows = str(table)
    status, out, _ = kenpin("predict", "package", rows, "--json", "said.json")
    assert (status, len(out.splitlines())) == (0, 200)
    assert {row["seen"] for row in json.loads(Path("said.json").read_text())["predictions"]} == {True}
    assert kenpin("evaluate", "package", "--data", rows, "--with-seen")[0] == 0
    assert kenpin("report", "package", "--out", "page.html")[0] == 0
    Path("policy.yaml").write_text("runs: {table: {run: package}}\n")
    for arguments, said in (
        (("evaluate", "package", "--data", rows), "has learned from all of these"),
        (("predict", "package", rows, "--draw", "drawn"), "have no picture"),
        (("predict", "package", rows, "--engine", "openvino"), "64 bits, by onnx alone"),
        (("inspect", "policy.yaml", rows, "--out", "records"), "judges rows of a table, not pictures"),
    ):
        status, _, error = kenpin(*arguments)
        assert (status, said in error) == (2, True), (arguments, error)


def test_what_no_package_of_a_table_can_be_is_said(exported: Path, tmp_path: Path, monkeypatch: Any) -> None:
    run, out = exported / "run", tmp_path / "out"
    tries: tuple[tuple[Callable[[], object], type[KenpinError], str], ...] = (
        (lambda: export_package(run, out, to="openvino"), OptionError, "need 64 bits; take --to onnx"),
        (lambda: export_package(run, out, to="onnx", precision="bf16"), OptionError, "leave --precision out"),
        (lambda: export_int8(run, out), OptionError, "need 64 bits; take --to onnx"),
    )
    for attempt, kind, said in tries:
        with pytest.raises(kind, match=said):
            attempt()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"kenpin\[onnx-export\]"):
        export_package(run, out, to="onnx")
    assert not out.exists()


def test_a_changed_package_of_a_table_is_refused(package: Path) -> None:
    file = package / "package.json"
    values = json.loads(file.read_text())
    values["input"]["items"] = values["input"]["items"][::-1]
    file.write_text(json.dumps(values))
    with pytest.raises(RunError, match="is not what the export wrote"):
        load_predictor(package)


def test_a_changed_byte_of_any_file_is_refused(package: Path) -> None:
    for file in [path for path in package.rglob("*") if path.is_file()]:
        content = file.read_bytes()
        for at in (0, len(content) // 2, len(content) - 1):
            file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(RunError):
                load_predictor(package)
        file.write_bytes(content)
    load_predictor(package)
