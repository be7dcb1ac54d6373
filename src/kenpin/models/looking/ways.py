"""Maps of a score's origin: by Grad-CAM, by shares, by attention rollout and by attention's relevance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn
from transformers import PreTrainedModel

from kenpin.errors import OptionError
from kenpin.models.contract import Inspector
from kenpin.models.looking.attention import Attention, relevance, rollout, watched_attention
from kenpin.models.looking.maps import map_of_cells, seen_region
from kenpin.models.networks.layers import as_grid, body_of
from kenpin.models.networks.lite0 import Lite0ForImageClassification
from kenpin.models.outputs import vectors_of
from kenpin.nearest import did_you_mean
from kenpin.records import Map

Way = Literal["relevance", "rollout", "gradcam", "shares"]
WAYS: tuple[Way, ...] = get_args(Way)
_SAID: dict[Way, str] = {
    "relevance": "attention relevant for",
    "rollout": "attention of the class token, prediction",
    "gradcam": "speaks for",
    "shares": "shares of the logit of",
}
_UNITS: dict[Way, str] = {
    "relevance": "relevance",
    "rollout": "% of the attention",
    "gradcam": "Grad-CAM",
    "shares": "share of a cell",
}
TOGETHER = 4
"""Pictures that are looked at in one pass: memory grows with each, and a few fill a processor."""
_LONGEST_SIDE = 28  # of the common grid of the maps of several stages


class Looked(NamedTuple):
    """Maps of a score's origin, one for each picture."""

    way: Way
    grids: Tensor
    """(n, rows, columns) float32, on the CPU."""
    scores: Tensor
    """(n,), the explained scores."""


def class_maps(
    inspector: Inspector,
    logits: Callable[[Tensor], Tensor],
    images: Sequence[Image],
    way: str | None,
    label: str | None,
) -> list[tuple[Map, ...]]:
    """One map a picture: the origin of the logit of a class, by default the likeliest.

    logits: of `pixel_values`, (n, 3, h, w) -> (n, classes), differentiable. Raises OptionError.
    """
    if label is not None and label not in inspector.labels:
        raise OptionError(
            f"option `label`: {label!r} is not a class of this run; {did_you_mean(label, inspector.labels)}"
        )
    maps: list[tuple[Map, ...]] = []
    for some in _few(images):
        explained: list[int] = []

        def of_class(x: Tensor, explained: list[int] = explained) -> Tensor:
            found = logits(x)
            likeliest = found.argmax(dim=1).tolist()
            explained[:] = likeliest if label is None else [inspector.labels.index(label)] * len(found)
            return found[torch.arange(len(found)), explained]

        looked = look(inspector.module, _pixels(inspector, some), of_class, way)
        maps += [
            (_map(inspector, looked, place, image, f"{_SAID[looked.way]} {inspector.labels[explained[place]]}"),)
            for place, image in enumerate(some)
        ]
    return maps


def _few(images: Sequence[Image]) -> Iterator[Sequence[Image]]:
    """As many at a time as may be looked at together."""
    for start in range(0, len(images), TOGETHER):
        yield images[start : start + TOGETHER]


def likeness_maps(inspector: Inspector, pair: Sequence[Image]) -> list[Map]:
    """Maps of two pictures whose shares add up to the cosine of their embeddings.

    Embeddings are an embedder's, or the features under a head or a unit space. Raises OptionError.
    # Stylianou, Souvenir & Pless 2019, Visualizing deep similarity networks
    """
    pixels = _pixels(inspector, pair)

    def vectors(x: Tensor) -> Tensor:
        batch = {"pixel_values": x}
        outputs = inspector.infer(batch if inspector.extract is None else {"features": inspector.extract(batch)})
        return vectors_of(outputs).float()

    with torch.inference_mode():
        both = nn.functional.normalize(vectors(pixels))
    maps = []
    for image, picture, other in zip(pair, pixels, both.flip(0).clone(), strict=True):

        def cosine(x: Tensor, other: Tensor = other) -> Tensor:
            found = vectors(x)
            # with the length held fast: the cosine does not change with it, and its shares would add up to 0
            likeness: Tensor = (found / found.detach().norm(dim=1, keepdim=True)) @ other
            return likeness

        looked = look(inspector.module, picture[None], cosine, "shares")
        maps.append(_map(inspector, looked, 0, image, f"shares of the cosine {float(looked.scores[0]):.3f}"))
    return maps


