"""A picture's embedding in a prompt: projected to soft tokens, which replace placeholder tokens."""

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
from kenpin.models.outputs import vectors_of
from kenpin.models.restoring import restore_run
from kenpin.run.layout import LINEAGE, MODEL, RECORD
from kenpin.run.record import space_of


class RunVectors:
    """Embeddings of pictures by a finished run's model. It stays on the CPU and unchanged: embeddings are computed
    where batches are made, once for each picture that is kept."""

    dimension: int

    def __init__(self, run: Path) -> None:
        """Raises RunError, and OptionError where the run's model computes no embeddings."""
        self._inspector, record = restore_run(run)
        self.run = VectorRun(space_of(record), run.name, str(run.absolute()))
        self._inspector.module.eval()
        self.dimension = self.of([probe_picture(self._inspector.image_size_wh)]).shape[1]

    def of(self, images: Sequence[Image]) -> Tensor:
        """RGB pictures -> embeddings, (n, d) float32 on the CPU."""
        batch = self._inspector.encode(images)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            if self._inspector.extract is not None:
                batch = {"features": self._inspector.extract(batch)}
            return vectors_of(self._inspector.infer(batch)).float()

    def copy_to(self, folder: Path) -> None:
        """Copy the files that the embeddings depend on, as a run of its own."""
        run = Path(self.run.path)
        shutil.copytree(run / MODEL, folder / MODEL)
        for name in (RECORD, LINEAGE):
            shutil.copyfile(run / name, folder / name)


class SoftPrompted(nn.Module):
    """A chat model whose prompts hold placeholders for soft tokens, and the projector that makes them."""

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
        # scaled to the norm of word embeddings, or they would drown out the rest of the prompt
        self._scale = float(words.detach().float().pow(2).mean().sqrt())

    def forward(self, vectors: Tensor, soft_at: Tensor, **inputs: Any) -> Any:
        """The network's output for prompts with these embeddings, (n, d); placeholders begin at `soft_at`, (n,)."""
        with self._written(vectors, soft_at):
            return self.network(**inputs)

    def generate(self, vectors: Tensor, soft_at: Tensor, **inputs: Any) -> Any:
        """As the network's own `generate`."""
        with self._written(vectors, soft_at):
            return cast(Any, self.network).generate(**inputs)

    @contextmanager
    def _written(self, vectors: Tensor, soft_at: Tensor) -> Iterator[None]:
        soft = self.projector(vectors) * self._scale
        columns = soft_at[:, None] + torch.arange(soft.shape[1], device=soft_at.device)
        rows = torch.arange(len(soft), device=soft_at.device)[:, None]

        def write(module: nn.Module, arguments: Any, words: Tensor) -> Tensor:
            hook.remove()  # the prompt is embedded first; generated tokens are not replaced
            words = words.clone()
            words[rows, columns] = soft.to(words.dtype)
            return words

        hook = cast(Any, self.network).get_input_embeddings().register_forward_hook(write)
        try:
            yield
        finally:
            hook.remove()


def with_room(rows: Tensor, first: Tensor, count: int, fill: int) -> Tensor:
    """Rows with `count` more columns, filled, before column `first` of each. (n, t), (n,) -> (n, t + count)"""
    columns = torch.arange(rows.shape[1] + count).expand(len(rows), -1)
    is_behind, is_room = columns >= first[:, None] + count, columns >= first[:, None]
    source = torch.where(is_behind, columns - count, columns).clamp(max=rows.shape[1] - 1)
    return rows.gather(1, source).masked_fill(is_room & ~is_behind, fill)
