"""Maps of networks against derivations of their own: eager attention, whole matrices, and hooks by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import (
    BeitConfig,
    BeitForImageClassification,
    Dinov2Config,
    Dinov2ForImageClassification,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from kenpin.errors import OptionError
from kenpin.models.classifier import ClassifierOptions, HeadClassifier
from kenpin.models.classifier.heads import fit_head
from kenpin.models.classifier.inspector import logits
from kenpin.models.looking.attention import relevance, rollout, watched_attention
from kenpin.models.looking.ways import likeness_maps, look
from kenpin.models.networks import lite0
from kenpin.models.networks.backbones import load_backbone
from kenpin.models.networks.layers import as_grid
from tests.pictures import part
from tests.toy_runs import PARTS

_SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
NETWORKS: dict[str, Callable[[], PreTrainedModel]] = {
    "vit": lambda: ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, intermediate_size=64, **_SMALL)),
    "dinov2": lambda: Dinov2ForImageClassification(Dinov2Config(image_size=32, patch_size=8, **_SMALL)),
    "beit": lambda: BeitForImageClassification(
        BeitConfig(image_size=32, patch_size=8, intermediate_size=64, use_relative_position_bias=True, **_SMALL)
    ),
}


def _network(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    with torch.no_grad():  # opinionated, so that attention is not even
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return network


def _pixels(count: int = 2, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def _score(network: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    return lambda x: network(pixel_values=x).logits[:, 1]


def _eager(network: PreTrainedModel) -> tuple[list[Tensor], list[Tensor]]:
    """Attention of each layer and its gradients, (n, heads, t, t), by transformers' own plain arithmetic."""
    network.set_attn_implementation("eager")
    output = network(pixel_values=_pixels().requires_grad_(), output_attentions=True)
    gradients = torch.autograd.grad(output.logits[:, 1].sum(), output.attentions)
    network.set_attn_implementation("sdpa")
    return [one.detach() for one in output.attentions], list(gradients)


@pytest.mark.parametrize("name", NETWORKS)
def test_attention_is_that_of_plain_arithmetic(name: str) -> None:
    network = _network(name)
    weights, gradients = _eager(network)
    with watched_attention(network) as layers:
        network(pixel_values=_pixels().requires_grad_()).logits[:, 1].sum().backward()
    assert len(layers) == len(weights)
    for layer, of_layer, slopes in zip(layers, weights, gradients, strict=True):
        for head in range(layer.heads):
            assert torch.allclose(layer.weights(head), of_layer[:, head], atol=1e-6)
            assert torch.allclose(layer.weight_gradients(head), slopes[:, head], atol=1e-6)


def test_watching_changes_nothing() -> None:
    network, other = _network("vit"), _network("vit")
    usual = dict(ALL_ATTENTION_FUNCTIONS)
    before = network(pixel_values=_pixels()).logits
    with watched_attention(network) as layers:
        other(pixel_values=_pixels())
        assert not layers
        assert torch.equal(network(pixel_values=_pixels()).logits, before)
    assert dict(ALL_ATTENTION_FUNCTIONS) == usual
    with pytest.raises(ZeroDivisionError), watched_attention(network):
        _ = 1 / 0
    assert dict(ALL_ATTENTION_FUNCTIONS) == usual


def test_rollout_is_the_product_of_whole_matrices() -> None:
    network = _network("vit")
    weights, _ = _eager(network)
    product = torch.eye(17).expand(2, 17, 17)
    for layer in weights:
        product = (0.5 * layer.mean(dim=1) + 0.5 * torch.eye(17)) @ product
    with watched_attention(network) as layers:
        network(pixel_values=_pixels())
    start = torch.zeros(2, 17)
    start[:, 0] = 1
    assert torch.allclose(rollout(layers, start), product[:, 0], atol=1e-6)
    looked = look(network, _pixels(), _score(network), "rollout")
    assert torch.allclose(looked.grids.flatten(1), 100 * product[:, 0, 1:], atol=1e-4)


