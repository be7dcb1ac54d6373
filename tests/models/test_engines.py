"""Frozen networks on engines beside torch: equal answers, kept once, and an aid that is never a condition."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.errors import MissingExtraError, OptionError
from kenpin.models.classifier.family import FAMILY
from kenpin.models.classifier.options import ClassifierOptions
from kenpin.models.contract import Task
from kenpin.models.inference import compute_features, frozen_of, infer_together
from kenpin.models.networks import converting, kept_networks, on_engine
from kenpin.models.networks.backbones import Backbone, load_backbone
from kenpin.models.networks.feature_store import FeatureStore
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.stored_pixels import StoredPixels
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record
from kenpin.runtime import chosen_engine, load_network, version_of
from kenpin.training import train
from kenpin.training.listener import Listener
from tests.commands import Run
from tests.toy_runs import ToyRun

if version_of("openvino") is None or version_of("onnx") is None:
    pytest.skip("the extras openvino and onnx are not installed", allow_module_level=True)
ENGINES = ("openvino", "onnx")
CLOSE = 1e-4
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("classifier", {"tuning": "head", "head": "svm"}),
    ("classifier", {"tuning": "lora", "epochs": 1}),
    ("classifier", {"tuning": "full", "epochs": 1}),
    ("mahalanobis", {}),
    ("mahalanobis", {"where": "positions"}),
    ("mahalanobis", {"where": "pooled"}),
    ("embedder", {"tuning": "head", "epochs": 1}),
    ("embedder", {"tuning": "full", "epochs": 1}),
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and nothing loaded yet."""
    monkeypatch.setattr(on_engine, "_networks", OrderedDict())
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pictures(few_parts: Path) -> Dataset:
    return load_dataset(few_parts).select(range(0, 48, 5))


def backbone() -> Backbone:
    return load_backbone("toy", ("ok", "scratch"), 0)


@pytest.mark.parametrize(("family", "options"), [WAYS[2], WAYS[4]], ids=str)
def test_openvino_says_what_torch_says(
    family: str, options: dict[str, Any], tmp_path: Path, toy_run: ToyRun, pictures: Dataset
) -> None:
    _compare(family, options, tmp_path, toy_run, pictures, ("openvino",))


@pytest.mark.slow
@pytest.mark.parametrize(("family", "options"), WAYS, ids=str)
def test_every_engine_says_what_torch_says(
    family: str, options: dict[str, Any], tmp_path: Path, toy_run: ToyRun, pictures: Dataset
) -> None:
    _compare(family, options, tmp_path, toy_run, pictures, ENGINES)


