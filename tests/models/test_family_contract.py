"""One contract for all families: train → reload → identical predictions; and what each setting moves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.lineage import NOTHING_SEEN
from kenpin.data.loading import load_dataset
from kenpin.errors import DatasetError, OptionError, RunError
from kenpin.models import family_names, family_summary, get_family
from kenpin.models.bases import BaseRecord, check_base
from kenpin.models.contract import Fitted, Inspector, LearnsVectors, Task, Trainable
from kenpin.models.networks.backbones import load_backbone
from kenpin.plural import counted
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Example, ImageSource
from kenpin.training import train
from tests.models.chat.shapes import joined as shapes_and
from tests.models.chat.shapes import shapes
from tests.objects import LABELS, joined, made_objects
from tests.pictures import part

TASK = Task(labels=("ok", "scratch"), ok_labels=("ok",))
# every family, in every way it learns
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("classifier", {"tuning": "head", "head": "svm"}),
    ("classifier", {"tuning": "head", "head": "linear"}),
    ("classifier", {"tuning": "lora", "epochs": 1}),
    ("classifier", {"tuning": "full", "epochs": 1}),
    ("mahalanobis", {}),
    ("mahalanobis", {"where": "positions"}),
    ("mahalanobis", {"where": "pooled"}),
    ("embedder", {"tuning": "head", "epochs": 1}),
    ("embedder", {"tuning": "lora", "epochs": 1, "objective": "triplet", "miner": "semihard"}),
    ("embedder", {"tuning": "full", "epochs": 1, "objective": "proxy-anchor"}),
    ("embedder", {"tuning": "full", "epochs": 1, "objective": "contrastive", "base": "mlp", "normalise": False}),
    ("florence2", {"tuning": "full", "epochs": 1}),
    ("florence2", {"tuning": "lora", "epochs": 1}),
    ("florence2", {"tuning": "attention", "epochs": 1}),
    ("florence2", {"tuning": "frozen-vision", "epochs": 1}),
    ("paligemma", {"tuning": "full", "epochs": 1, "loss": "example"}),
    ("paligemma", {"tuning": "lora", "epochs": 1}),
    ("paligemma", {"tuning": "attention", "epochs": 1, "optimiser": "sgd"}),
    ("paligemma", {"tuning": "frozen-vision", "epochs": 1}),
    ("florence2", {"tuning": "lora", "epochs": 1, "frozen_dtype": "bfloat16"}),
    ("paligemma", {"tuning": "attention", "epochs": 1, "frozen_dtype": "bfloat16"}),
    ("vlm", {"tuning": "full", "epochs": 1, "loss": "example"}),
    ("vlm", {"tuning": "lora", "epochs": 1}),
    ("vlm", {"tuning": "lora", "epochs": 1, "lora_whole": ("lm_head",), "frozen_dtype": "bfloat16"}),
]


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


FEW_WAYS = (1, 3, 4, 6, 7, 12, 17, 22)
"""Places of one way or two of each family: what it saves for the others, a quicker test compares."""


def test_every_family_is_in_the_contract() -> None:
    assert {name for name, _ in WAYS} == set(family_names())


def test_summaries_are_read_without_importing() -> None:
    assert all(family_summary(name) for name in family_names())


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean `classifier`"):
        get_family("clasifier")


@pytest.fixture(scope="session")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """Pictures that no training saw, by what is annotated on them."""
    folder = tmp_path_factory.mktemp("unseen")
    examples = []
    for seed in range(900, 908):
        path = folder / f"{seed}.png"
        part(seed, scratched=seed % 2 == 0).save(path)
        examples.append(Example(id=str(seed), image=ImageSource(path=str(path))))
    pictures = Dataset.from_examples(examples)
    return {"label": pictures, "boxes": made_objects(6, first=900, empty=1), "text": shapes(6, first=900)}


@pytest.fixture(scope="session")
def seen(parts: Path) -> dict[str, Dataset]:
    """Pictures to learn from, by what is annotated on them."""
    objects = joined(made_objects(8), made_objects(3, first=50, split="validation", empty=1))
    chats = shapes_and(shapes(12, split="train"), shapes(4, first=50, split="validation"))
    return {"label": load_dataset(parts), "boxes": objects, "text": chats}


def _target(family: str) -> str:
    return get_family(family).target


@pytest.mark.parametrize(
    ("family", "values"),
    [pytest.param(*way, marks=() if place in FEW_WAYS else pytest.mark.slow) for place, way in enumerate(WAYS)],
)
def test_a_saved_run_predicts_as_the_inspector_that_was_trained(
    family: str, values: dict[str, Any], seen: dict[str, Dataset], unseen: dict[str, Dataset], tmp_path: Path
) -> None:
    target = _target(family)
    if target != "label":
        values = {"evaluate_every": 100, "max_new_tokens": 24, **values}
    run = train(family, data="-", dataset=seen[target], out=tmp_path / "run", **{"base": "toy", **values})
    first = list(load_predictor(run).predict(unseen[target]))
    again = list(load_predictor(run).predict(unseen[target], batch_size=3))
    assert [p.id for p in first] == [e.id for e in unseen[target]]
    for one, other in zip(first, again, strict=True):
        if target == "text":
            assert one.text == other.text is not None
            continue
        assert one.defect_score is not None
        assert one.defect_score == pytest.approx(other.defect_score, rel=1e-4, abs=1e-6)
        assert one.label == other.label
        assert (one.detections is not None) == (target == "boxes")
        if one.detections is not None and other.detections is not None:
            assert one.detections.boxes_xyxy_px == other.detections.boxes_xyxy_px
            assert all(piece.endswith("(repeated)") for piece in one.rejected)
        if one.probabilities is not None:
            assert sum(one.probabilities.values()) == pytest.approx(1)
            assert one.defect_score == pytest.approx(one.probabilities["scratch"])
        if one.distance is not None:
            assert one.distance == one.defect_score


@pytest.mark.parametrize(("family", "values"), WAYS)
def test_save_and_restore_give_bit_identical_predictions(
    family: str, values: dict[str, Any], seen: dict[str, Dataset], unseen: dict[str, Dataset], tmp_path: Path
) -> None:
    chosen = get_family(family)
    options = chosen.Options.from_mapping({"data": "-", "out": "-", "base": "toy", **values})
    task = {"label": TASK, "boxes": Task(LABELS, ()), "text": Task((), (), answers=("red bars, upper left",))}[
        chosen.target
    ]
    inspector = chosen.create(options, task)
    training = seen[chosen.target]
    if isinstance(inspector, Fitted):
        inspector.fit(training, NOTHING_SEEN, lambda doing, done, total: None)
    else:
        _one_step(inspector, training)
    inspector.module.eval()
    if isinstance(inspector, LearnsVectors):
        inspector.take_references(training, training, lambda doing, done, total: None)
    inspector.save(tmp_path)
    again = chosen.restore(tmp_path, inspector.base, options, task)
    pictures = unseen[chosen.target]
    for before, after in zip(*(Predictor(one).predict(pictures) for one in (inspector, again)), strict=True):
        if before.detections is None:
            assert before == after
        else:  # weights lie elsewhere in memory, and products of odd lengths are then added up in another order
            assert after.detections is not None
            assert before.text == after.text
            assert before.detections.scores == pytest.approx(after.detections.scores, rel=1e-5)


def _one_step(inspector: Inspector, training: Dataset) -> None:
    assert isinstance(inspector, Trainable)
    examples = [training[i] for i in range(0, len(training), max(1, len(training) // 8))]
    batch = inspector.encode([read_image(e.image) for e in examples]) | inspector.encode_targets(examples)
    inspector.module.train()
    weights = [p for p in inspector.module.parameters() if p.requires_grad]
    loss: Any = inspector.total_loss(inspector.module, batch) / inspector.loss_count(batch)
    loss.backward()
    torch.optim.SGD(weights, lr=0.5).step()


def _moved(tuning: str, base: str, parts: Path, **values: Any) -> set[str]:
    options = get_family("classifier").Options.from_mapping(
        {"data": "-", "out": "-", "base": base, "tuning": tuning, **values}
    )
    inspector = get_family("classifier").create(options, TASK)
    before = {name: tensor.clone() for name, tensor in inspector.module.state_dict().items()}
    _one_step(inspector, load_dataset(parts))
    after = inspector.module.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_full_tuning_moves_every_weight_of_the_toy(parts: Path) -> None:
    moved = _moved("full", "toy", parts)
    everything = set(load_backbone("toy", TASK.labels, 0).network.state_dict())
    # the key biases of softmax attention have no gradient: adding a constant to all scores changes nothing
    assert {name for name in everything - moved if not name.endswith("k_proj.bias")} == set()


@pytest.mark.parametrize("base", ["toy", "lite0"])
def test_lora_moves_adapters_and_head_alone(base: str, parts: Path) -> None:
    moved = _moved("lora", base, parts)
    assert moved
    assert all("lora_" in name or "modules_to_save" in name for name in moved)
    assert any("classifier" in name for name in moved)
    assert any("lora_B" in name for name in moved)


def test_the_seed_alone_decides_where_adapters_begin() -> None:
    def adapters(seed: int) -> dict[str, torch.Tensor]:
        torch.rand(3)  # others draw too
        options = get_family("classifier").Options.from_mapping(
            {"data": "-", "out": "-", "base": "toy", "tuning": "lora", "seed": seed}
        )
        state = get_family("classifier").create(options, TASK).module.state_dict()
        return {name: values for name, values in state.items() if "lora_A" in name}

    one, same, other = adapters(1), adapters(1), adapters(2)
    assert all(torch.equal(one[name], same[name]) and not torch.equal(one[name], other[name]) for name in one)


def test_lora_targets_choose_the_layers(parts: Path) -> None:
    moved = _moved("lora", "toy", parts, lora_targets=("k_proj",))
    assert {name.split(".lora_")[0].rsplit(".")[-1] for name in moved if "lora_" in name} == {"k_proj"}


def test_a_lora_target_that_matches_nothing_names_the_layers_there_are(parts: Path) -> None:
    with pytest.raises(OptionError, match=r"'qkv' matches no layer; layers end in .*q_proj"):
        _moved("lora", "toy", parts, lora_targets=("qkv",))


def test_the_base_is_random_but_the_same_for_the_same_seed() -> None:
    one, same, other = (load_backbone("toy", TASK.labels, seed).record for seed in (1, 1, 2))
    assert one == same
    assert one.probe != other.probe


def test_a_wrong_base_is_refused_with_both_names() -> None:
    lite0 = load_backbone("lite0", TASK.labels, 0).record
    renamed = replace(lite0, id="elsewhere")
    check_base(lite0, renamed)
    toy = load_backbone("toy", TASK.labels, 0).record
    with pytest.raises(RunError, match=r"lite0.*toy"):
        check_base(lite0, toy)
    with pytest.raises(RunError, match=r"commit aaa.*commit bbb"):
        check_base(replace(lite0, commit="aaa"), replace(lite0, commit="bbb"))


def test_a_base_that_is_none_is_one_sentence(tmp_path: Path, parts: Path) -> None:
    with pytest.raises(OptionError, match="cannot be loaded as a network that sees pictures"):
        train("classifier", data=str(parts), out=tmp_path / "run", base="no/such-model")
    assert not (tmp_path / "run").exists()


def test_too_few_good_parts_are_refused_with_the_number_needed(tmp_path: Path, parts: Path) -> None:
    dataset = load_dataset(parts)
    few = dataset.select([*range(10), *range(24, 48)])
    sentence = "10 good parts; 12 are needed to learn from: add 2, or name further good"
    with pytest.raises(DatasetError, match=sentence):
        train("mahalanobis", dataset=few, data="-", out=tmp_path / "run", base="toy")


@pytest.mark.parametrize("count", [1, 11])
def test_few_good_parts_are_counted_not_their_items(tmp_path: Path, parts: Path, count: int) -> None:
    few = load_dataset(parts).select(range(count))
    with pytest.raises(DatasetError, match=rf"{counted(count, 'good part')}; 12 are needed .*: add {12 - count}[.,]"):
        train("mahalanobis", dataset=few, data="-", out=tmp_path / "run", base="toy")


def test_good_parts_that_are_one_picture_span_no_space(tmp_path: Path, parts: Path) -> None:
    same = load_dataset(parts).select([0] * 30)
    with pytest.raises(DatasetError, match=r"all 30 training pictures that may be held out are the same picture"):
        train("mahalanobis", dataset=same, data="-", out=tmp_path / "run", base="toy")


def test_mahalanobis_needs_to_know_which_parts_are_good(tmp_path: Path, parts: Path) -> None:
    dataset = load_dataset(parts)
    renamed = dataset.with_labels(["a" if label == "ok" else "b" for label in dataset.column("label")], ("a", "b"))
    with pytest.raises(ValueError, match="--ok-labels"):
        train("mahalanobis", dataset=renamed, data="-", out=tmp_path / "run", base="toy")
    train("mahalanobis", dataset=renamed, data="-", out=tmp_path / "run", base="toy", ok_labels=("a",))


def test_ridge_is_explicit_and_saved(tmp_path: Path, parts: Path) -> None:
    run = train("mahalanobis", data=str(parts), out=tmp_path / "run", base="toy", ridge=0.25)
    with np.load(run / "model" / "unit_space.npz", allow_pickle=False) as arrays:
        assert float(arrays["ridge"]) == 0.25
    assert "ridge 0.2500" in " ".join(json.loads((run / "run.json").read_text())["notes"])


def test_options_reach_the_protocol() -> None:
    assert all(issubclass(get_family(name).Options, TrainOptions) for name in family_names())
    assert isinstance(load_backbone("toy", TASK.labels, 0).record, BaseRecord)


def test_a_run_records_the_options_that_did_something(tmp_path: Path, parts: Path) -> None:
    run = train("classifier", data=str(parts), out=tmp_path / "run", base="toy")
    options = json.loads((run / "run.json").read_text())["options"]
    assert {"tuning", "head", "head_c", "seed"} <= options.keys()
    assert not {"epochs", "learning_rate", "lora_rank", "brightness"} & options.keys()
    load_predictor(run)
