"""Runs and bases of strangers: no code of theirs is run or asked about; what is damaged or too large is a sentence."""

from __future__ import annotations

import builtins
import copy
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kenpin.arrays import read_npy, read_npz
from kenpin.errors import KenpinError, OptionError, RunError
from kenpin.files import read_json
from kenpin.finished_run import load_run
from kenpin.models.networks.backbones import load_backbone
from kenpin.predictor import load_predictor
from kenpin.run.layout import CALIBRATION, MODEL
from kenpin.run.maps import Maps, PictureMap, read_maps, write_maps
from kenpin.run.record import RunRecord, read_record, write_record
from kenpin.run.seal import seal
from tests.toy_runs import ToyRun, saved_base


class Touch:
    """A pickle that writes a file where it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object) -> str:
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(builtins, "input", ask)


def sealed(run: Path, **changes: Any) -> Path:
    """The run, its seal made anew as a stranger would."""
    record = read_json(run / "run.json")
    record.pop("seal")
    write_record(run, RunRecord.model_validate(record | changes | {"files": seal(run)}))
    return run


def entry(file: Path, **entries: Any) -> None:
    """Further entries in a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


CODE = "code.py"
AUTO = {"AutoConfig": "code.Config", "AutoModelForImageClassification": "code.Model", "AutoImageProcessor": "code.Own"}


@pytest.fixture
def code(tmp_path: Path) -> str:
    """Python that writes a file when it is imported."""
    return f"open({str(tmp_path / 'pwned')!r}, 'w')\n"


@pytest.mark.parametrize(
    ("file", "entries", "told"),
    [
        ("config.json", {"auto_map": AUTO}, r"config\.json names code of its own \(auto_map\), which is never run"),
        ("config.json", {"auto_map": AUTO, "model_type": "evil"}, r"config\.json names code of its own"),
        ("preprocessor_config.json", {"auto_map": AUTO}, r"preprocessor_config\.json names code of its own"),
        ("config.json", {"deep": [{"auto_map": AUTO}]}, r"config\.json names code of its own"),
        ("config.json", {"_attn_implementation": "owner/kernels"}, "names 'owner/kernels' as _attn_implementation"),
        ("config.json", {"attn_implementation": {"": "owner/k@main:f"}}, "names 'owner/k@main:f' as attn_impl"),
        ("config.json", {"_attn_implementation": "flash_attention_2"}, "nothing that computes is fetched"),
        ("preprocessor_config.json", {"size": {"height": 60_000, "width": 60_000}}, r"to 60,000 pixels \(height\)"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 60_000}}, r"to 60,000 pixels \(shortest_edge\)"),
    ],
)
@pytest.mark.parametrize("of", ["base", "run"])
def test_what_a_configuration_names_is_refused(
    of: str, file: str, entries: dict[str, Any], told: str, code: str, tmp_path: Path, toy_run: ToyRun
) -> None:
    if of == "base":
        base = saved_base("classifier", tmp_path / "base")
        (base / CODE).write_text(code)
        entry(base / file, **entries)
        with pytest.raises(OptionError, match=told):
            load_backbone(str(base), ("ok", "ng"), 0)
    else:
        run = toy_run("classifier", tmp_path / "run", tuning="full", epochs=1)
        folder = run / "model" / ("weights" if file == "config.json" else "processor")
        (folder / CODE).write_text(code)
        entry(folder / file, **entries)
        with pytest.raises(RunError, match=told):
            load_predictor(sealed(run))
    assert not (tmp_path / "pwned").exists()


def test_a_configuration_without_code_is_loaded(tmp_path: Path) -> None:
    base = saved_base("classifier", tmp_path / "base")
    entry(base / "config.json", auto_map={}, _attn_implementation="sdpa")
    assert load_backbone(str(base), ("ok", "ng"), 0).image_size_wh == (32, 32)


def test_a_pickle_in_place_of_weights_is_refused(tmp_path: Path, toy_run: ToyRun) -> None:
    run = toy_run("classifier", tmp_path / "run", tuning="full", epochs=1)
    weights = run / "model" / "weights"
    (weights / "model.safetensors").unlink()
    (weights / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(tmp_path / "pwned")))
    with pytest.raises(RunError, match="the weights cannot be read"):
        load_predictor(sealed(run))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"megatron_config": {}, "megatron_core": "antigravity", "peft_type": "NONE"}, "its kind is 'NONE'"),
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "its entry megatron_config"),
        ({"init_lora_weights": "corda"}, "its entry init_lora_weights"),
    ],
)
def test_what_an_adapter_names_is_refused(entries: dict[str, Any], told: str, tmp_path: Path, toy_run: ToyRun) -> None:
    run = toy_run("classifier", tmp_path / "run", tuning="lora", epochs=1)
    load_predictor(run)
    entry(run / "model" / "adapter" / "adapter_config.json", **entries)
    with pytest.raises(RunError, match=told):
        load_predictor(sealed(run))