def _compare(
    family: str, options: dict[str, Any], tmp_path: Path, toy_run: ToyRun, pictures: Dataset, engines: Sequence[str]
) -> None:
    run = toy_run(family, tmp_path / "run", **options)
    by_torch = load_predictor(run, engine="torch")
    expected = list(by_torch.predict(pictures))
    assert by_torch.engine == "torch"
    for engine in engines:
        predictor = load_predictor(run, engine=engine)  # type: ignore[arg-type]
        assert predictor.engine.startswith(engine)
        for found, wanted in zip(predictor.predict(pictures), expected, strict=True):
            assert found.label == wanted.label
            if wanted.defect_score is not None and found.defect_score is not None:
                assert found.defect_score == pytest.approx(wanted.defect_score, rel=CLOSE, abs=CLOSE)
            if wanted.embedding is not None and found.embedding is not None:
                np.testing.assert_allclose(found.embedding, wanted.embedding, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_line_gets_the_same_as_a_data_set(
    engine: Any, tmp_path: Path, toy_run: ToyRun, pictures: Dataset, few_parts: Path
) -> None:
    predictor = load_predictor(toy_run("mahalanobis", tmp_path / "run", where="positions"), engine=engine)
    images = [Image.open(few_parts / example.id).convert("RGB") for example in pictures]
    (alone,) = infer_together([predictor.inspector], images)
    maps = [found.values for _, found in predictor.localise(pictures)]
    one_by_one = [predictor.inspector.map_of(grid, (64, 64)).values for grid in alone["map"]]  # type: ignore[attr-defined]
    np.testing.assert_allclose(one_by_one, maps, rtol=CLOSE, atol=CLOSE)


def test_a_training_records_the_engine_that_made_its_features(
    tmp_path: Path, toy_run: ToyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_record(toy_run("classifier", tmp_path / "torch", tuning="head")).options["engine"] == "torch"
    record = read_record(toy_run("classifier", tmp_path / "openvino", tuning="head", engine="openvino"))
    assert record.options["engine"] == "openvino"
    assert record.versions["openvino"]


def test_features_of_one_engine_never_answer_for_another(cache: Path, pictures: Dataset) -> None:
    of = {engine: head(engine) for engine in ("torch", "openvino")}
    from kenpin.models.inference import store_of

    keys = set()
    for inspector in of.values():
        list(compute_features(inspector, pictures))
        store = store_of(inspector)
        assert isinstance(store, FeatureStore)
        keys.add(store._key("a picture"))
    assert len(keys) == len(of)


def head(engine: str) -> Any:
    options = ClassifierOptions(data="-", out=Path("-"), base="toy", engine=engine)
    return FAMILY.create(options, Task(("ok", "scratch"), ("ok",)))


def test_a_network_is_converted_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert frozen_of(head("openvino")) is not None
    monkeypatch.setattr(converting, "_to_openvino", lambda *_: pytest.fail("converted a second time"))
    monkeypatch.setattr(on_engine, "_networks", OrderedDict())  # as in another process
    assert frozen_of(head("openvino")) is not None
    monkeypatch.setattr(on_engine, "load_network", lambda *_, **__: pytest.fail("loaded a second time"))
    assert frozen_of(head("openvino")) is not None


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_network_is_converted_anew(damage: str, cache: Path) -> None:
    first = frozen_of(head("openvino"))
    assert first is not None
    rows = np.stack([first.prepare(Image.new("RGB", (40, 50), "grey"))])
    expected = first.begin(rows)()
    (weights,) = (cache / "networks").glob("*/model.bin")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.unlink()  # never in its place: the network may be mapped from it
    if damage != "gone":
        weights.write_bytes(content[:-9] if damage == "cut" else content)
    on_engine._networks.clear()  # as in another process
    again = frozen_of(head("openvino"))
    assert again is not None
    assert torch.equal(again.begin(rows)(), expected)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_engine, "_networks", OrderedDict())
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "file"))
    frozen = frozen_of(head("openvino"))
    assert frozen is not None
    assert frozen.begin(np.stack([frozen.prepare(Image.new("RGB", (32, 32)))]))().shape == (1, 64)


def test_the_oldest_networks_are_dropped_but_never_the_one_in_use(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_networks, "LIMIT_BYTES", 3_000)

    def convert(folder: Path) -> None:
        (folder / "model.onnx").write_bytes(b"x" * 2_000)

    def network(name: str) -> Path:
        return kept_networks.kept_network(name, convert)

    assert (network("first") / "model.onnx").is_file()
    os.utime(cache / "networks" / "first", (1, 1))
    assert (network("second") / "model.onnx").is_file()
    assert [folder.name for folder in (cache / "networks").iterdir()] == ["second"]


