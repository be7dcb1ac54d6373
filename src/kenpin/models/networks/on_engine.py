"""A frozen function of pictures on an engine: converted once, kept on disk, computed beside the caller.

It is an aid and never a condition: where `auto` chose an engine that cannot take the network, torch computes it.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from kenpin.data.images import as_rgb
from kenpin.errors import EngineError, first_line
from kenpin.models.contract import Batch
from kenpin.models.networks.converting import write_network
from kenpin.models.networks.kept_networks import kept_network
from kenpin.models.networks.stored_pixels import StoredPixels
from kenpin.runtime import Network, chosen_engine, load_network, version_of
from kenpin.runtime.network import NETWORK_FILES, Work, at_once

_log = logging.getLogger(__name__)
_MOST_LOADED = 4
_networks: OrderedDict[tuple[str, Work, int], Network] = OrderedDict()
"""Networks that this process has loaded, the last used ones: folds of a training have one base, each an inspector of
its own."""


class OnEngine:
    """A function of pixel values, (n, c, h, w) -> rows, that no training changes any more.

    Called with a batch it computes with torch, as for gradients and on other devices. `begin` computes on the engine,
    whose input are the pictures as `prepare` brings them to size: bytes where the processor allows it, a quarter of
    what would be moved else.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor | tuple[Tensor, ...]],
        network: nn.Module,
        encode: Callable[[Sequence[Image]], Batch],
        *,
        processor: Any,
        size_wh: tuple[int, int],
        engine: str,
        output: str = "features",
        beside: tuple[str, ...] = (),
    ) -> None:
        """network: its weights are those of the function; engine: as `chosen_engine` takes it; output: the name under
        which `infer` takes the rows; beside: names of what the function returns beside them, for packages alone."""
        self.output, self.beside = output, beside
        self._function, self._network, self._encode = function, network, encode
        self._processor, self._size_wh = processor, size_wh
        self._wanted, self._engine = engine, chosen_engine(engine)
        if engine == "auto" and self._engine == "onnx" and find_spec("onnxscript") is None:
            self._engine = "torch"  # the runtime alone judges packages, and converts nothing
        self._stored: StoredPixels | None = None
        self._networks: dict[Work, Network] = {}
        self._is_ready = False

    def __call__(self, batch: Batch) -> Tensor:
        """The rows of a batch of `encode`, by torch."""
        return rows_of(self._function(batch["pixel_values"]))

    @property
    def key(self) -> str:
        """What computes: rows of equal keys and weights are equal."""
        return self._engine if self._engine == "torch" else f"{self._engine} {version_of(self._engine)} fp32"

    @property
    def is_on(self) -> bool:
        """Whether the engine computes: it is another than torch, and the weights are 32-bit numbers on the CPU."""
        if self._engine == "torch" or self._network.training:
            return False
        weights = next(self._network.parameters(), None)
        if weights is None or weights.device.type != "cpu" or weights.dtype != torch.float32:
            return False
        return self._made_ready()

    def prepare(self, image: Image) -> NDArray[Any]:
        """One picture, of mode RGB or L, as the engine's network takes it: (h, w, 3) uint8, or (3, h, w) float32."""
        if self._stored is not None:
            return self._stored.of(image)
        return self._encode([as_rgb(image)])["pixel_values"][0].numpy()

    def begin(self, rows: NDArray[Any]) -> Callable[[], Tensor]:
        """Begin with prepared pictures, (n, …); the function returned waits for their rows, on the CPU. At most `depth`
        batches are computed at a time."""
        pending = self._on("many").submit(rows)
        return lambda: torch.from_numpy(pending.result()[self.output])

    def at_once(self, images: Sequence[Image]) -> Tensor:
        """The rows of a few pictures that somebody waits for."""
        return torch.from_numpy(at_once(self._on, images, self.prepare)[self.output])

    @property
    def depth(self) -> int:
        """Batches that are computed at a time."""
        return self._on("many").depth

    def _made_ready(self) -> bool:
        """Convert and load; where that fails and the engine was not asked for by name, torch computes from now on."""
        if self._is_ready:
            return True
        try:
            self._stored = self.stored()
            self._on("many")
        except Exception as error:  # converters raise whatever breaks first
            hindrance = f"{self._engine} cannot take this network ({first_line(error)})"
            if self._wanted != "auto":
                raise EngineError(hindrance) from error
            _log.warning("%s; torch computes it.", hindrance)
            self._engine = "torch"
            return False
        self._is_ready = True
        return True

    def _on(self, work: Work) -> Network:
        if work not in self._networks:
            self._networks[work] = _loaded(self._engine, self._key_of_network, work, self._converted)
        return self._networks[work]

    @cached_property
    def _key_of_network(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{self.key} torch {torch.__version__} {type(self._network).__qualname__}".encode())
        digest.update(f"{self._size_wh} {self.output} {self._stored}".encode())
        update_by_weights(digest, self._network)
        # the function may use a part of the network alone: its answer for a fixed picture tells which
        with torch.inference_mode():
            digest.update(rows_of(self._graph()(self._example())).float().numpy().tobytes())
        return digest.hexdigest()

    def _example(self) -> Tensor:
        width, height = self._size_wh
        draw = np.random.default_rng(0)
        if self._stored is not None:
            return torch.from_numpy(draw.integers(0, 256, (1, height, width, 3), np.uint8))
        return torch.from_numpy(draw.standard_normal((1, 3, height, width), np.float32))

    def stored(self) -> StoredPixels | None:
        """How its pictures are brought to bytes, where they can be."""
        return StoredPixels.of_processor(self._processor, self._encode, self._size_wh)

    def graph(self, stored: StoredPixels | None) -> nn.Module:
        """The network from prepared pictures to rows, that the engine computes."""
        return FrozenGraph(self._function, self._network, stored).eval()

    def _graph(self) -> nn.Module:
        return self.graph(self._stored)

    def _converted(self, folder: Path) -> None:
        """Write the network's file for the engine into a folder."""
        write_network(self._engine, self._graph(), self._example(), folder, (self.output, *self.beside))


def _loaded(engine: str, key: str, work: Work, convert: Callable[[Path], None]) -> Network:
    threads = torch.get_num_threads()
    if (key, work, threads) not in _networks:
        file = kept_network(key, convert) / NETWORK_FILES[engine]
        _networks[key, work, threads] = load_network(engine, file, work=work, threads=threads)
        while len(_networks) > _MOST_LOADED:
            _networks.popitem(last=False)
    _networks.move_to_end((key, work, threads))
    return _networks[key, work, threads]


def update_by_weights(digest: Any, network: nn.Module) -> None:
    """Update a hash by names, shapes and values of all weights."""
    for name, values in network.state_dict().items():
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def rows_of(answer: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The rows of a function that may return further ones beside them."""
    return answer if isinstance(answer, Tensor) else answer[0]


class FrozenGraph(nn.Module):
    """From prepared pictures to rows, and to what is beside them."""

    def __init__(
        self,
        function: Callable[[Tensor], Tensor | tuple[Tensor, ...]],
        network: nn.Module,
        stored: StoredPixels | None,
    ) -> None:
        super().__init__()
        self.network = network  # so that its weights are this module's
        self._function, self._stored = function, stored

    def forward(self, rows: Tensor) -> Tensor | tuple[Tensor, ...]:
        answer = self._function(rows if self._stored is None else self._stored.pixel_values(rows))
        return answer.float() if isinstance(answer, Tensor) else tuple(of.float() for of in answer)