def test_an_adapter_is_no_pickle(tmp_path: Path, toy_run: ToyRun) -> None:
    run = toy_run("classifier", tmp_path / "run", tuning="lora", epochs=1)
    adapter = run / "model" / "adapter"
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(RunError, match=r"adapter_model\.safetensors: is missing"):
        load_predictor(sealed(run))


def test_weights_of_nan_are_an_error_when_they_are_loaded(tmp_path: Path, toy_run: ToyRun) -> None:
    run = toy_run("classifier", tmp_path / "run", tuning="full", epochs=1)
    file = run / "model" / "weights" / "model.safetensors"
    weights = load_file(file)
    weights["classifier.bias"][0] = torch.nan
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(RunError, match=r"classifier\.bias holds numbers that are none \(NaN or infinity\)"):
        load_predictor(sealed(run))


def bomb(file: Path, claimed: tuple[int, ...], real_bytes: int) -> None:
    """An `.npz` file of zeros in the place of `weights`."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO()
        np.lib.format.write_array_header_2_0(head, {"descr": "<f8", "fortran_order": False, "shape": claimed})
        with archive.open("weights.npy", "w", force_zip64=True) as stream:
            stream.write(head.getvalue())
            for _ in range(real_bytes // 2**20):
                stream.write(bytes(2**20))


def changed(**arrays: Any) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with np.load(file) as was:
            kept = dict(was)
        np.savez(file, **{name: value for name, value in (kept | arrays).items() if value is not None})

    return change


def not_a_number(file: Path) -> None:
    with np.load(file) as was:
        kept = dict(was)
    kept["bias"][0] = np.nan
    np.savez(file, **kept)


def plain_npy(file: Path) -> None:
    with file.open("wb") as stream:
        np.save(stream, np.zeros(3))


HEADS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nan": (not_a_number, r"array bias holds numbers that are none \(NaN or infinity\)"),
    "no keys": (lambda file: np.savez(file), "holds no head of 2 classes"),
    "a key less": (changed(bias=None), "holds no head of 2 classes"),
    "a key more": (changed(more=np.zeros(2)), "holds no head of 2 classes"),
    "another shape": (changed(bias=np.zeros(3)), r"bias has the shape \(3,\), where \(1,\) belongs"),
    "plain npy": (plain_npy, "not a zip archive of arrays"),
    "objects": (changed(bias=np.array([{}, {}], dtype=object)), "holds Python objects, which are never loaded"),
    "no zip": (lambda file: file.write_bytes(b"PK\x03\x04" * 9), "cannot be read"),
    "claims 8 TiB": (lambda file: bomb(file, (2**40,), 0), "states the shape"),
    "unpacks to 300 MB": (lambda file: bomb(file, (300 * 2**17,), 300 * 2**20), "unpack to 314,572"),
    "negative": (lambda file: bomb(file, (-(2**10), -(2**10)), 8 * 2**20), "states the shape"),
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_that_is_none_is_one_sentence(kind: str, tmp_path: Path, toy_run: ToyRun) -> None:
    run = toy_run("classifier", tmp_path / "run")
    spoil, told = HEADS[kind]
    spoil(run / "model" / "head.npz")
    with pytest.raises(RunError, match=told) as caught:
        load_predictor(sealed(run))
    assert "head.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["references.npz", "unit_space.npz"])
def test_arrays_of_other_families_are_checked_as_well(name: str, tmp_path: Path, toy_run: ToyRun) -> None:
    family = "embedder" if name == "references.npz" else "mahalanobis"
    run = toy_run(family, tmp_path / "run", **({"epochs": 1} if family == "embedder" else {}))
    (file,) = (run / "model").glob(name)
    for spoil in (plain_npy, lambda file: np.savez(file), lambda file: bomb(file, (300 * 2**17,), 300 * 2**20)):
        spoil(file)
        with pytest.raises(RunError, match=name.replace(".", r"\.")):
            load_predictor(sealed(run))


@pytest.mark.parametrize(
    "options", [{}, {"method": "rt"}, {"where": "pooled"}, {"where": "positions"}], ids=["mt", "rt", "pooled", "places"]
)
def test_no_array_of_a_unit_space_holds_what_is_no_number(
    options: dict[str, Any], tmp_path: Path, toy_run: ToyRun
) -> None:
    run = toy_run("mahalanobis", tmp_path / "run", **options)
    load_predictor(run)
    (file,) = (run / "model").glob("*_space*.npz")
    with np.load(file) as saved:
        whole = dict(saved)
    floats = [name for name, array in whole.items() if array.dtype.kind == "f"]
    assert {"mean", "ridge"} <= {*floats}
    for name, number in zip(floats, cycle((np.nan, np.inf, -np.inf)), strict=False):
        spoiled = whole[name].copy()
        spoiled.reshape(-1)[-1] = number
        np.savez(file, **(whole | {name: spoiled}))
        with pytest.raises(RunError, match=rf"space.*\.npz: array {name} holds numbers that are none \(NaN or inf"):
            load_predictor(sealed(run))


def _floats_of(value: Any) -> list[tuple[Any, Any]]:
    """Holder and key of every number with a point in the values of a JSON file."""
    items = [*value.items()] if isinstance(value, dict) else [*enumerate(value)] if isinstance(value, list) else []
    inside = [found for _, item in items for found in _floats_of(item)]
    return [(value, key) for key, item in items if isinstance(item, float)] + inside


def test_what_is_no_number_in_an_evaluation_or_a_decision_is_one_sentence(tmp_path: Path, toy_run: ToyRun) -> None:
    run = toy_run("classifier", tmp_path / "run")
    whole = read_json(run / "evaluation.json")
    for part in ("measures", "per_class", "curves"):
        for number in ("nan", "inf", "-inf", float("nan"), float("inf")):
            values = copy.deepcopy(whole)
            holder, key = _floats_of(values[part])[-1]
            holder[key] = number
            (run / "evaluation.json").write_text(json.dumps(values))
            with pytest.raises(RunError, match=rf"evaluation\.json\.{part}\S* .*is not a finite number\. Restore"):
                _ = load_run(run).evaluation
    # a distance may overflow, and a cut may lie below all scores
    values = copy.deepcopy(whole)
    values["judged"][0]["prediction"] |= {"distance": "inf", "defect_score": "nan"}
    values["threshold"]["fail_from"] = "-inf"
    (run / "evaluation.json").write_text(json.dumps(values))
    assert load_run(run).evaluation.judged[0].prediction.distance == np.inf
    threshold = read_json(run / "run.json")["threshold"]
    with pytest.raises(RunError, match=r"run\.json: threshold: Threshold: .* fail_from nan\. Restore the file"):
        load_predictor(sealed(run, threshold=threshold | {"fail_from": "nan"}))
    sealed(run, threshold=threshold)
    for curve, where in (
        ({"slope": "nan", "offset": 0.0}, "slope"),
        ({"scores": [0.0, float("inf")], "precisions": [0.0, 1.0]}, r"scores\[1\]"),
    ):
        (run / MODEL / CALIBRATION).write_text(json.dumps(curve))
        with pytest.raises(RunError, match=rf"{CALIBRATION}\.{where}: .* is not a finite number"):
            load_predictor(sealed(run))


def test_a_run_that_stands_on_itself_is_one_sentence(tmp_path: Path, toy_run: ToyRun) -> None:
    run = toy_run("classifier", tmp_path / "run")
    options = dict(read_record(run).options) | {"base": str(run)}
    sealed(run, base_id=str(run), options=options)
    with pytest.raises(RunError, match="stands on itself"):
        load_predictor(run)
    other = shutil.copytree(run, tmp_path / "other")
    sealed(other, base_id=str(run), base_commit="seal 0", options=options)
    sealed(run, base_id=str(other), base_commit="seal 0", options=options)
    with pytest.raises(KenpinError, match="stands on itself"):
        load_predictor(run)


def test_masks_larger_than_their_bits_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "maps.npz"
    grid = np.zeros((2, 2), np.float32)
    write_maps(file, Maps({"a": PictureMap(grid, (0, 0, 1, 1), (8, 8), "x", np.ones((4, 4), bool))}, "u", True, True))
    assert read_maps(file) is not None
    with np.load(file) as was:
        kept = dict(was)
    for shape in ((2**20, 2**20), (-4, -4)):
        np.savez(file, **(kept | {"mask_shapes": np.array([shape])}))
        with pytest.raises(RunError, match="masks are larger"):
            read_maps(file)


def test_arrays_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = {
        "a/b": np.arange(6.0).reshape(2, 3),
        "text": np.array(["x", "良品"]),
        "one": np.array(3),
        "no": np.empty(0),
    }
    np.savez_compressed(tmp_path / "a.npz", **written)  # type: ignore[arg-type]
    read = read_npz(tmp_path / "a.npz")
    assert read.keys() == written.keys()
    for name, array in written.items():
        np.testing.assert_array_equal(read[name], array)
    np.save(tmp_path / "a.npy", written["text"])
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), written["text"])
    np.savez_compressed(tmp_path / "b.npz", a=np.zeros(10_000))
    with pytest.raises(ValueError, match=r"unpack to .*, more than an honest file holds"):
        read_npz(tmp_path / "b.npz", room_bytes=1_000)