def test_torch_takes_over_where_auto_chose_an_engine_that_cannot(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(converting, "_to_openvino", refuse)
    monkeypatch.setenv("KENPIN_ENGINE", "openvino")
    inspector = head("auto")
    assert frozen_of(inspector) is None
    assert "no such operation" in caplog.text
    assert inspector.extract.key == "torch"
    with pytest.raises(OptionError, match=r"openvino cannot take this network \(no such operation\); take torch"):
        frozen_of(head("openvino"))


def test_a_training_by_auto_ends_with_torch_where_the_engine_cannot(
    cache: Path, few_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(converting, "_to_openvino", refuse)
    monkeypatch.setenv("KENPIN_ENGINE", "openvino")
    told: list[str] = []
    listener = Listener(say=told.append)
    values: dict[str, Any] = {"base": "toy", "tuning": "head", "report": False}
    for dataset in ({"data": str(few_parts)}, {"dataset": load_dataset(few_parts)}):
        run = train("classifier", **values, **dataset, out=tmp_path / "run", overwrite=True, listener=listener)
        assert read_record(run).options["engine"] == "torch"
        assert "openvino cannot take this network (no such operation); torch computes it." in told
        told.clear()
    with pytest.raises(OptionError, match="take torch"):
        train("classifier", **values, data=str(few_parts), out=tmp_path / "named", engine="openvino")


def test_an_engine_that_is_not_installed_names_its_extra(kenpin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kenpin.runtime.engines.version_of", lambda name: None if name != "torch" else "2")
    monkeypatch.delenv("KENPIN_ENGINE", raising=False)
    assert chosen_engine("auto") == "torch"
    with pytest.raises(MissingExtraError, match=r'pip install "kenpin\[onnx\]"'):
        chosen_engine("onnx")
    with pytest.raises(OptionError, match="did you mean `openvino`"):
        chosen_engine("openvina")


def test_auto_takes_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENPIN_ENGINE", "onnx")
    assert chosen_engine("auto") == "onnx"
    assert chosen_engine("torch") == "torch"


def test_auto_converts_no_network_for_a_training_on_few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KENPIN_ENGINE", raising=False)
    assert [chosen_engine("auto", pictures) for pictures in (16, 2_000)] == ["torch", chosen_engine("auto")]
    assert chosen_engine("openvino", 16) == "openvino", "who names one gets it"
    monkeypatch.setenv("KENPIN_ENGINE", "onnx")
    assert chosen_engine("auto", 16) == "onnx"


def test_a_training_on_few_pictures_records_that_torch_computed(
    tmp_path: Path, toy_run: ToyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KENPIN_ENGINE", raising=False)
    assert chosen_engine("auto") != "torch"
    assert read_record(toy_run("classifier", tmp_path / "run", tuning="head")).options["engine"] == "torch"


def test_few_pictures_are_work_for_every_request(
    cache: Path, pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspector = head("openvino")
    frozen = frozen_of(inspector)
    assert frozen is not None
    begun: list[int] = []
    begin = frozen.begin

    def counted(rows: Any) -> Any:
        begun.append(len(rows))
        return begin(rows)

    monkeypatch.setattr(frozen, "begin", counted)
    monkeypatch.setattr(type(frozen), "depth", 2)
    few = pictures.select(range(4))
    expected = list(compute_features(inspector, few))
    assert begun == [2, 2]
    assert len(expected) == 4


_SENDS = textwrap.dedent(
    """
    import importlib, sys

    sent = []
    if sys.argv[1:]:
        from openvino_telemetry.utils.sender import TelemetrySender

        TelemetrySender.send = lambda *message: sent.append(message)
        importlib.import_module(sys.argv[1])
        sent.clear()
    from kenpin.models.networks.backbones import load_backbone

    assert load_backbone("toy", ("a",), 0).on_engine("openvino").is_on
    from openvino.tools.ovc.convert_impl import tm

    tm.Telemetry("kenpin", "1", "2").send_event("a", "b", "c")
    print(len(sent), sys.modules["openvino_telemetry"])
    """
)


@pytest.mark.parametrize("first", [[], ["openvino"]], ids=" ".join)
def test_nothing_is_sent_about_its_use(first: list[str], tmp_path: Path) -> None:
    """In a process of its own, whatever that has imported before."""
    environment = os.environ | {"HOME": str(tmp_path), "KENPIN_CACHE": str(tmp_path / "cache")}
    told = subprocess.check_output([sys.executable, "-c", _SENDS, *first], env=environment, text=True)
    sent, module = told.splitlines()[-1].split(" ", 1)
    assert sent == "0"
    assert (module == "None") == (not first)


def test_an_unknown_device_is_refused_by_name(cache: Path) -> None:
    assert frozen_of(head("openvino")) is not None
    (file,) = (cache / "networks").glob("*/model.xml")
    with pytest.raises(OptionError, match="OpenVINO finds CPU"):
        load_network("openvino", file, device="NPU")


def test_a_network_that_is_not_float32_stays_with_torch() -> None:
    half = backbone()
    half.network.to(torch.bfloat16)
    assert not half.on_engine("openvino").is_on


def test_what_still_trains_stays_with_torch() -> None:
    trained = backbone()
    trained.network.train()
    assert not trained.on_engine("openvino").is_on


def processors() -> Iterator[tuple[str, Any]]:
    from transformers import ConvNextImageProcessorPil, ViTImageProcessorPil

    plain = {"size": {"height": 32, "width": 48}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
    yield "bilinear", ViTImageProcessorPil(resample=2, **plain)
    yield "bicubic", ViTImageProcessorPil(resample=3, **plain)
    yield "no means", ViTImageProcessorPil(do_normalize=False, **plain)
    yield "cropped", ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=0.875)


@pytest.mark.parametrize(
    ("name", "processor"), [*processors()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_bytes_become_the_pixel_values_of_the_processor(name: str, processor: Any) -> None:
    own = Backbone("made", nn.Linear(1, 1), processor)
    stored = StoredPixels.of_processor(processor, own.encode, own.image_size_wh)
    assert stored is not None
    assert stored.resizing is not None
    assert (stored.resizing.shortest_px is not None) == (name == "cropped")
    picture = Image.effect_noise((91, 57), 80).convert("RGB")
    found = stored.pixel_values(torch.from_numpy(stored.of(picture))[None])
    torch.testing.assert_close(found, own.encode([picture])["pixel_values"], rtol=0, atol=1e-6)


def test_a_processor_that_does_something_else_is_used_as_it_is() -> None:
    base = backbone()

    def inverted(images: Any) -> Any:
        return {"pixel_values": -base.encode(images)["pixel_values"]}

    assert StoredPixels.of_processor(base.processor, inverted, base.image_size_wh) is None
    frozen = OnEngine(
        base.features, base.network, inverted, processor=base.processor, size_wh=base.image_size_wh, engine="openvino"
    )
    assert frozen.is_on
    picture = Image.effect_noise((32, 32), 80).convert("RGB")
    with torch.inference_mode():
        expected = frozen(inverted([picture]))
    torch.testing.assert_close(frozen.begin(frozen.prepare(picture)[None])(), expected, rtol=1e-4, atol=1e-4)


def test_batches_of_any_size_are_computed_together(cache: Path) -> None:
    frozen = replace(backbone()).on_engine("openvino")
    assert frozen.is_on
    draw = np.random.default_rng(0)
    batches = [draw.integers(0, 256, (count, 32, 32, 3), np.uint8) for count in (1, 5, 2, 7, 1, 3, 4, 8)]
    waits = [frozen.begin(batch) for batch in batches]
    for batch, wait in zip(batches, waits, strict=True):
        alone = torch.cat([frozen.at_once([Image.fromarray(row)]) for row in batch])
        torch.testing.assert_close(wait(), alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_get_the_outputs_of_their_own_pictures(engine: str, cache: Path) -> None:
    frozen = backbone().on_engine(engine)
    assert frozen.is_on
    draw = np.random.default_rng(0)
    batches = [draw.integers(0, 256, (1 + number % 3, 32, 32, 3), np.uint8) for number in range(120)]
    expected = [frozen.begin(batch)() for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda batch: frozen.at_once([*map(Image.fromarray, batch)]), batches))
    for ours, alone in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, alone, rtol=1e-5, atol=1e-5)
