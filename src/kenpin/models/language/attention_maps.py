"""Maps of a language model's detections: the attention of their tokens to the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from PIL.Image import Image
from torch import Tensor

from kenpin.models.looking.attention import Attention, watched_attention
from kenpin.models.looking.maps import map_of_cells
from kenpin.models.networks.layers import as_grid
from kenpin.models.outputs import as_arrays
from kenpin.records import Detections, Example, Map

if TYPE_CHECKING:
    from kenpin.models.language.detector import LanguageDetector


def detection_maps(detector: LanguageDetector, image: Image, example: Example, label: str | None) -> tuple[Map, ...]:
    """A map for each detection (label: of this class): the attention of its tokens, label and box, to each cell of the
    picture while they are predicted; the mean over tokens, heads and layers, in percent of their whole attention.

    The answer is generated, then read once more in a single pass in which all its tokens are predicted together.
    """
    example = replace(example, size_wh=image.size)
    batch = {name: detector.on_device(values) for name, values in detector.encode([image]).items()}
    if detector.extract is not None:
        batch = {"features": detector.extract(batch)}
    outputs = as_arrays(detector.infer(batch))
    detections = detector.decode(outputs, [example])[0].detections or Detections()
    answer = outputs["tokens"][0].tolist()
    answer = answer[: answer.index(detector.end)] if detector.end in answer else answer
    read = {name: detector.on_device(values) for name, values in detector.encode_answer_ids([answer]).items()}
    with watched_attention(detector.module, detector.looks) as layers, detector.arithmetic():
        detector.logits(detector.module, batch | read)
    grids = _paid(detector, layers, len(answer))
    maps = []
    for number, tokens in enumerate(detector.reader.tokens_of(answer, image.size)):
        if label in (None, detections.labels[number]):
            score = "" if detections.scores is None else f" {detections.scores[number]:.2f}"
            paid, shows = grids[tokens].mean(dim=0).numpy(), f"attention for {detections.labels[number]}{score}"
            box = detections.boxes_xyxy_px[number]
            maps.append(map_of_cells(paid, image.size, shows, "% of the attention", box=box))
    return tuple(maps)


def _paid(detector: LanguageDetector, layers: Sequence[Attention], tokens: int) -> Tensor:
    """Attention of each token of the answer to each cell. -> (tokens, rows, columns)."""
    queries = slice(detector.first_query, detector.first_query + tokens)
    paid = [
        layer.weights(head, queries)[0, :, : detector.picture_tokens] for layer in layers for head in range(layer.heads)
    ]
    percent = 100 * torch.stack(paid).mean(dim=0)
    return as_grid(percent[..., None], detector.image_size_wh[::-1])[:, 0].float().cpu()
