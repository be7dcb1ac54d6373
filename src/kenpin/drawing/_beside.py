"""A model's boxes on a picture beside its annotated boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from kenpin.data.images import read_image
from kenpin.data.reading.names import name_of_file
from kenpin.drawing._banner import caption, with_banner
from kenpin.drawing._boxes import draw_detections
from kenpin.files import new_file
from kenpin.plural import counted
from kenpin.records import Detections, Example, Judgement, Prediction

_GAP_PX = 8


def draw_beside_truth(
    example: Example,
    prediction: Prediction,
    judgement: Judgement | None,
    folder: str | Path,
    number: int,
    *,
    labels: Sequence[str] = (),
) -> Path:
    """Write the picture twice as `folder/NUMBER-NAME.png`, the annotated boxes on the left and the found ones on the
    right; returns its path.

    `labels`: all classes in order, of which each has its colour. Raises ImageError, MissingExtraError, OSError.
    """
    picture = read_image(example.image)
    detections = prediction.detections or Detections()
    truth = f"annotated: {_count(example.boxes)}"
    answer = f"found: {_count(detections)}" if len(detections) else ""  # the caption mentions an empty answer
    text = "  ".join(filter(None, (answer, caption(prediction, judgement))))
    verdict = None if judgement is None else judgement.verdict
    left = with_banner(draw_detections(picture, example.boxes or Detections(), labels=labels), truth, None)
    right = with_banner(draw_detections(picture, detections, labels=labels), text, verdict)
    canvas = Image.new("RGB", (left.width + _GAP_PX + right.width, left.height), "white")
    canvas.paste(left)
    canvas.paste(right, (left.width + _GAP_PX, 0))
    target = Path(folder) / name_of_file(f"{number:04d}-{Path(example.id).stem}.png")
    with new_file(target) as unfinished:
        canvas.save(unfinished)
    return target


def _count(boxes: Detections | None) -> str:
    if boxes is None:
        return "no annotation"
    return "no box" if not len(boxes) else counted(len(boxes), "box")
