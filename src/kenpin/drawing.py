"""Pictures with what an inspector said of them drawn in: verdict, class and score on a banner below the picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from kenpin.data.images import read_image
from kenpin.records import ImageSource, Judgement, Prediction, Verdict

_COLOURS = {Verdict.PASS: "#1a7f4b", Verdict.FAIL: "#b3261e", Verdict.REVIEW: "#9a6700", None: "#444444"}
_NARROWEST_PX = 240  # a banner narrower than this cannot be read


def draw_prediction(path: Path, prediction: Prediction, judgement: Judgement | None, folder: Path, number: int) -> Path:
    """Write the picture with its banner as `folder/NUMBER-NAME.png`; returns its path. Raises ImageError, OSError."""
    picture = read_image(ImageSource(path=str(path)))
    folder.mkdir(parents=True, exist_ok=True)
    drawn = folder / f"{number:04d}-{path.stem}.png"
    with_banner(picture, caption(prediction, judgement), None if judgement is None else judgement.verdict).save(drawn)
    return drawn


def caption(prediction: Prediction, judgement: Judgement | None) -> str:
    """Verdict, class and score in one line."""
    parts = [judgement.verdict.value] if judgement is not None else []
    parts += [prediction.label] if prediction.label is not None else []
    if prediction.defect_score is not None:
        name = "score" if prediction.distance is None else "D²/k"
        parts.append(f"{name} {prediction.defect_score:.2f}")
    return "  ".join(parts)


def with_banner(picture: Image.Image, text: str, verdict: Verdict | None) -> Image.Image:
    """The picture, enlarged to a readable width where it is narrow, above a banner in the verdict's colour."""
    scale = max(1, -(-_NARROWEST_PX // picture.width))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    height = max(24, picture.width // 14)
    canvas = Image.new("RGB", (picture.width, picture.height + height), _COLOURS[verdict])
    canvas.paste(picture)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=height * 0.6)
    draw.text((height * 0.3, picture.height + height / 2), text, fill="white", font=font, anchor="lm")
    return canvas
