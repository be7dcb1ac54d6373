"""Any image classifier of transformers is a base: convolutions and transformers, with a class token and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError
from kenpin.models import get_family
from kenpin.models.networks.backbones import load_backbone
from kenpin.predictor import load_predictor
from kenpin.training import train

SIDE = 64
SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
VIT: dict[str, Any] = {**SMALL, "image_size": SIDE, "patch_size": 16}
# architecture: its settings, its processor, and the numbers of its pooled features
BASES: dict[str, tuple[dict[str, Any], str, int]] = {
    "ResNet": ({"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}, "ViT", 32),
    "ConvNext": ({"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}, "ConvNext", 48),
    "Swin": ({"image_size": SIDE, "embed_dim": 12, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}, "ViT", 48),
    "Beit": (VIT, "Beit", 32),
    "Dinov2": (VIT, "Bit", 32),
    "DeiT": (VIT, "DeiT", 32),
}


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """The name of an architecture, and a folder as `save_pretrained` leaves it, with a head for other classes."""
    settings, processor, _ = BASES[request.param]
    torch.manual_seed(0)
    config = getattr(transformers, f"{request.param}Config")(**settings, num_labels=7)
    getattr(transformers, f"{request.param}ForImageClassification")(config).save_pretrained(tmp_path / "base")
    size: dict[str, Any] = {"size": {"height": SIDE, "width": SIDE}}
    if processor in ("ConvNext", "Bit"):
        size = {"size": {"shortest_edge": SIDE}}
    if processor in ("Bit", "DeiT"):
        size["crop_size"] = {"height": SIDE, "width": SIDE}
    getattr(transformers, f"{processor}ImageProcessorPil")(**size).save_pretrained(tmp_path / "base")
    return request.param, tmp_path / "base"


@pytest.mark.parametrize("tuning", ["head", "lora", pytest.param("full", marks=pytest.mark.slow)])
def test_every_base_learns_and_comes_back_the_same(
    base: tuple[str, Path], tuning: str, parts: Path, tmp_path: Path
) -> None:
    epochs: dict[str, Any] = {} if tuning == "head" else {"epochs": 1}
    dataset = load_dataset(parts).select(range(0, 48, 2))
    run = train(
        "classifier",
        data="-",
        dataset=dataset,
        out=tmp_path / "run",
        base=str(base[1]),
        tuning=tuning,
        report=False,
        **epochs,
    )
    predictor = load_predictor(run)
    assert predictor.labels == ("ok", "scratch")
    assert predictor.inspector.image_size_wh == (SIDE, SIDE)
    few = dataset.select(range(0, 24, 3))
    before = load_backbone(str(base[1]), ("ok", "scratch"), 0)
    processor = type(before.processor)
    assert processor.__name__ == f"{BASES[base[0]][1]}ImageProcessorPil"
    assert list(predictor.predict(few)) == list(load_predictor(run).predict(few))


def test_every_base_has_as_many_features_as_names(base: tuple[str, Path]) -> None:
    backbone = load_backbone(str(base[1]), ("ok", "scratch"), 0)
    pixels = torch.randn(3, 3, SIDE, SIDE)
    with torch.inference_mode():
        assert backbone.features(pixels).shape == (3, BASES[base[0]][2]) == (3, len(backbone.item_names))


def test_a_class_token_stands_apart_from_the_mean_of_the_others() -> None:
    backbone = load_backbone("toy", ("ok", "scratch"), 0)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        hidden = backbone.network.base_model(pixels).last_hidden_state  # type: ignore[operator]
        expected = torch.cat([hidden[:, 0], hidden[:, 1:].mean(dim=1)], dim=1)
        assert torch.equal(backbone.features(pixels), expected)


def test_a_base_without_a_head_to_train_whole_is_refused_by_lora(tmp_path: Path) -> None:
    backbone = load_backbone("toy", ("ok", "scratch"), 0)
    backbone.network.classifier = torch.nn.Identity()
    with pytest.raises(OptionError, match="no linear head; use tuning head or full"):
        assert backbone.head_names


def test_the_head_is_found_by_what_it_gives(base: tuple[str, Path]) -> None:
    family = get_family("classifier")
    values = {"data": "-", "out": "-", "base": str(base[1]), "tuning": "lora"}
    module = family.create(family.Options.from_mapping(values), _task()).module
    whole = {name.split(".modules_to_save")[0].rsplit(".")[-1] for name in dict(module.named_parameters())
             if "modules_to_save" in name}  # fmt: skip
    assert whole == {"classifier"}


def _task() -> Any:
    from kenpin.models.contract import Task

    return Task(("ok", "scratch"), ("ok",))


def test_a_new_head_is_meant_and_not_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    transformers.ViTForImageClassification(transformers.ViTConfig(**VIT, num_labels=7)).save_pretrained(tmp_path)
    transformers.ViTImageProcessorPil().save_pretrained(tmp_path)
    capfd.readouterr()
    network: Any = load_backbone(str(tmp_path), ("ok", "ng"), seed=0).network
    assert network.config.num_labels == 2
    assert capfd.readouterr() == ("", "")


def test_a_base_whose_body_was_not_saved_is_refused(tmp_path: Path) -> None:
    network = transformers.ViTForImageClassification(transformers.ViTConfig(**VIT))
    network.save_pretrained(tmp_path, state_dict={k: v for k, v in network.state_dict().items() if "layers.0" not in k})
    transformers.ViTImageProcessorPil().save_pretrained(tmp_path)
    with pytest.raises(OptionError, match=r"holds no weights of vit\..*layers?\.0"):
        load_backbone(str(tmp_path), ("ok", "ng"), seed=0)
