"""Objectives that pull embeddings of one class together and push classes apart, from pytorch-metric-learning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from torch import Tensor, nn

ObjectiveName = Literal["softmax", "contrastive", "triplet", "supervised-contrastive", "proxy-anchor", "arcface"]
MinerName = Literal["all", "semihard", "hard", "multi-similarity"]
COMPARING: tuple[ObjectiveName, ...] = ("contrastive", "triplet", "supervised-contrastive")
"""Objectives that compare the pictures of a batch with each other; the others learn a proxy for each class."""
MARGINS: dict[ObjectiveName, float] = {"contrastive": 1.0, "triplet": 0.2, "proxy-anchor": 0.1, "arcface": 28.6}
"""Default margins: distances, a cosine, degrees."""


class Objective(nn.Module):
    """The mean loss of a batch of embeddings, over all its pairs or triplets. What it learns itself, such as a proxy
    for each class, are its parameters."""

    def __init__(
        self,
        name: ObjectiveName,
        miner: MinerName,
        *,
        margin: float | None,
        temperature: float,
        classes: int,
        dimension: int,
    ) -> None:
        super().__init__()
        self.classes = classes
        distance = _distance(name)
        width = MARGINS.get(name, 0.0) if margin is None else margin
        self.loss = _loss(name, width, temperature, classes, dimension, distance)
        self.miner = _miner(miner, width, distance)

    def forward(self, vectors: Tensor, numbers: Tensor) -> Tensor:
        """Vectors (n, dimension) float32 and class numbers (n,) -> the mean loss. In evaluation nothing is mined, so
        that losses of different moments compare."""
        mined = self.miner(vectors, numbers) if self.miner is not None and self.training else None
        return cast(Tensor, self.loss(vectors, numbers, mined))


class _HalfSquared(losses.ContrastiveLoss):  # type: ignore[misc]
    """½ d² of a pair of one class, ½ max(0, margin - d)² of a pair of two.

    # Hadsell, Chopra & LeCun 2006, Dimensionality Reduction by Learning an Invariant Mapping, eq. 4
    """

    def forward(self, vectors: Tensor, numbers: Tensor, mined: Any = None) -> Tensor:
        if mined is not None:
            return cast(Tensor, super().forward(vectors, numbers, mined))
        # all pairs at once, not as a list: on a CPU, listing took longer than the notebook's network
        distances = torch.cdist(vectors, vectors)
        same = numbers[:, None] == numbers
        losses = 0.5 * torch.where(same, distances, (self.neg_margin - distances).clamp(min=0)) ** 2
        counted = losses > 0 if self.training else torch.ones_like(same)
        unlike, alike = counted & ~same, (counted & same).fill_diagonal_(False)
        means = [(losses * pairs).sum() / pairs.sum().clamp(min=1) for pairs in (alike, unlike)]
        return means[0] + means[1]

    def get_per_pair_loss(self, pair_dists: Tensor, pos_or_neg: str) -> Tensor:
        return 0.5 * cast(Tensor, super().get_per_pair_loss(pair_dists, pos_or_neg)) ** 2


class _MeanOfTheOpen(nn.Module):
    """While training, the mean over pairs or triplets with a loss above 0, so that the many without do not dilute them;
    in evaluation the mean over all."""

    def __init__(self) -> None:
        super().__init__()
        self.of_the_open, self.of_all = reducers.AvgNonZeroReducer(), reducers.MeanReducer()

    def forward(self, parts: dict[str, Any], vectors: Tensor, numbers: Tensor) -> Tensor:
        return cast(Tensor, (self.of_the_open if self.training else self.of_all)(parts, vectors, numbers))


class _Softmax(nn.Module):
    """A plain classifier on the vectors."""

    def __init__(self, classes: int, dimension: int) -> None:
        super().__init__()
        self.classes = nn.Sequential(nn.PReLU(), nn.Linear(dimension, classes))

    def forward(self, vectors: Tensor, numbers: Tensor, _: None) -> Tensor:
        return nn.functional.cross_entropy(self.classes(vectors), numbers)


def _distance(name: ObjectiveName) -> Any:
    # plain distances: whether embeddings have length 1 is the network's setting
    if name == "supervised-contrastive":
        return distances.CosineSimilarity()
    return distances.LpDistance(normalize_embeddings=False)


def _loss(
    name: ObjectiveName, margin: float, temperature: float, classes: int, dimension: int, distance: Any
) -> nn.Module:
    settings = {"num_classes": classes, "embedding_size": dimension, "margin": margin}
    made: dict[str, Callable[[], Any]] = {
        "softmax": lambda: _Softmax(classes, dimension),
        "contrastive": lambda: _HalfSquared(neg_margin=margin, distance=distance, reducer=_MeanOfTheOpen()),
        "triplet": lambda: losses.TripletMarginLoss(margin=margin, distance=distance, reducer=_MeanOfTheOpen()),
        "supervised-contrastive": lambda: losses.SupConLoss(temperature=temperature),
        "proxy-anchor": lambda: losses.ProxyAnchorLoss(**settings),
        "arcface": lambda: losses.ArcFaceLoss(**settings),
    }
    return cast(nn.Module, made[name]())


def _miner(name: MinerName, margin: float, distance: Any) -> Any:
    made: dict[str, Callable[[], Any]] = {
        "all": lambda: None,
        "semihard": lambda: miners.TripletMarginMiner(margin, "semihard", distance=distance),
        "hard": lambda: miners.BatchHardMiner(distance=distance),
        "multi-similarity": lambda: miners.MultiSimilarityMiner(distance=distance),
    }
    return made[name]()
