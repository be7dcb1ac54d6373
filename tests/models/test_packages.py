"""Packages: they judge as their run does, wherever they lie, and what is not theirs is refused in a sentence."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.errors import KenpinError, OptionError, RunError
from kenpin.explain import explain
from kenpin.export import export_package
from kenpin.inspection import Line
from kenpin.models.package import opening
from kenpin.models.package.record import hashes_below
from kenpin.predictor import load_predictor
from kenpin.run.record import seal_of
from kenpin.runtime import Network, load_network, version_of
from tests.commands import Run
from tests.toy_runs import ToyRun

if version_of("openvino") is None or version_of("onnx") is None:
    pytest.skip("the extras openvino and onnx are not installed", allow_module_level=True)
CLOSE = 1e-4
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("classifier", {"tuning": "head", "head": "svm", "calibrate": "platt"}),
    ("classifier", {"tuning": "head", "head": "linear"}),
    ("classifier", {"tuning": "lora", "epochs": 1}),
    ("classifier", {"tuning": "full", "epochs": 1}),
    ("mahalanobis", {}),
    ("mahalanobis", {"method": "rt"}),
    ("mahalanobis", {"where": "positions"}),
    ("mahalanobis", {"where": "pooled"}),
    ("embedder", {"tuning": "head", "epochs": 1}),
    ("embedder", {"tuning": "full", "epochs": 1}),
]


FEW = (0, 3, 6, 9)  # of each family and form of output one
BOTH = [WAYS[4], WAYS[6], WAYS[7]]  # each form of output; the exporter for onnx takes its time


@pytest.fixture
def pictures(few_parts: Path) -> Dataset:
    return load_dataset(few_parts)


@pytest.fixture(scope="module")
def exported(toy_run: ToyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `run` and its `package`. Read only."""
    folder = tmp_path_factory.mktemp("exported")
    export_package(toy_run("mahalanobis", folder / "run", where="positions"), folder / "package", to="onnx")
    return folder


@pytest.fixture
def package(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported / "package", tmp_path / "package")


@pytest.mark.parametrize(
    ("family", "options"),
    [
        pytest.param(*way, marks=() if number in FEW else pytest.mark.slow, id=f"{way}")
        for number, way in enumerate(WAYS)
    ],
)
def test_a_package_judges_as_its_run(
    family: str, options: dict[str, Any], tmp_path: Path, toy_run: ToyRun, pictures: Dataset
) -> None:
    run = toy_run(family, tmp_path / "run", **options)
    predictor = load_predictor(run, engine="torch")
    expected = list(predictor.predict(pictures))
    for to in ("openvino", "onnx") if (family, options) in BOTH else ("openvino",):
        packaged = load_predictor(export_package(run, tmp_path / to, to=to))
        assert packaged.labels == predictor.labels
        assert packaged.threshold == predictor.threshold
        for found, wanted in zip(packaged.predict(pictures), expected, strict=True):
            assert (found.id, found.label) == (wanted.id, wanted.label)
            if wanted.defect_score is not None:
                assert found.defect_score == pytest.approx(wanted.defect_score, rel=CLOSE, abs=CLOSE)
            if predictor.threshold is not None:
                assert packaged.judge(found).verdict == predictor.judge(wanted).verdict
            assert list(found.contributions or ()) == list(wanted.contributions or ())
            if wanted.embedding is not None:
                np.testing.assert_allclose(found.embedding or (), wanted.embedding, rtol=CLOSE, atol=CLOSE)


