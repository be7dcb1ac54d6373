"""Verdict, class and score of a picture on a banner below it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from kenpin.data.images import read_image
from kenpin.data.reading.names import name_of_file
from kenpin.drawing._boxes import draw_detections
from kenpin.drawing._lettering import Lettering
from kenpin.files import new_file
from kenpin.records import ImageSource, Judgement, Prediction, Verdict

_COLOURS = {Verdict.PASS: "#1a7f4b", Verdict.FAIL: "#b3261e", Verdict.REVIEW: "#9a6700", None: "#444444"}
_NARROWEST_PX = 240  # a banner narrower than this cannot be read
_SMALLEST_TEXT_PX = 12


def draw_prediction(
    path: str | Path,
    prediction: Prediction,
    judgement: Judgement | None,
    folder: str | Path,
    number: int,
    *,
    labels: Sequence[str] = (),
) -> Path:
    """Write the picture with its boxes and banner as `folder/NUMBER-NAME.png`; returns its path.

    `labels`: all classes in order, of which each has its colour. Raises ImageError, MissingExtraError, OSError.
    """
    path, folder = Path(path), Path(folder)
    picture = read_image(ImageSource(path=str(path)))
    if prediction.detections is not None:
        picture = draw_detections(picture, prediction.detections, labels=labels)
    target = folder / name_of_file(f"{number:04d}-{path.stem}.png")
    canvas = with_banner(picture, caption(prediction, judgement), None if judgement is None else judgement.verdict)
    with new_file(target) as unfinished:
        canvas.save(unfinished)
    return target


def caption(prediction: Prediction, judgement: Judgement | None) -> str:
    """Verdict, class and score in one line, and the pieces of an answer that could not be parsed."""
    parts = [judgement.verdict.value] if judgement is not None else []
    parts += [prediction.label] if prediction.label is not None else []
    if prediction.defect_score is not None:
        name = "score" if prediction.distance is None else "D²/k"
        parts.append(f"{name} {prediction.defect_score:.2f}")
    if prediction.label is None and prediction.detections is None and prediction.text:
        parts.append(" ".join(prediction.text.split()))
    if prediction.detections is not None and not len(prediction.detections):
        parts.append("nothing found")
    if prediction.rejected:
        parts.append(f"{len(prediction.rejected)} not readable")
    return "  ".join(parts)


def with_banner(picture: Image.Image, text: str, verdict: Verdict | None) -> Image.Image:
    """The picture, enlarged to a readable width where it is narrow, above a banner in the verdict's colour."""
    scale = max(1, -(-_NARROWEST_PX // picture.width))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    height = max(24, picture.width // 14)
    canvas = Image.new("RGB", (picture.width, picture.height + height), _COLOURS[verdict])
    canvas.paste(picture)
    size, widest = round(height * 0.6), picture.width - 0.6 * height
    if (width := Lettering([text], size).getlength(text)) > widest:
        size = max(_SMALLEST_TEXT_PX, int(size * widest / width))
    font = Lettering([text], size)
    line = font.fitted(text, "", widest)
    top = picture.height + (height - font.height_px) / 2
    ImageDraw.Draw(canvas).text((height * 0.3, top), line, fill="white", font=font)
    return canvas
