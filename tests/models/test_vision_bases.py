"""Networks of transformers as bases: any that sees pictures, with the layers and the size of pictures asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor, nn

from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError
from kenpin.models import get_family
from kenpin.models.contract import Task
from kenpin.models.mahalanobis.options import MahalanobisOptions
from kenpin.models.networks.backbones import Backbone, load_backbone
from kenpin.models.networks.layers import body_of
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record
from kenpin.runtime import version_of
from kenpin.training import train

_SMALL = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
_PATCHES = {"image_size": 32, "patch_size": 8}
TOKENS: dict[str, Callable[[], Any]] = {
    "vit": lambda: transformers.ViTForImageClassification(transformers.ViTConfig(**_SMALL, **_PATCHES)),
    "deit": lambda: transformers.DeiTForImageClassification(transformers.DeiTConfig(**_SMALL, **_PATCHES)),
    "dinov2": lambda: transformers.Dinov2ForImageClassification(transformers.Dinov2Config(**_SMALL, **_PATCHES)),
    "dinov2 with registers": lambda: transformers.Dinov2WithRegistersForImageClassification(
        transformers.Dinov2WithRegistersConfig(**_SMALL, **_PATCHES)
    ),
    "dinov3": lambda: transformers.DINOv3ViTModel(
        transformers.DINOv3ViTConfig(**_SMALL, **_PATCHES, num_register_tokens=4)
    ),
    "siglip": lambda: transformers.SiglipForImageClassification(
        transformers.SiglipConfig(
            text_config={**_SMALL, "vocab_size": 64, "max_position_embeddings": 16},
            vision_config={**_SMALL, **_PATCHES},
        )
    ),
    "siglip with words": lambda: transformers.SiglipModel(
        transformers.SiglipConfig(
            text_config={**_SMALL, "vocab_size": 64, "max_position_embeddings": 16},
            vision_config={**_SMALL, **_PATCHES},
        )
    ),
    "clip": lambda: transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**_SMALL, **_PATCHES)),
}
STAGES: dict[str, Callable[[], Any]] = {
    "swin": lambda: transformers.SwinForImageClassification(
        transformers.SwinConfig(
            image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=2
        )
    ),
    "convnext": lambda: transformers.ConvNextForImageClassification(
        transformers.ConvNextConfig(hidden_sizes=[8, 16, 24], depths=[1, 1, 1], num_stages=3, image_size=32)
    ),
    "dinov3 convnext": lambda: transformers.DINOv3ConvNextModel(
        transformers.DINOv3ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], image_size=32)
    ),
    "resnet": lambda: transformers.ResNetForImageClassification(
        transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ),
}
ALL = TOKENS | STAGES
_DEPTH = dict.fromkeys(TOKENS, 4) | {"swin": 2, "convnext": 3, "dinov3 convnext": 4, "resnet": 2}


def _saved(folder: Path, name: str) -> Path:
    """A small random network of this kind, with a processor for pictures of 32 pixels."""
    torch.manual_seed(0)
    network = ALL[name]().eval()
    for parameter in network.parameters():  # layer scales of 1e-5 would hide what a layer does
        nn.init.normal_(parameter.data, std=0.2)
    network.save_pretrained(folder)
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def _pixels(side_px: int = 32) -> Tensor:
    return torch.randn(2, 3, side_px, side_px, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ALL)
def test_each_layer_gives_what_the_names_say(name: str, tmp_path: Path) -> None:
    base, depth = str(_saved(tmp_path, name)), _DEPTH[name]
    whole = load_backbone(base, ["a", "b"], 0, layers=range(1, depth + 1))
    with torch.inference_mode():
        features, grids = whole.features(_pixels()), whole.grids(_pixels())
        assert features.shape == (2, len(whole.item_names))
        assert len(set(whole.item_names)) == len(whole.item_names)
        assert len(grids) == depth
        assert torch.isfinite(features).all()
        for layer, grid in zip(range(1, depth + 1), grids, strict=True):
            alone = load_backbone(base, ["a", "b"], 0, layers=[layer])
            mine = [item for item, named in enumerate(whole.item_names) if named.startswith(f"layer{layer}.")]
            torch.testing.assert_close(alone.features(_pixels()), features[:, mine])
            means = [item for item in mine if ".mean" in whole.item_names[item]]
            torch.testing.assert_close(features[:, means], grid.mean(dim=(2, 3)))
    assert len({tuple(grid.flatten().tolist()) for grid in grids}) == depth, "two layers give the same"
    with pytest.raises(OptionError, match=f"{depth} layers; give numbers from 1 to {depth}"):
        load_backbone(base, ["a", "b"], 0, layers=[depth + 1])


@pytest.mark.parametrize("name", ALL)
def test_without_layers_the_last_one_gives_features(name: str, tmp_path: Path) -> None:
    found = load_backbone(str(_saved(tmp_path, name)), ["a", "b"], 0)
    with torch.inference_mode():
        assert found.features(_pixels()).shape == (2, len(found.item_names))
        assert found.grids(_pixels())[-1].ndim == 4


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("side_px", [64, 96])
def test_pictures_of_another_size(name: str, side_px: int, tmp_path: Path) -> None:
    base = str(_saved(tmp_path, name))
    found = load_backbone(base, ["a", "b"], 0, picture_px=side_px)
    assert found.image_size_wh == (side_px, side_px)
    assert found.encode([Image.new("RGB", (90, 70))])["pixel_values"].shape == (1, 3, side_px, side_px)
    before = load_backbone(base, ["a", "b"], 0)
    interpolates = name in TOKENS and name not in ("dinov3",) and not name.startswith("dinov2")
    with torch.inference_mode():
        found.features(_pixels(side_px))
        kwargs = {"interpolate_pos_encoding": True} if interpolates else {}
        expected = body_of(before.network)(_pixels(side_px), **kwargs).last_hidden_state
        now = body_of(found.network)(_pixels(side_px)).last_hidden_state
    torch.testing.assert_close(now, expected, rtol=1e-4, atol=1e-5)


def test_a_size_that_does_not_fit_is_refused_with_one_that_does(tmp_path: Path) -> None:
    base = str(_saved(tmp_path, "vit"))
    with pytest.raises(OptionError, match="takes multiples of 8 pixels alone; take 40 or 48"):
        load_backbone(base, ["a"], 0, picture_px=45)
    for side_px in (40, 48):
        assert load_backbone(base, ["a"], 0, picture_px=side_px).image_size_wh == (side_px, side_px)


def test_what_is_cut_off_stays_the_same_share(tmp_path: Path) -> None:
    base = str(_saved(tmp_path, "vit"))
    transformers.ViTImageProcessorPil(
        size={"shortest_edge": 40}, do_center_crop=True, crop_size={"height": 32, "width": 32}
    ).save_pretrained(tmp_path)
    processor = load_backbone(base, ["a"], 0, picture_px=64).processor
    assert processor.size["shortest_edge"] == 80
    assert (processor.crop_size["height"], processor.crop_size["width"]) == (64, 64)


@pytest.mark.parametrize("base", ["lite0", "toy"])
def test_the_built_in_bases_see_larger_pictures(base: str) -> None:
    usual = load_backbone(base, ["a"], 0)
    larger = load_backbone(base, ["a"], 0, picture_px=2 * usual.image_size_wh[0])
    with torch.inference_mode():
        small, large = (one.grids(_pixels(one.image_size_wh[0]))[-1] for one in (usual, larger))
    assert large.shape[2:] == (2 * small.shape[2], 2 * small.shape[3])


@pytest.mark.skipif(version_of("openvino") is None, reason="the extra openvino is not installed")
@pytest.mark.parametrize("name", ALL)
def test_an_engine_gives_the_same_layers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    found = load_backbone(str(_saved(tmp_path / "base", name)), ["a"], 0, layers=[1, 2], picture_px=64)
    frozen = found.on_engine("openvino")
    assert frozen.is_on
    pictures = [Image.effect_noise((80, 70), 90).convert("RGB") for _ in range(3)]
    with torch.inference_mode():
        expected = found.features(found.encode(pictures)["pixel_values"])
    torch.testing.assert_close(frozen.at_once(pictures), expected, rtol=1e-3, atol=1e-3)


def test_a_processor_for_torchvision_alone_is_read_by_its_settings(tmp_path: Path) -> None:
    """As DINOv3's, which has no other."""
    base = _saved(tmp_path, "dinov3")
    settings = {
        "image_processor_type": "DINOv3ViTImageProcessorFast", "do_resize": True, "do_rescale": True,
        "do_normalize": True, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.3], "resample": 2,
        "rescale_factor": 1 / 255, "size": {"height": 48, "width": 48},
    }  # fmt: skip
    (base / "preprocessor_config.json").write_text(json.dumps(settings))
    found = load_backbone(str(base), ["a"], 0)
    assert found.image_size_wh == (48, 48)
    pixels = found.encode([Image.new("RGB", (9, 9), (255, 0, 0))])["pixel_values"]
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([3.0, -2.5, -2.0])