def distance_maps(
    inspector: Inspector,
    items: Callable[[Tensor], Tensor],
    shares: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    mean: NDArray[np.float64],
    images: Sequence[Image],
) -> list[tuple[Map, ...]]:
    """One map a picture: the items' shares of a distance, divided among the cells that the items were computed from.

    items: of `pixel_values`, (n, 3, h, w) -> (n, k), differentiable; shares: of these; mean: the unit space's, (k,).
    """
    centre = torch.from_numpy(mean)
    maps: list[tuple[Map, ...]] = []
    for some in _few(images):

        def distance(x: Tensor) -> Tensor:
            away = items(x).double().cpu() - centre
            of_items = torch.from_numpy(shares((away + centre).detach().numpy()))
            # each share as a slope times the item's own deviation, which then is divided
            slopes = torch.where(away == 0, 0.0, of_items / away).detach()
            return (away * slopes).sum(dim=1)

        looked = look(inspector.module, _pixels(inspector, some), distance, "shares")
        maps += [
            (_map(inspector, looked, place, image, f"shares of the distance {float(looked.scores[place]):.3g} D²/k"),)
            for place, image in enumerate(some)
        ]
    return maps


def _pixels(inspector: Inspector, images: Sequence[Image]) -> Tensor:
    return inspector.encode(images)["pixel_values"].to(next(inspector.module.parameters()).device)


def _map(inspector: Inspector, looked: Looked, place: int, image: Image, shows: str) -> Map:
    region = seen_region(getattr(inspector, "processor", None), image.size)
    return map_of_cells(looked.grids[place].numpy(), image.size, shows, _UNITS[looked.way], region=region)


def look(module: nn.Module, pixel_values: Tensor, score: Callable[[Tensor], Tensor], way: str | None) -> Looked:
    """Maps of where `score` comes from; memory grows with the pictures, so give few at a time.

    pixel_values: (n, 3, h, w) on the module's device; score: of these -> (n,), differentiable, through the module.
    way: None for the relevance of attention where every token attends to all, else Grad-CAM. Raises OptionError.
    """
    if way is not None and way not in WAYS:
        raise OptionError(f"option `way`: {way!r} is not a method; {did_you_mean(way, WAYS)}")
    network = next((part for part in module.modules() if isinstance(part, PreTrainedModel)), None)
    if network is None:
        raise OptionError(f"{type(module).__name__} has no grid of features to draw a map from; take another base.")
    with _frozen(module):
        looked = _look(network, pixel_values, score, way)
    return looked._replace(grids=looked.grids.float().cpu())


def _look(network: nn.Module, pixels: Tensor, score: Callable[[Tensor], Tensor], way: Way | None) -> Looked:
    if isinstance(network, Lite0ForImageClassification):
        if way in ("relevance", "rollout"):
            raise OptionError(f"option `way`: {way} follows attention, and this network has none; take gradcam.")
        with _leaves([*network.stages, network.head]) as outputs:
            value = score(pixels)
        return _by_gradient(way or "gradcam", value, outputs)
    base = body_of(network)
    with _last_hidden(base) as hidden, _layers_cut(base) as states, watched_attention(network) as layers:
        leaf = pixels.clone().requires_grad_()
        value = score(leaf)
    if states:  # features of chosen layers, and the score depends on each by itself
        if way in ("relevance", "rollout"):
            raise OptionError(
                f"option `way`: {way} follows attention up to the last layer, and this run looks at layers of its own "
                "choice; take gradcam."
            )
        return _by_gradient(way or "gradcam", value, states, tuple(pixels.shape[2:]))
    if not hidden:
        raise OptionError(f"{type(network).__name__} does not give its grid of features; take another base.")
    if way is None:
        way = "relevance" if _attends_to_all(layers, hidden[0]) else "gradcam"
    if way in ("gradcam", "shares"):
        return _by_gradient(way, value, hidden, tuple(pixels.shape[2:]))
    return _by_attention(way, value, leaf, hidden[0], layers, _has_class_token(network))


def _by_gradient(way: Way, value: Tensor, outputs: list[Tensor], size_hw: tuple[int, ...] | None = None) -> Looked:
    """Grad-CAM, or shares, of the outputs that the score was computed from.

    gradcam: # Selvaraju et al. 2017, eq. 1 and 2: ReLU(Σ_c mean_cells(∂y/∂A_c) A_c). Outputs of both signs have no
    zero of their own: their mean over the picture is subtracted, else the ReLU would cut anywhere.
    shares: Σ_c ∂y/∂A_c A_c at each cell, and the rest of the score spread evenly: exact where the score is
    linear in the outputs' averages (Stylianou, Souvenir & Pless 2019).
    """
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(value.sum(), outputs, allow_unused=True)
    parts = []
    for output, gradient in zip(outputs, gradients, strict=True):
        if gradient is None:
            continue
        cells, slopes = (as_grid(tensor, size_hw) for tensor in (output.detach(), gradient))
        if way == "gradcam":
            slopes = slopes.mean(dim=(2, 3), keepdim=True)
            has_both = cells.amin(dim=(1, 2, 3), keepdim=True) < 0
            cells = torch.where(has_both, cells - cells.mean(dim=(2, 3), keepdim=True), cells)
        parts.append((cells * slopes).sum(dim=1).float())
    if not parts or not torch.stack([part.flatten(1).any(dim=1) for part in parts]).any(dim=0).all():
        raise OptionError(
            f"option `way`: {way} finds nothing: the score does not depend on the last features; take another."
        )
    grids = _together(parts)
    if way == "gradcam":
        grids = grids.relu()
    else:
        grids = grids + ((value.detach().to(grids) - grids.sum(dim=(1, 2))) / grids[0].numel())[:, None, None]
    return Looked(way, grids, value.detach().float().cpu())


