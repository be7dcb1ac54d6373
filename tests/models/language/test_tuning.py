"""What each way of tuning moves, tensor by tensor, and what it leaves as it came."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kenpin.data.images import read_image
from kenpin.errors import LabelError, MissingExtraError, OptionError
from kenpin.models import get_family
from kenpin.models.bases import trainable_share
from kenpin.models.contract import Task, Trainable
from kenpin.models.florence2.toy import toy_base
from kenpin.models.language.tuning import prepare, sees_frozen
from tests.objects import LABELS, made_objects

FAMILIES = ["florence2", "paligemma"]
ATTENTION = {
    "florence2": "model.language_model.",
    "paligemma": "model.language_model.layers.",
}


def _inspector(family: str, **values: Any) -> Any:
    chosen = get_family(family)
    options = chosen.Options.from_mapping({"data": "-", "out": "-", "base": "toy", **values})
    return chosen.create(options, Task(LABELS, ()))


def _batch(inspector: Any) -> dict[str, torch.Tensor]:
    examples = list(made_objects(3, empty=1))
    targets: dict[str, torch.Tensor] = inspector.encode_targets(examples)
    images: dict[str, torch.Tensor] = inspector.encode([read_image(e.image) for e in examples])
    return images | targets


def _moved(inspector: Any) -> set[str]:
    assert isinstance(inspector, Trainable)
    before = {name: values.clone() for name, values in inspector.module.state_dict().items()}
    batch = _batch(inspector)
    inspector.module.train()
    weights = [p for p in inspector.module.parameters() if p.requires_grad]
    loss: Any = inspector.total_loss(inspector.module, batch) / inspector.loss_count(batch)
    loss.backward()
    torch.optim.SGD(weights, lr=1.0).step()
    after = inspector.module.state_dict()
    return {name for name, values in before.items() if not torch.equal(values, after[name])}


def _sees(name: str) -> bool:
    return "vision_tower" in name or "multi_modal_projector" in name


@pytest.mark.parametrize("family", FAMILIES)
def test_full_moves_picture_and_language_parts(family: str) -> None:
    inspector = _inspector(family, tuning="full")
    moved = _moved(inspector)
    still = {name for name, _ in inspector.module.named_parameters()} - moved
    # the key biases of softmax attention have no gradient, nor have positions that no token stood at been moved
    assert {name for name in still if not name.endswith("k_proj.bias")} <= {
        "model.multi_modal_projector.image_position_embed.row_embeddings.weight"
    }
    assert inspector.extract is None


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_vision_moves_the_language_part_alone(family: str) -> None:
    inspector = _inspector(family, tuning="frozen-vision")
    moved = _moved(inspector)
    assert moved
    assert not any(map(_sees, moved))
    assert any("embed" in name or "shared" in name for name in moved)
    assert inspector.extract is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_moves_the_language_models_attention_alone(family: str) -> None:
    inspector = _inspector(family, tuning="attention")
    moved = _moved(inspector)
    attention = {
        name
        for name, _ in inspector.module.named_parameters()
        if name.startswith(ATTENTION[family]) and ("self_attn." in name or "encoder_attn." in name)
    }
    # key biases have no gradient but rounding
    assert {name for name in attention - moved if not name.endswith("k_proj.bias")} == set()
    assert moved <= attention
    assert inspector.extract is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_moves_adapters_alone(family: str) -> None:
    inspector = _inspector(family, tuning="lora")
    moved = _moved(inspector)
    # the second factor begins at zero, so that the first has no gradient in the first step
    assert moved == {name for name in inspector.module.state_dict() if "lora_B" in name}
    targets = {name.split(".lora_")[0].rsplit(".")[-1] for name in moved}
    expected = {
        "florence2": {"q_proj", "k_proj", "v_proj", "fc2", "lm_head"},
        "paligemma": {"q_proj", "k_proj", "v_proj", "o_proj"},
    }
    assert targets == expected[family]
    # Florence-2's adapters reach into the vision part, so that its features are no longer the base's
    assert (inspector.extract is None) == (family == "florence2")


@pytest.mark.parametrize(("targets", "is_frozen"), [(("fc2",), False), (("*language_model*.fc2",), True)])
def test_restored_adapters_on_what_sees_the_picture_are_not_the_base(targets: Any, is_frozen: bool) -> None:
    """Features of the base are kept by its name: those of adapters are others, though they train no more."""
    network = toy_base(Task(LABELS, ()), 0).network
    adapted = prepare(network, "lora", rank=2, alpha=2, dropout=0.0, targets=targets, seed=0)
    assert sees_frozen(adapted.requires_grad_(False)) == is_frozen


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_is_rank_stabilised_and_begins_at_the_base(family: str) -> None:
    adapted, plain = _inspector(family, tuning="lora", lora_dropout=0.0), _inspector(family, tuning="full")
    batch = _batch(plain)
    adapted.module.eval()
    with torch.no_grad():
        one, other = (i.total_loss(i.module, batch) for i in (adapted, plain))
    assert one.item() == pytest.approx(other.item(), rel=1e-5)
    config = adapted.module.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout, config.use_rslora) == (8, 8, 0.0, True)
    assert config.init_lora_weights == "gaussian"


def test_the_notebooks_adapters_are_as_many_on_the_real_size() -> None:
    """1,930,240 of 236 million, counted on the native class without a single weight in memory."""
    from transformers import Florence2Config, Florence2ForConditionalGeneration

    from kenpin.models.florence2 import Florence2Options
    from kenpin.models.language.tuning import prepare

    config = Florence2Config(
        text_config={
            "model_type": "bart", "vocab_size": 51328, "d_model": 768, "encoder_layers": 6, "decoder_layers": 6,
            "encoder_attention_heads": 12, "decoder_attention_heads": 12, "encoder_ffn_dim": 3072,
            "decoder_ffn_dim": 3072, "max_position_embeddings": 4096,
        },
        vision_config={"projection_dim": 768},
    )  # fmt: skip
    with torch.device("meta"):
        network = Florence2ForConditionalGeneration(config)
        defaults = Florence2Options.from_mapping({"data": "-", "out": "-"})
        module = prepare(
            network,
            "lora",
            rank=defaults.lora_rank,
            alpha=defaults.lora_alpha,
            dropout=defaults.lora_dropout,
            targets=defaults.lora_targets,
            seed=0,
        )
    trainable, total = trainable_share(module)
    assert trainable == 1_930_240
    assert 0.0080 < trainable / total < 0.0082


@pytest.mark.parametrize("family", FAMILIES)
def test_a_target_that_matches_nothing_names_the_layers_there_are(family: str) -> None:
    with pytest.raises(OptionError, match=r"'Conv2d' matches no layer; layers end in .*q_proj"):
        _inspector(family, tuning="lora", lora_targets=("q_proj", "Conv2d"))


@pytest.mark.parametrize("family", FAMILIES)
def test_options_that_the_tuning_ignores_are_refused(family: str) -> None:
    with pytest.raises(OptionError, match="`lora_rank` does nothing with tuning full"):
        _inspector(family, lora_rank=4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tuning", ["lora", "attention", "frozen-vision"])
def test_what_does_not_train_takes_half_the_memory_and_the_loss_hardly_changes(family: str, tuning: str) -> None:
    whole, half = (_inspector(family, tuning=tuning, frozen_dtype=dtype) for dtype in ("float32", "bfloat16"))
    kinds = {(p.requires_grad, p.dtype) for p in half.module.parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
    losses = [i.total_loss(i.module, _batch(i)).item() for i in (whole, half)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=5e-3)
    assert _moved(half) == _moved(whole)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_of_what_trains_altogether_is_refused(family: str) -> None:
    with pytest.raises(OptionError, match="`frozen_dtype` does nothing with tuning full"):
        _inspector(family, frozen_dtype="bfloat16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="all that it needs may be here")
@pytest.mark.parametrize("family", FAMILIES)
def test_four_bits_need_what_is_not_here(family: str) -> None:
    from kenpin.models.language.tuning import four_bit

    with pytest.raises((MissingExtraError, OptionError), match=r"bitsandbytes|CUDA"):
        four_bit()


@pytest.mark.parametrize("family", FAMILIES)
def test_features_of_a_frozen_vision_part_change_neither_loss_nor_answers(family: str) -> None:
    inspector = _inspector(family, tuning="attention")
    batch = _batch(inspector)
    inspector.module.train()  # also while training, when dropout would be on
    with torch.inference_mode():
        features = inspector.extract(batch)
        kept = {name: values for name, values in batch.items() if name != "pixel_values"} | {"features": features}
        losses = [inspector.total_loss(inspector.module, given).item() for given in (batch, kept)]
        inspector.module.eval()
        answers = [
            inspector.infer({name: given[name]})["tokens"]
            for name, given in (("pixel_values", batch), ("features", kept))
        ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.equal(*answers)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("per", ["token", "example"])
def test_padding_and_question_are_not_learned(family: str, per: str) -> None:
    """The loss of a batch is that of its examples one by one, whatever their lengths."""
    inspector = _inspector(family, tuning="full", loss=per)
    inspector.module.eval()
    examples = list(made_objects(4, empty=1))
    with torch.no_grad():
        whole = inspector.encode([read_image(e.image) for e in examples]) | inspector.encode_targets(examples)
        together = inspector.total_loss(inspector.module, whole), inspector.loss_count(whole)
        alone = [(0.0, 0)]
        for example in examples:
            one = inspector.encode([read_image(example.image)]) | inspector.encode_targets([example])
            alone.append((inspector.total_loss(inspector.module, one).item(), int(inspector.loss_count(one))))
    assert together[0].item() == pytest.approx(sum(loss for loss, _ in alone), rel=1e-4)
    assert int(together[1]) == sum(count for _, count in alone)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_picture_is_answered_by_the_end_alone(family: str) -> None:
    inspector = _inspector(family)
    (empty,) = made_objects(0, empty=1)
    labels = inspector.encode_targets([empty])["labels"][0]
    learned = labels[labels != -100].tolist()
    bos = [inspector.tokenizer.bos_token_id] if family == "florence2" else []
    assert learned == [*bos, inspector.end]


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_that_answers_cannot_carry_are_refused_by_name(family: str) -> None:
    chosen = get_family(family)
    options = chosen.Options.from_mapping({"data": "-", "out": "-", "base": "toy", "constrained": False})
    inspector = chosen.create(options, Task((*LABELS, "a<loc_1>"), ()))
    assert isinstance(inspector, Trainable)
    with pytest.raises(LabelError, match=r"'a<loc_1>' holds <loc_1>"):
        inspector.check(made_objects(2))
