"""Family embedder: what each option does to batches, losses, weights, references and predictions."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_metric_learning.utils.loss_and_miner_utils import get_all_pairs_indices

from kenpin.config import TransformOptions
from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset
from kenpin.errors import CollapseError, DatasetError, OptionError, RunError
from kenpin.models import get_family
from kenpin.models.contract import Task
from kenpin.models.embedder.batches import mixed_order
from kenpin.models.embedder.networks import mlp
from kenpin.models.embedder.objectives import COMPARING, MARGINS, Objective
from kenpin.models.embedder.references import References, fit_references, read_references
from kenpin.models.inference import infer_batches
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.training import train
from kenpin.training.schedules import schedule_of

TASK = Task(("ok", "scratch"), ("ok",))
OBJECTIVES = ("softmax", *MARGINS, "supervised-contrastive")


def _options(**values: Any) -> Any:
    return get_family("embedder").Options.from_mapping({"data": "-", "out": "-", "base": "toy", **values})


def _train(parts: Path, out: Path, **values: Any) -> Path:
    settings = {"base": "mlp", "tuning": "full", "epochs": 1, "report": False, **values}
    return train("embedder", data=str(parts), out=out, **settings)


def _objective(name: Any, miner: Any = "all", **values: Any) -> Objective:
    torch.manual_seed(0)
    settings = {"margin": None, "temperature": 0.1, "classes": 3, "dimension": 4, **values}
    return Objective(name, miner, **settings)


# ---- batches ----


def test_batches_hold_several_pictures_of_several_classes() -> None:
    labels = ["a"] * 90 + ["b"] * 30 + ["c"] * 12 + ["d"] * 5
    order = mixed_order(labels, 4, seed=0, epoch=0)
    assert len(order) == len(labels)
    for start in range(0, len(order) - 16, 16):
        assert set(Counter(labels[place] for place in order[start : start + 16]).values()) == {4}
    assert len(set(order)) > 0.5 * len(labels)


def test_without_a_number_each_picture_comes_once() -> None:
    assert sorted(mixed_order(["a", "b"] * 20, None, seed=0, epoch=3)) == list(range(40))


def test_seed_and_epoch_alone_decide_the_order() -> None:
    labels = ["a", "b", "c"] * 20
    np.random.default_rng().random()
    assert mixed_order(labels, 4, 1, 2) == mixed_order(labels, 4, 1, 2)
    assert len({tuple(mixed_order(labels, 4, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


# ---- objectives ----


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_prefers_classes_apart(name: str) -> None:
    numbers = torch.arange(3).repeat_interleave(5)
    objective = _objective(name)
    vectors = torch.nn.functional.normalize(torch.randn(15, 4)).requires_grad_()
    rate = torch.optim.Adam([vectors, *objective.parameters()], lr=0.05)
    first = objective(vectors, numbers)
    for _ in range(150):
        rate.zero_grad()
        objective(vectors, numbers).backward()
        rate.step()
    assert objective.eval()(vectors, numbers).item() < first.item()
    similar = torch.nn.functional.normalize(vectors.detach()) @ torch.nn.functional.normalize(vectors.detach()).T
    same = numbers[:, None] == numbers
    assert similar[same].mean() > similar[~same].mean() + 0.3


def test_the_contrastive_loss_is_that_of_the_formula() -> None:
    """½ d² of pairs of one class, ½ max(0, m - d)² of others: the mean of either kind."""
    vectors, numbers = torch.randn(12, 4), torch.tensor([0, 1, 2] * 4)
    distances = torch.cdist(vectors, vectors)
    same = numbers[:, None] == numbers
    itself = torch.eye(12, dtype=torch.bool)
    near = (distances[same & ~itself] ** 2 / 2).mean()
    far = (torch.relu(1.5 - distances[~same]) ** 2 / 2).mean()
    assert float(_objective("contrastive", margin=1.5).eval()(vectors, numbers)) == pytest.approx(
        float(near + far), 1e-4
    )


@pytest.mark.parametrize("training", [True, False])
def test_all_pairs_at_once_teach_what_a_list_of_them_teaches(training: bool) -> None:
    numbers = torch.randint(0, 4, (60,))
    vectors = torch.randn(60, 2).requires_grad_()
    loss = _objective("contrastive", margin=1.0).train(training).loss
    found = [loss(vectors, numbers, pairs) for pairs in (None, get_all_pairs_indices(numbers))]
    gradients = [torch.autograd.grad(one, vectors)[0] for one in found]
    assert found[0].item() == pytest.approx(found[1].item(), rel=1e-6)
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-5, atol=1e-8)
    assert gradients[0].abs().max() > 0


def test_the_triplet_loss_is_that_of_the_formula() -> None:
    vectors, numbers = torch.randn(9, 4), torch.tensor([0, 1, 2] * 3)
    distances = torch.cdist(vectors, vectors)
    losses = [
        max(0.0, float(distances[a, p] - distances[a, n]) + 0.7)
        for a in range(9)
        for p in range(9)
        for n in range(9)
        if a != p and numbers[a] == numbers[p] != numbers[n]
    ]
    assert float(_objective("triplet", margin=0.7).eval()(vectors, numbers)) == pytest.approx(np.mean(losses), 1e-4)


@pytest.mark.parametrize("name", COMPARING)
def test_a_miner_learns_from_fewer_pairs_while_training_alone(name: str) -> None:
    vectors, numbers = torch.nn.functional.normalize(torch.randn(30, 4)), torch.arange(3).repeat(10)
    plain = _objective(name)
    for miner in ("semihard", "hard", "multi-similarity"):
        mining = _objective(name, miner)
        assert float(mining.train()(vectors, numbers)) != pytest.approx(float(plain.train()(vectors, numbers)), 1e-4)
        assert float(mining.eval()(vectors, numbers)) == float(plain.eval()(vectors, numbers))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_one_picture_alone_costs_no_more_than_its_class(name: str) -> None:
    loss = _objective(name)(torch.randn(1, 4, requires_grad=True), torch.tensor([1]))
    loss.backward()
    assert torch.isfinite(loss)


# ---- options ----


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"objective": "softmax", "margin": 0.5}, "`margin` does nothing with tuning head and objective softmax"),
        ({"objective": "triplet", "temperature": 0.5}, "`temperature` does nothing"),
        ({"objective": "arcface", "miner": "hard"}, "`miner` does nothing"),
        ({"objective": "softmax", "together": "good"}, "`together` does nothing"),
        ({"brightness": 0.3}, "`brightness` does nothing with tuning head"),
        ({"lora_rank": 3}, "`lora_rank` does nothing"),
        ({"base": "mlp"}, "base mlp has learned nothing yet"),
        ({"batch_size": 30}, "`batch_size` 30 is no multiple of `pictures_per_class` 4"),
        ({"schedule": "step"}, "schedule step and `step_epochs` go together"),
        ({"step_epochs": 2}, "schedule step and `step_epochs` go together"),
    ],
)
def test_what_would_do_nothing_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        _options(**values)


def test_schedule_step_takes_a_tenth_every_so_many_epochs() -> None:
    # 10 epochs of 47 steps, a fall every 8
    schedule = schedule_of("step", 0.0, falls=10 / 8)
    rates = [schedule(step, 471) for step in range(1, 471)]
    assert rates[: 8 * 47] == [1.0] * (8 * 47)
    assert rates[8 * 47 :] == pytest.approx([0.1] * (2 * 47))


def _moved(parts: Path, **values: Any) -> set[str]:
    inspector: Any = get_family("embedder").create(_options(**values), TASK)
    training = load_dataset(parts)
    examples = [training[place] for place in inspector.epoch_order(training, 0)[:16]]
    batch = inspector.encode([read_image(one.image) for one in examples]) | inspector.encode_targets(examples)
    module = inspector.module.train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    inspector.total_loss(module, batch).backward()
    torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.5).step()
    return {name for name, tensor in module.state_dict().items() if not torch.equal(before[name], tensor)}


def test_head_moves_the_projection_and_the_objective_alone(parts: Path) -> None:
    moved = _moved(parts, tuning="head", objective="proxy-anchor")
    assert {name.split(".")[0] for name in moved} == {"projection", "objective"}
    assert "objective.loss.proxies" in moved


def test_lora_moves_adapters_too(parts: Path) -> None:
    moved = _moved(parts, tuning="lora", objective="arcface")
    assert any("lora_B" in name for name in moved)
    assert all("lora_" in name for name in moved if name.startswith("body."))


def test_full_moves_every_weight_that_features_go_through(parts: Path) -> None:
    inspector: Any = get_family("embedder").create(_options(tuning="full"), TASK)
    moved = _moved(parts, tuning="full")
    body = {name for name in inspector.module.state_dict() if name.startswith("body.vit")}
    assert {name for name in body - moved if not name.endswith("k_proj.bias")} == set()
    assert not any("classifier" in name for name in moved)


def test_vectors_have_the_dimension_and_length_that_were_asked_for(parts: Path) -> None:
    for normalise in (True, False):
        inspector: Any = get_family("embedder").create(_options(dimension=7, normalise=normalise), TASK)
        images = [read_image(load_dataset(parts)[place].image) for place in (0, 70)]
        with torch.no_grad():
            vectors = inspector.infer({"features": inspector.extract(inspector.encode(images))})["embedding"]
        assert vectors.shape == (2, 7)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(2)) is normalise


def test_the_perceptron_sees_grey_pictures_of_28() -> None:
    from PIL import Image

    backbone = mlp(0)
    pictures = [Image.new("RGB", (50, 30), colour) for colour in ((0, 0, 0), (255, 255, 255), (255, 0, 0))]
    pixels = backbone.encode(pictures)["pixel_values"]
    assert pixels.shape == (3, 1, 28, 28)
    assert [float(one.mean()) for one in pixels] == pytest.approx([(x - 0.1307) / 0.3081 for x in (0, 1, 0.299)], 1e-4)
    assert backbone.features(pixels).shape == (3, 256)
    widths = [layer.out_features for layer in backbone.network.modules() if isinstance(layer, torch.nn.Linear)]
    assert widths == [256, 256]


def _grey_pictures(count: int) -> Any:
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def test_grey_pictures_encoded_at_once_are_those_encoded_one_by_one() -> None:
    from PIL import Image

    pixels = np.concatenate([np.arange(256, dtype=np.uint8).repeat(49).reshape(-1, 28, 28), _grey_pictures(5)])
    one_by_one = mlp(0).encode([Image.fromarray(grey).convert("RGB") for grey in pixels])
    assert torch.equal(mlp(0).encode_grey(pixels)["pixel_values"], one_by_one["pixel_values"])


@pytest.mark.parametrize("odd", [None, b"", "packed", "large"])
def test_a_batch_with_another_picture_in_it_is_opened_one_by_one(odd: Any) -> None:
    import io

    from PIL import Image

    from kenpin.data.plain_png import plain_pngs

    files = list(plain_pngs(_grey_pictures(9)))
    if odd == "packed":
        file = io.BytesIO()
        Image.open(io.BytesIO(files[4])).save(file, "PNG")
        files[4] = file.getvalue()
    elif odd is not None:
        files[4] = odd if odd == b"" else next(plain_pngs(np.zeros((1, 40, 40), np.uint8)))
    dataset = Dataset.from_examples(
        Example(str(place), ImageSource(f"{place}.png", file)) for place, file in enumerate(files)
    )
    inspector: Any = get_family("embedder").create(_options(base="mlp", tuning="full"), TASK)
    refused: list[str] = []
    found = list(infer_batches(inspector, dataset, batch_size=3, on_error=lambda one, _: refused.append(one.id)))
    assert refused == (["4"] if odd == b"" else [])
    assert [one.id for batch, _ in found for one in batch] == [str(n) for n in range(9) if str(n) not in refused]
    assert {one.size_wh for batch, _ in found for one in batch} == (
        {(28, 28), (40, 40)} if odd == "large" else {(28, 28)}
    )
    images = [read_image(one.image) for batch, _ in found for one in batch]
    with torch.inference_mode():
        expected = inspector.infer(inspector.encode(images))["embedding"]
    assert np.allclose(np.concatenate([outputs["embedding"] for _, outputs in found]), expected.numpy(), atol=1e-6)


# ---- good pictures alone are drawn together ----


def test_of_bad_pictures_each_is_a_class_of_its_own() -> None:
    task = Task(("ok", "scratch", "fine", "dent"), ("ok", "fine"))
    inspector: Any = get_family("embedder").create(_options(together="good"), task)
    seen: list[torch.Tensor] = []

    def objective(vectors: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        seen.append(numbers)
        return vectors.sum()

    inspector.module.objective.forward = objective
    given = torch.tensor([0, 1, 2, 3, 1, 0, 2, 3])
    width = inspector.module.projection[0].num_features
    inspector.total_loss(inspector.module, {"labels": given, "features": torch.randn(8, width)})
    (found,) = seen
    good = (given == 0) | (given == 2)
    assert torch.equal(found[good], given[good])
    assert len(set(found[~good].tolist()) - set(given.tolist())) == 4


def test_good_pictures_then_lie_nearer_to_each_other_than_bad_ones(few_parts: Path, tmp_path: Path) -> None:
    likeness = {}
    for together in ("classes", "good"):
        run = _train(few_parts, tmp_path / together, together=together, epochs=12)
        ((_, vectors),) = load_predictor(run).embed(load_dataset(few_parts), batch_size=48)
        of_classes = [vectors[:24], vectors[24:]]
        likeness[together] = [float((rows @ rows.T).mean()) for rows in of_classes]
    good, bad = likeness["good"]
    assert good > 0.3 + bad
    assert bad < likeness["classes"][1] - 0.3


def test_what_is_good_must_be_known(parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(parts)
    named = dataset.with_labels([f"kind {label}" for label in dataset.column("label")], ("kind ok", "kind scratch"))
    with pytest.raises(OptionError, match="no class is known to be good; name some with ok_labels"):
        train("embedder", dataset=named, data="-", out=tmp_path / "run", base="toy", together="good")


# ---- references ----


def _references() -> References:
    vectors = np.array([[0, 0], [0, 1], [4, 0], [5, 0], [6, 0]], np.float32)
    return References(vectors, np.array([0, 0, 1, 1, 1]), 2, 0.5)


def test_a_picture_is_compared_with_the_nearest_of_each_class() -> None:
    found = _references().distances(np.array([[1.0, 0.0]]))
    assert found == pytest.approx(np.array([[(1 + 2) / 2, (9 + 16) / 2]]))
    shares = _references().probabilities(np.array([[1.0, 0.0], [2.4, 0.3]]))
    assert shares.sum(1) == pytest.approx([1, 1])
    assert shares[0] == pytest.approx([1 / (1 + np.exp(-22)), 1 / (1 + np.exp(22))])


def test_references_in_blocks_are_those_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = np.random.default_rng(0).normal(size=(50, 2))
    whole = _references().probabilities(asked)
    monkeypatch.setattr("kenpin.models.embedder.references._BLOCK", 7)
    assert _references().probabilities(asked) == pytest.approx(whole)


def test_the_scale_makes_unseen_pictures_likeliest() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 200)
    vectors = (rng.normal(0, 1.0, (400, 2)) + truth[:, None]).astype(np.float32)
    other = (rng.normal(0, 1.0, (400, 2)) + truth[:, None]).astype(np.float32)
    fitted = fit_references(vectors, truth.tolist(), 5, other, truth.tolist())

    def surprise(scale: float) -> float:
        return -float(np.log(replace(fitted, scale=scale).probabilities(other)[np.arange(400), truth]).mean())

    assert surprise(fitted.scale) <= min(surprise(fitted.scale * factor) for factor in (0.5, 0.9, 1.1, 2.0))


def test_damaged_references_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "references.npz").write_bytes(b"PK nothing")
    with pytest.raises(RunError, match=r"references\.npz: cannot be read"):
        read_references(tmp_path, 5)


# ---- runs ----


def test_a_run_names_what_it_learned_and_measures_its_vectors(parts: Path, tmp_path: Path) -> None:
    run = _train(parts, tmp_path / "run", epochs=6, dimension=2, normalise=False, objective="contrastive")
    record = json.loads((run / "run.json").read_text())
    assert record["scores"]["accuracy"] > 0.9
    assert record["scores"]["verification_auroc"] > 0.8
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    watched = [row for row in rows if "eval_verification_auroc" in row]
    assert len(watched) == 6
    assert {"eval_equal_error_rate", "eval_knn_accuracy", "eval_recall_at_1", "eval_silhouette"} <= watched[0].keys()
    predictor = load_predictor(run)
    dataset = load_dataset(parts).select([0, 70])
    said = list(predictor.predict(dataset))
    ((_, vectors),) = predictor.embed(dataset)
    assert np.array([one.embedding for one in said], np.float32).tolist() == vectors.tolist()


def test_as_many_references_as_asked_are_kept(parts: Path, tmp_path: Path) -> None:
    run = _train(parts, tmp_path / "run", references=9)
    assert Counter(read_references(run / "model", 5).numbers.tolist()) == {0: 9, 1: 9}


def test_a_head_learns_from_stored_features_and_varies_nothing(parts: Path, tmp_path: Path) -> None:
    run = _train(parts, tmp_path / "run", base="toy", tuning="head")
    notes = " ".join(json.loads((run / "run.json").read_text())["notes"])
    assert "features are computed once" in notes
    assert "Augmentation" not in notes
    assert not TransformOptions.own_fields() & json.loads((run / "run.json").read_text())["options"].keys()


def test_what_is_kept_in_memory_changes_nothing(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"base": "toy", "brightness": 0.0, "contrast": 0.0, "epochs": 2, "batch_size": 32, "precision": "fp32"}
    kept = _train(parts, tmp_path / "kept", **values)
    monkeypatch.setattr("kenpin.models.kept_inputs.KEPT_BYTES", 0)
    read = _train(parts, tmp_path / "read", **values)
    models = [(run / "model" / "weights" / "model.safetensors").read_bytes() for run in (kept, read)]
    assert models[0] == models[1]


def test_features_too_large_for_memory_come_from_disk(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"base": "toy", "tuning": "head", "precision": "fp32"}
    kept = _train(parts, tmp_path / "kept", **values)
    monkeypatch.setattr("kenpin.models.kept_inputs.KEPT_BYTES", 0)
    read = _train(parts, tmp_path / "read", **values)
    models = [(run / "model" / "embedder.safetensors").read_bytes() for run in (kept, read)]
    assert models[0] == models[1]


def test_a_collapsed_training_stops_with_its_reason(parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(parts)
    one = Path(str(dataset[0].image.path)).read_bytes()
    # behind the end of a picture anything may stand: copies byte for byte would be left out of the validation
    same = Dataset.from_examples(
        replace(example, image=ImageSource("same.png", one + bytes([row])))
        for row, example in enumerate(dataset.select(range(40, 80)))
    )
    with pytest.raises(
        CollapseError, match=r"step 1: the embedder has collapsed, its embeddings are all alike .*--miner"
    ):
        train("embedder", dataset=same, data="-", out=tmp_path / "run", base="toy", tuning="full", epochs=1)
    assert not (tmp_path / "run").exists()


def test_one_class_or_one_picture_teaches_nothing(parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(parts)
    values: dict[str, Any] = {"data": "-", "out": tmp_path / "run", "base": "toy"}
    with pytest.raises(DatasetError, match=r"all training pictures \(40\) are of class ok, and embedder learns"):
        train("embedder", dataset=dataset.select(range(40)), **values)
    splits = ["train"] * 61 + ["validation"] * 59
    with pytest.raises(DatasetError, match="class scratch has 1 of 61 training pictures"):
        train("embedder", dataset=dataset.with_splits(splits), **values)
