"""Networks that turn pictures into embeddings: features of a backbone, or the notebook's multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from kenpin.models.contract import Batch
from kenpin.models.embedder.batches import alone
from kenpin.models.embedder.objectives import Objective
from kenpin.models.in_parts import Gather
from kenpin.models.networks.backbones import Backbone
from kenpin.models.networks.seeded import seeded

MLP_SIDE_PX = 28
_WIDTH = 256
_MEAN, _DEVIATION = 0.1307, 0.3081  # of MNIST's pixels
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's mode L


class MlpBackbone(Backbone):
    """The notebook's multilayer perceptron on grey pictures of 28 × 28: 784-256-256, PReLU behind each layer."""

    @property
    def image_size_wh(self) -> tuple[int, int]:
        """28 × 28."""
        return MLP_SIDE_PX, MLP_SIDE_PX

    def encode(self, images: Sequence[Image.Image]) -> Batch:
        """RGB pictures -> `pixel_values` (n, 1, 28, 28) float32, scaled as MNIST's are."""
        side = (MLP_SIDE_PX, MLP_SIDE_PX)
        resized = [image if image.size == side else image.resize(side, Image.Resampling.BILINEAR) for image in images]
        # all at once: converted by Pillow, each small picture would cost twice as much
        colours = torch.from_numpy(np.stack([np.asarray(image) for image in resized])).float()
        return {"pixel_values": _scaled(*colours.unbind(dim=-1))[:, None]}

    def encode_grey(self, pixels: NDArray[np.uint8]) -> Batch:
        """Grey pictures (n, 28, 28) -> the output of `encode` for them, bit for bit."""
        levels = torch.arange(256.0)
        return {"pixel_values": _scaled(levels, levels, levels)[torch.from_numpy(pixels.astype(np.int64))][:, None]}

    def features(self, pixel_values: Tensor) -> Tensor:
        """The last hidden layer, computed from the mean of the channels. (n, c, 28, 28) -> (n, 256)."""
        grey = pixel_values.mean(dim=1) if pixel_values.shape[1] > 1 else pixel_values
        return cast(Tensor, self.network(grey.flatten(1)))


def _scaled(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    grey = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return (grey / 255 - _MEAN) / _DEVIATION


def mlp(seed: int) -> MlpBackbone:
    """The perceptron with random weights of this seed."""
    with seeded(seed):
        layers = nn.Sequential(
            nn.Linear(MLP_SIDE_PX**2, _WIDTH), nn.PReLU(), nn.Linear(_WIDTH, _WIDTH), nn.PReLU()
        )  # fmt: skip
    return MlpBackbone("mlp", layers.eval(), None)


class EmbeddingNetwork(nn.Module):
    """From pictures, or features of a frozen backbone, to embeddings, or with class numbers to the objective's loss."""

    def __init__(
        self,
        backbone: Backbone,
        body: nn.Module,
        *,
        dimension: int,
        normalise: bool,
        objective: Objective,
        frozen: bool,
        seed: int,
    ) -> None:
        """body: the backbone's network, or that with adapters in it. frozen: none of it trains."""
        super().__init__()
        self.body, self.objective = body, objective
        self.normalise, self.frozen = normalise, frozen
        self.gather: Gather | None = None
        """Brings together what several processes compute of a batch; None: one computes it."""
        self._features = backbone.features
        with seeded(seed):
            self.projection = _projection(len(backbone.item_names), dimension, learned=backbone.id != "mlp")
        if frozen:
            body.requires_grad_(False)

    def train(self, mode: bool = True) -> EmbeddingNetwork:
        """A frozen body stays as it is: its running statistics must not drift."""
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self

    def forward(
        self,
        pixel_values: Tensor | None = None,
        features: Tensor | None = None,
        numbers: Tensor | None = None,
        scattered: Sequence[int] = (),
    ) -> Tensor:
        """(n, c, h, w) or (n, items) -> vectors (n, dimension) float32; with class numbers (n,) -> their mean loss.

        scattered: numbers of classes whose pictures are each a class of their own.
        """
        if features is None:
            assert pixel_values is not None
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                features = self._features(pixel_values)
        vectors: Tensor = self.projection(features).float()
        if self.normalise:
            vectors = nn.functional.normalize(vectors)
        if numbers is None:
            return vectors
        if self.gather is not None:
            vectors, numbers = self.gather(vectors, numbers)
        return cast(Tensor, self.objective(vectors, alone(numbers, scattered)))


def _projection(items: int, dimension: int, *, learned: bool) -> nn.Module:
    """From features to embeddings. Features of a learned backbone differ in scale by orders of magnitude, and no
    embedding that separates classes well is a linear function of them."""
    if not learned:
        return nn.Linear(items, dimension)
    standardise = _Standardise(items, affine=False)
    return nn.Sequential(standardise, nn.Linear(items, _WIDTH), nn.PReLU(), nn.Linear(_WIDTH, dimension))


class _Standardise(nn.BatchNorm1d):
    """Each item to mean 0 and variance 1. One picture alone has no variance and takes the running one."""

    def forward(self, features: Tensor) -> Tensor:
        if self.training and len(features) == 1:
            return nn.functional.batch_norm(features, self.running_mean, self.running_var, eps=self.eps)
        return super().forward(features)