def test_a_base_that_sees_no_pictures_is_refused(tmp_path: Path) -> None:
    transformers.BertModel(transformers.BertConfig(**_SMALL, vocab_size=32)).save_pretrained(tmp_path)
    with pytest.raises(OptionError, match="BertConfig is of a model that sees no pictures"):
        load_backbone(str(tmp_path), ["a"], 0)


def test_a_base_without_a_head_takes_no_adapters(tmp_path: Path) -> None:
    values = {"data": "-", "out": "-", "base": str(_saved(tmp_path, "dinov3")), "tuning": "full"}
    options = get_family("classifier").Options.from_mapping(values)
    with pytest.raises(OptionError, match="no head for classes that could be trained; take tuning head"):
        get_family("classifier").create(options, Task(("a", "b"), ("a",)))


RUNS: list[tuple[str, dict[str, Any]]] = [
    ("classifier", {"layers": (2, 4)}),
    ("mahalanobis", {}),
    ("mahalanobis", {"layers": (1, 3)}),
    ("mahalanobis", {"where": "pooled"}),
    ("mahalanobis", {"where": "positions", "layers": (4,)}),
    ("embedder", {"tuning": "head", "epochs": 1, "layers": (2, 3)}),
    ("embedder", {"tuning": "full", "epochs": 1, "layers": (2, 3)}),
    ("embedder", {"tuning": "lora", "epochs": 1, "layers": (2, 3)}),
]