def test_few_pictures_wait_for_one_network(package: Path, pictures: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def loading(*given: Any, **settings: Any) -> Network:
        asked.append(settings["work"])
        return load_network(*given, **settings)

    monkeypatch.setattr(opening, "load_network", loading)
    predictor = load_predictor(package)
    few = list(predictor.predict(pictures.select(range(3))))
    assert asked == ["single"]
    scores = [one.defect_score or 0.0 for one in predictor.predict(pictures)]
    assert asked == ["single", "many"]
    np.testing.assert_allclose([one.defect_score or 0.0 for one in few], scores[:3], rtol=CLOSE)


def test_onnx_runtime_reads_what_openvino_reads(package: Path, pictures: Dataset) -> None:
    scores = [
        [one.defect_score or 0.0 for one in load_predictor(package, engine=cast(Any, engine)).predict(pictures)]
        for engine in ("openvino", "onnx")
    ]
    np.testing.assert_allclose(scores[0], scores[1], rtol=CLOSE)


def test_maps_are_those_of_the_run(exported: Path, pictures: Dataset, few_parts: Path) -> None:
    paths = [few_parts / example.id for example in pictures.select(range(3))]
    ours, theirs = (
        [one.maps[0].values for one in explain(load_predictor(exported / folder, engine=cast(Any, engine)), paths)]
        for folder, engine in (("package", "auto"), ("run", "torch"))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_fewer_digits_change_little(precision: Any, toy_run: ToyRun, tmp_path: Path, pictures: Dataset) -> None:
    run = toy_run("classifier", tmp_path / "run", tuning="full", epochs=1)
    package = export_package(run, tmp_path / "package", to="openvino", precision=precision)
    scores = [
        [prediction.defect_score or 0.0 for prediction in load_predictor(folder, engine="auto").predict(pictures)]
        for folder in (run, package)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.02)
    whole = export_package(run, tmp_path / "whole", to="openvino")
    sizes = [(folder / "network" / "model.bin").stat().st_size for folder in (package, whole)]
    assert (sizes[0] < 0.6 * sizes[1]) == (precision == "fp16")


def test_the_commands_take_a_package_for_a_run(kenpin: Run, toy_run: ToyRun, tmp_path: Path, few_parts: Path) -> None:
    run = toy_run("mahalanobis", tmp_path / "run", where="positions")
    status, out, _ = kenpin("export", str(run), "package", "--to", "openvino")
    assert (status, out.strip()) == (0, "package")
    shutil.rmtree(run)  # nothing of it is needed
    shutil.move(tmp_path / "package", tmp_path / "elsewhere")
    picture = str(next((few_parts / "ok").iterdir()))
    assert kenpin("predict", "elsewhere", picture)[0] == 0
    assert kenpin("evaluate", "elsewhere", "--data", str(few_parts), "--with-seen")[0] == 0
    assert kenpin("explain", "elsewhere", picture, "--out", "map.png")[0] == 0
    assert kenpin("report", "elsewhere", "--out", "page.html")[0] == 0
    assert "<h1>elsewhere</h1>" in Path("page.html").read_text("utf-8")
    status, _, error = kenpin("evaluate", "elsewhere", "--data", str(few_parts))
    assert status == 2
    assert "learned" in error, "its lineage came along"
    Path(tmp_path / "policy.yaml").write_text("runs: {places: {run: elsewhere}}\n")
    with Line(tmp_path / "policy.yaml", tmp_path / "records") as line:
        record = line.judge("a.png", Path(picture).read_bytes())
    assert record.verdict is not None


def test_what_a_package_cannot_is_said(package: Path, kenpin: Run, few_parts: Path, toy_run: ToyRun) -> None:
    with pytest.raises(OptionError, match="take the run that it was made from"):
        load_predictor(package).inspector  # noqa: B018
    with pytest.raises(OptionError, match="which has none"):
        load_predictor(package, checkpoint="last")
    status, _, error = kenpin("evaluate", str(package), "--data", str(few_parts), "--with-seen", "--name", "again")
    assert status == 2
    assert "package" in error


@pytest.mark.parametrize(
    ("family", "options", "said"),
    [
        ("embedder", {"base": "mlp", "tuning": "full", "epochs": 1}, "base mlp"),
        ("paligemma", {"epochs": 1}, "computed by torch alone"),
    ],
)
def test_a_run_that_becomes_no_package_is_refused(
    family: str, options: dict[str, Any], said: str, toy_run: ToyRun, tmp_path: Path
) -> None:
    from tests.toy_runs import trained

    if family == "paligemma":
        run = trained(family, tmp_path / "run", None, **options)
    else:
        run = toy_run(family, tmp_path / "run", **options)
    with pytest.raises(OptionError, match=said):
        export_package(run, tmp_path / "package", to="onnx")
    assert not (tmp_path / "package").exists()


def test_options_of_the_other_kind_are_refused(kenpin: Run, toy_run: ToyRun, tmp_path: Path) -> None:
    run = str(toy_run("classifier", tmp_path / "run", tuning="full", epochs=1))
    for arguments, said in (
        (("--to", "onnx", "--dtype", "float16"), "take --precision"),
        (("--to", "onnx", "--precision", "fp16"), "take --to openvino"),
        (("--to", "merged", "--precision", "fp16"), "take --dtype"),
    ):
        status, _, error = kenpin("export", run, "out", *arguments)
        assert status == 2
        assert said in error


def _resealed(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        values = json.loads((folder / "package.json").read_text())
        change(values)
        (folder / "package.json").write_text(json.dumps(values))

    return apply


def _cut(folder: Path) -> None:
    file = folder / "network" / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1_000])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (_cut, "is not the file that was exported"),
    "network gone": (lambda folder: (folder / "network" / "model.onnx").unlink(), "is missing"),
    "another file": (lambda folder: (folder / "decision" / "more.npz").write_bytes(b""), "was not written by the"),
    "a link": (lambda folder: (folder / "network" / "more").symlink_to("/etc/passwd"), "is a link"),
    "changed run": (
        lambda folder: (folder / "run" / "run.json").write_bytes(b"{}"),
        "is not the file that was exported",
    ),
    "changed precision": (
        _resealed(lambda values: values.__setitem__("precision", "bf16")),
        "is not what the export wrote",
    ),
    "another version": (_resealed(lambda values: values.__setitem__("schema_version", 9)), "schema version 9"),
    "no JSON": (lambda folder: (folder / "package.json").write_text("{"), "package.json"),
    "a list": (lambda folder: (folder / "package.json").write_text("[]"), "package.json"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_package_is_refused_in_a_sentence(damage: str, package: Path) -> None:
    harm, said = DAMAGES[damage]
    harm(package)
    with pytest.raises(RunError, match=said) as refused:
        load_predictor(package)
    assert "\n" not in str(refused.value)


def _mutated(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        kind, at = draw.random(), draw.randrange(len(changed)) if changed else 0
        if kind < 0.5 and changed:
            changed[at] = draw.randrange(256)
        elif kind < 0.8:
            del changed[at : at + draw.randint(1, 400)]
        else:
            changed[at:at] = bytes(draw.randrange(256) for _ in range(draw.randint(1, 40)))
    return bytes(changed)


def _try_mutations(package: Path, count: int) -> None:
    """Files change on the way, which the seal shows."""
    draw = random.Random(0)
    originals = {file: file.read_bytes() for file in package.rglob("*") if file.is_file()}
    for number in range(count):
        file = draw.choice([*originals])
        file.unlink()
        file.write_bytes(_mutated(originals[file], draw))
        try:
            load_predictor(package)
            told = ""
        except KenpinError as error:
            told = str(error)
        assert "\n" not in told, number
        assert told or file.read_bytes() == originals[file], f"mutation {number} of {file.name} was not seen"
        file.write_bytes(originals[file])


def test_mutated_files_are_refused(package: Path) -> None:
    _try_mutations(package, 60)


@pytest.mark.slow
def test_a_thousand_mutated_files_are_refused(package: Path) -> None:
    _try_mutations(package, 1_000)


def _try_sealed_mutations(package: Path, pictures: Dataset, count: int) -> None:
    """Files are changed by somebody who seals them again: they are read, and judge or are refused."""
    draw = random.Random(0)
    record = json.loads((package / "package.json").read_text())
    record.pop("seal")
    originals = {file: file.read_bytes() for file in package.rglob("*") if file.is_file()}
    for number in range(count):
        file = draw.choice([one for one in originals if one.name != "package.json"])
        file.write_bytes(_mutated(originals[file], draw))
        values = record | {"files": hashes_below(package)}
        (package / "package.json").write_text(json.dumps(values | {"seal": seal_of(values)}))
        told = ""
        try:
            list(load_predictor(package).predict(pictures.select([0])))
        except KenpinError as error:
            told = str(error)
        assert "\n" not in told, f"mutation {number} of {file.name}"
        file.write_bytes(originals[file])


def test_mutated_files_that_are_sealed_again_judge_or_are_refused(package: Path, pictures: Dataset) -> None:
    _try_sealed_mutations(package, pictures, 6)


@pytest.mark.slow
def test_many_mutated_files_that_are_sealed_again_judge_or_are_refused(package: Path, pictures: Dataset) -> None:
    _try_sealed_mutations(package, pictures, 300)