def test_relevance_is_that_of_whole_matrices() -> None:
    network = _network("vit")
    weights, gradients = _eager(network)
    found = torch.eye(17).expand(2, 17, 17)
    for layer, slopes in zip(weights, gradients, strict=True):
        found = found + (layer * slopes).relu().mean(dim=1) @ found
    looked = look(network, _pixels(), _score(network), None)
    assert looked.way == "relevance"
    assert torch.allclose(looked.grids.flatten(1), found[:, 0, 1:], atol=1e-5)


def test_relevance_begins_at_the_tokens_that_the_score_is_made_of() -> None:
    network = _network("vit")
    with watched_attention(network) as layers:
        hidden = network.base_model(_pixels().requires_grad_()).last_hidden_state
        hidden[:, 1:].mean(dim=1).sum().backward()
    spread = relevance(layers, torch.full((2, 17), 1 / 17))
    assert bool((spread > 0).all())

    def of_patches(x: Tensor) -> Tensor:
        patches: Tensor = network.base_model(x).last_hidden_state[:, 1:, 0]
        return patches.mean(dim=1)

    assert look(network, _pixels(), of_patches, "relevance").grids.shape == (2, 4, 4)


@pytest.mark.parametrize("way", ["relevance", "rollout", "gradcam"])
def test_batches_change_nothing_and_nothing_is_left_behind(way: str) -> None:
    network = _network("dinov2") if way == "gradcam" else _network("vit")
    network.classifier.weight.requires_grad_(False)
    together = look(network, _pixels(3), _score(network), way).grids
    alone = torch.cat([look(network, one[None], _score(network), way).grids for one in _pixels(3)])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-6)
    assert not network.classifier.weight.requires_grad
    assert sum(parameter.requires_grad for parameter in network.parameters()) == len(list(network.parameters())) - 1
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_grad_cam_is_selvaraju_s() -> None:
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3)
    network = ResNetForImageClassification(config).eval()
    kept: list[Tensor] = []
    hook = network.resnet.encoder.register_forward_hook(lambda *seen: kept.append(seen[2].last_hidden_state))
    score = network(pixel_values=_pixels(side=64)).logits[:, 1]
    (slopes,) = torch.autograd.grad(score.sum(), kept)
    hook.remove()
    assert bool((kept[0] >= 0).all())
    expected = (kept[0] * slopes.mean(dim=(2, 3), keepdim=True)).sum(dim=1).relu()
    looked = look(network, _pixels(side=64), _score(network), None)
    assert looked.way == "gradcam"
    assert torch.allclose(looked.grids, expected, atol=1e-6)


def test_grad_cam_of_lite0_looks_at_its_last_convolution() -> None:
    torch.manual_seed(0)
    network = lite0.Lite0ForImageClassification(lite0.Lite0Config(num_labels=3)).eval()
    x = torch.randn(1, 3, 64, 64)
    last = network.head(network.stage_outputs(x)[-1])
    # the score is linear in its mean: CAM (Zhou et al. 2016) is Grad-CAM
    expected = (last * network.classifier.weight[1][:, None, None]).sum(dim=1).relu() / 4
    looked = look(network, x, _score(network), "gradcam")
    spread = nn.functional.interpolate(expected[:, None], looked.grids.shape[1:], mode="bilinear")[:, 0]
    assert np.corrcoef(looked.grids.ravel(), spread.detach().ravel())[0, 1] > 0.999


def test_shares_add_up_to_the_score() -> None:
    for network, side in ((_network("dinov2"), 32), (lite0.Lite0ForImageClassification(lite0.Lite0Config()), 64)):
        network.eval()
        looked = look(network, _pixels(side=side), _score(network), "shares")
        assert torch.allclose(looked.grids.sum(dim=(1, 2)), looked.scores, rtol=1e-3)
        assert torch.allclose(looked.scores, _score(network)(_pixels(side=side)), rtol=1e-3, atol=1e-6)