def _by_attention(
    way: Way, value: Tensor, pixels: Tensor, hidden: Tensor, layers: list[Attention], class_token: bool
) -> Looked:
    if not _attends_to_all(layers, hidden):
        raise OptionError(
            f"option `way`: {way} follows attention among all tokens, which this network does not have; take gradcam."
        )
    if way == "rollout" and not class_token:
        raise OptionError(
            "option `way`: rollout asks what the class token attends to, and this network has none; take relevance."
        )
    if way == "rollout":
        start = torch.zeros(hidden.shape[:2], device=hidden.device)
        start[:, 0] = 100  # percent
        tokens = rollout(layers, start)
    else:
        # down to the pixels, so that every layer of attention is passed on the way
        slope, _ = torch.autograd.grad(value.sum(), [hidden, pixels])
        # the class token alone where the score is made of it, every token where it is made of all
        start = slope.float().norm(dim=2)
        tokens = relevance(layers, start / start.sum(dim=1, keepdim=True).clamp(min=1e-30)) - start
    grids = as_grid(tokens[..., None], tuple(pixels.shape[2:]))[:, 0]
    return Looked(way, grids, value.detach().float().cpu())


def _attends_to_all(layers: list[Attention], hidden: Tensor) -> bool:
    return hidden.ndim == 3 and bool(layers) and all(layer.query.shape[2] == hidden.shape[1] for layer in layers)


def _has_class_token(network: nn.Module) -> bool:
    return any(name.endswith("cls_token") for name, _ in network.named_parameters())


def _together(parts: list[Tensor]) -> Tensor:
    """Maps of several stages, (n, h, w) each, on one grid, each keeping its sum. -> (n, rows, columns)."""
    rows, columns = max(tuple(part.shape[1:]) for part in parts)
    shrink = max(rows, columns, _LONGEST_SIDE) / _LONGEST_SIDE
    size = (round(rows / shrink), round(columns / shrink))
    total = torch.zeros(len(parts[0]), *size, device=parts[0].device)
    for part in parts:
        coarser = part.shape[1] < size[0]
        mode: dict[str, Any] = {"mode": "bilinear"} if coarser else {"mode": "area"}
        spread = nn.functional.interpolate(part[:, None], size, **mode)[:, 0]
        total += spread * (part[0].numel() / total[0].numel())
    return total


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No graph for the weights while the context is open: only the gradients of the cells are kept."""
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)


@contextmanager
def _leaves(layers: list[nn.Module]) -> Iterator[list[Tensor]]:
    """The layers' outputs, detached from their inputs: gradients reach each output by its direct path alone."""
    outputs: list[Tensor] = []

    def cut(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        outputs.append(output.detach().requires_grad_())
        return outputs[-1]

    hooks = [layer.register_forward_hook(cut) for layer in layers]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _layers_cut(base: nn.Module) -> Iterator[list[Tensor]]:
    """The outputs of all layers, where the network is asked for them, detached from one another: gradients reach each
    by its direct path alone."""
    states: list[Tensor] = []

    def cut(layer: nn.Module, inputs: Any, output: Any) -> Any:
        for name in ("reshaped_hidden_states", "hidden_states"):
            if getattr(output, name, None):
                states.extend(state.detach().requires_grad_() for state in getattr(output, name))
                output[name] = tuple(states)
                break
        return output

    hook = base.register_forward_hook(cut)
    try:
        yield states
    finally:
        hook.remove()


@contextmanager
def _last_hidden(base: nn.Module) -> Iterator[list[Tensor]]:
    """The last hidden state of a network of transformers, once it is computed."""
    seen: list[Tensor] = []

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        if (hidden := getattr(output, "last_hidden_state", None)) is not None:
            seen.append(hidden)

    hook = base.register_forward_hook(note)
    try:
        yield seen
    finally:
        hook.remove()