@pytest.mark.parametrize(("family", "options"), RUNS, ids=str)
@pytest.mark.parametrize("name", ["dinov2", "dinov3"])
def test_a_run_on_layers_says_the_same_when_it_is_restored(
    name: str, family: str, options: dict[str, Any], few_parts: Path, tmp_path: Path
) -> None:
    base = str(_saved(tmp_path / "base", name))
    run = train(family, data=str(few_parts), out=tmp_path / "run", base=base, picture_px=48, report=False, **options)
    recorded = read_record(run).options
    expected = options.get("layers", (1, 2, 3, 4) if options.get("where") else None)
    assert (recorded["layers"] and tuple(recorded["layers"]), recorded["picture_px"]) == (expected, 48)
    dataset = load_dataset(few_parts).select(range(0, 48, 5))
    first, again = (list(load_predictor(run).predict(dataset)) for _ in range(2))
    assert [one.defect_score for one in first] == [one.defect_score for one in again]
    assert np.ptp([one.defect_score for one in first]) > 0


def test_options_of_old_runs_are_read() -> None:
    values = {"data": "-", "out": "-"}
    assert MahalanobisOptions.from_mapping(values | {"stages": [2, 3]}).layers == (2, 3)
    assert MahalanobisOptions.from_mapping(values | {"stages": [6], "base": "toy"}).layers is None
    with pytest.raises(OptionError, match="stages"):
        MahalanobisOptions.from_mapping(values | {"stages": [2], "base": "toy"})


def test_layers_of_lite0_are_its_stages() -> None:
    found: Backbone = load_backbone("lite0", ["a"], 0, layers=[4, 2])
    assert found.layers == (2, 4)
    with torch.inference_mode():
        assert found.features(_pixels(224)).shape == (2, len(found.item_names))
    with pytest.raises(OptionError, match="stages 0 to 6"):
        load_backbone("lite0", ["a"], 0, layers=[7])


@pytest.mark.parametrize("name", ["dinov2", "swin", "convnext"])
def test_maps_add_up_over_the_layers_that_are_looked_at(name: str, few_parts: Path, tmp_path: Path) -> None:
    base = str(_saved(tmp_path / "base", name))
    values: dict[str, Any] = {"base": base, "layers": (1, 2), "head": "linear", "report": False}
    run = train("classifier", data=str(few_parts), out=tmp_path / "run", **values)
    predictor, example = load_predictor(run), load_dataset(few_parts)[30]
    image = Image.open(str(example.image.path)).convert("RGB")
    inspector: Any = predictor.model
    (shares,), (evidence,) = (inspector.maps([image], [example], way)[0] for way in ("shares", "gradcam"))
    assert np.ptp(evidence.values) > 0
    assert np.ptp(shares.values) > 0
    with pytest.raises(OptionError, match="layers of its own choice; take gradcam"):
        inspector.maps([image], [example], "relevance")