def test_ways_that_a_network_has_not_are_refused() -> None:
    swin = SwinForImageClassification(
        SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=2)
    ).eval()
    assert look(swin, _pixels(), _score(swin), None).way == "gradcam"
    convolutional = lite0.Lite0ForImageClassification(lite0.Lite0Config())
    for network, way, remedy in (
        (swin, "rollout", "take gradcam"),
        (convolutional, "relevance", "take gradcam"),
        (_network("vit"), "gradcam", "does not depend on the last features"),
        (_network("dinov2"), "heat", "there are relevance, rollout, gradcam, shares"),
    ):
        with pytest.raises(OptionError, match=remedy):
            look(network, _pixels(side=64 if network is convolutional else 32), _score(network), way)
    with pytest.raises(OptionError, match="no grid of features"):
        look(nn.Linear(3, 3), _pixels(), lambda x: x.sum(), None)


def test_rollout_needs_a_class_token() -> None:
    network = _network("vit")
    embeddings: Any = network.vit.embeddings
    embeddings.first = nn.Parameter(embeddings.cls_token.detach())
    look(network, _pixels(), _score(network), "rollout")
    del embeddings.cls_token
    embeddings.register_buffer("cls_token", embeddings.first.detach())  # a buffer is none that was learned
    with pytest.raises(OptionError, match="has none; take relevance"):
        look(network, _pixels(), _score(network), "rollout")


@pytest.mark.parametrize(
    ("tokens", "size_hw", "shape"),
    [(197, (224, 224), (14, 14)), (50, (224, 224), (7, 7)), (201, (224, 224), (14, 14)), (385, (384, 256), (24, 16))],
)
def test_tokens_of_the_whole_picture_are_no_places(
    tokens: int, size_hw: tuple[int, int], shape: tuple[int, int]
) -> None:
    numbers = torch.arange(tokens, dtype=torch.float32)[None, :, None]
    grid = as_grid(numbers, size_hw)
    assert grid.shape == (1, 1, *shape)
    assert float(grid[0, 0, -1, -1]) == tokens - 1
    assert float(grid[0, 0, 0, 1] - grid[0, 0, 0, 0]) == 1
    with pytest.raises(OptionError, match="make no grid"):
        as_grid(torch.zeros(1, 35, 2), (32, 320))


def test_places_of_every_kind_of_base() -> None:
    lite0 = load_backbone("lite0", PARTS.labels, 0)
    x = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        places = lite0.on_layers((2, 4)).grids(x)
        stages = lite0.network.stage_outputs(x)  # type: ignore[operator]
    assert all(torch.equal(one, stages[stage]) for one, stage in zip(places, (2, 4), strict=True))
    toy = load_backbone("toy", PARTS.labels, 0)
    assert [tuple(one.shape) for one in toy.grids(_pixels())] == [(2, 32, 4, 4)]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["linear", "svm"])
def test_heads_say_the_same_in_torch(kind: Any, classes: int) -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(classes), 20)
    x = rng.normal(size=(len(targets), 6)) + targets[:, None]
    head = fit_head(kind, x, targets, classes, 1.0)
    found = logits(head, torch.from_numpy(x))
    shares = found.softmax(dim=1) if kind == "linear" else found.sigmoid() / found.sigmoid().sum(dim=1, keepdim=True)
    assert shares.numpy() == pytest.approx(head.probabilities(x), rel=1e-6)


def test_shares_of_a_likeness_add_up_to_the_cosine() -> None:
    backbone = load_backbone("lite0", PARTS.labels, 0)
    options = ClassifierOptions(data="-", out="-", base="lite0")
    inspector = HeadClassifier(backbone, PARTS, options)
    pair: list[Image.Image] = [part(1, scratched=True).resize((280, 280)), part(2, scratched=True).resize((280, 280))]
    first, second = likeness_maps(inspector, pair)
    with torch.inference_mode():
        a, b = backbone.features(inspector.encode(pair)["pixel_values"])
    cosine = float(nn.functional.cosine_similarity(a, b, dim=0))
    for one in (first, second):
        # each place's number stands at its centre
        assert one.values[5::10, 5::10].sum() == pytest.approx(cosine, rel=1e-3)
        assert f"{cosine:.3f}" in one.shows
    alike, _ = likeness_maps(inspector, [pair[0], pair[0]])
    assert "1.000" in alike.shows
