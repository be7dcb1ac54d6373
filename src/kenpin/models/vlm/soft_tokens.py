"""A picture's vector in a prompt: projected to soft tokens, which are written over places kept for them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from PIL.Image import Image
from torch import Tensor, nn

from kenpin.cases.case import VectorRun
from kenpin.models.networks.probe import probe_picture
from kenpin.models.networks.seeded import seeded
from kenpin.models.restoring import restore_run, vectors_of
from kenpin.run.layout import LINEAGE, MODEL, RECORD
from kenpin.run.record import space_of


class RunVectors:
    """The vectors that a finished run's model gives to pictures. It stays on the CPU and as it is: where batches are
    made, vectors are made too, once for each picture that is kept."""

    dimension: int

    def __init__(self, run: Path) -> None:
        """Raises RunError, and OptionError where its model gives none."""
        self._inspector, record = restore_run(run)
        self.run = VectorRun(space_of(record), run.name, str(run.absolute()))
        self._inspector.module.eval()
        self.dimension = self.of([probe_picture(self._inspector.image_size_wh)]).shape[1]

    def of(self, images: Sequence[Image]) -> Tensor:
        """RGB pictures -> vectors, (n, d) float32 on the CPU."""
        batch = self._inspector.encode(images)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            if self._inspector.extract is not None:
                batch = {"features": self._inspector.extract(batch)}
            return vectors_of(self._inspector.infer(batch)).float()

    def copy_to(self, folder: Path) -> None:
        """Copy what the vectors depend on, as a run of its own."""
        run = Path(self.run.path)
        shutil.copytree(run / MODEL, folder / MODEL)
        for name in (RECORD, LINEAGE):
            shutil.copyfile(run / name, folder / name)


class SoftPrompted(nn.Module):
    """A chat model whose prompts hold places for soft tokens, and the projector that makes these of vectors."""

    def __init__(self, network: nn.Module, dimension: int, soft_tokens: int, seed: int) -> None:
        super().__init__()
        self.network = network
        words = cast(Any, network).get_input_embeddings().weight
        width = words.shape[1]
        with seeded(seed):
            self.projector = nn.Sequential(
                nn.LayerNorm(dimension),
                nn.Linear(dimension, width),
                nn.GELU(),
                nn.Linear(width, soft_tokens * width),
                nn.Unflatten(1, (soft_tokens, width)),
            )
        # as long as words are, or they would be all that the model hears of a prompt
        self._scale = float(words.detach().float().pow(2).mean().sqrt())

    def forward(self, vectors: Tensor, soft_at: Tensor, **inputs: Any) -> Any:
        """What the network says of prompts with these vectors, (n, d), whose places begin in columns `soft_at` (n,)."""
        with self._written(vectors, soft_at):
            return self.network(**inputs)

    def generate(self, vectors: Tensor, soft_at: Tensor, **inputs: Any) -> Any:
        """As the network's own `generate`."""
        with self._written(vectors, soft_at):
            return cast(Any, self.network).generate(**inputs)

    @contextmanager
    def _written(self, vectors: Tensor, soft_at: Tensor) -> Iterator[None]:
        soft = self.projector(vectors) * self._scale
        places = soft_at[:, None] + torch.arange(soft.shape[1], device=soft_at.device)
        rows = torch.arange(len(soft), device=soft_at.device)[:, None]

        def write(module: nn.Module, arguments: Any, words: Tensor) -> Tensor:
            hook.remove()  # the prompt is looked up first; what is generated behind it stays as it is
            words = words.clone()
            words[rows, places] = soft.to(words.dtype)
            return words

        hook = cast(Any, self.network).get_input_embeddings().register_forward_hook(write)
        try:
            yield
        finally:
            hook.remove()


def with_room(rows: Tensor, first: Tensor, count: int, fill: int) -> Tensor:
    """Rows with `count` places more, filled, before column `first` of each. (n, t), (n,) -> (n, t + count)"""
    columns = torch.arange(rows.shape[1] + count).expand(len(rows), -1)
    is_behind, is_room = columns >= first[:, None] + count, columns >= first[:, None]
    source = torch.where(is_behind, columns - count, columns).clamp(max=rows.shape[1] - 1)
    return rows.gather(1, source).masked_fill(is_room & ~is_behind, fill)
