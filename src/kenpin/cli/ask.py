"""The command `ask`: a question on one picture, answered as it is thought of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import ANSWERS, RUN
from kenpin.cli.runs import Device
from kenpin.records import Prediction
from kenpin.visible import visible

_DESCRIBE = "Describe accurately what you see."


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """How an answer is made."""

    temperature: Annotated[
        float | None,
        Parameter(
            group=ANSWERS,
            help="Sample the words at this temperature; below 1 likely words are favoured. By default the "
            "likeliest are taken.",
        ),
    ] = None
    min_p: Annotated[
        float | None,
        Parameter(group=ANSWERS, help="Sample only words that are at least this share as likely as the likeliest."),
    ] = None
    seed: Annotated[int, Parameter(group=ANSWERS, help="Seed of the sampling.")] = 0
    max_new_tokens: Annotated[int | None, Parameter(group=ANSWERS, help="Tokens of the answer, at most.")] = None
    four_bit: Annotated[
        bool, Parameter(group=RUN, negative=(), help="Load a base in 4 bits (CUDA, extra `qlora`).")
    ] = False
    device: Device = None


def ask(model: str, image: Path, question: str | None = None, /, *, options: AskOptions = AskOptions()) -> int:
    """Ask a chat model about a picture; the answer is printed as it comes. A Florence-2 or a PaliGemma takes the
    prompts it was trained on, such as "<CAPTION>" and "detect a ; b"; its boxes are printed one a line.

    Parameters
    ----------
    model:
        Run folder of a language model; or a base: a hub id, a folder of save_pretrained, or toy (tiny and random).
    image:
        Picture file.
    question:
        Question or instruction; by default what the run was trained on, and of a chat model a description.
    """
    from kenpin.base_predictor import load_asked
    from kenpin.data.images import read_image
    from kenpin.errors import OptionError
    from kenpin.models.contract import Conversational, Promptable
    from kenpin.records import ImageSource, Sampling

    sampling = None
    if options.temperature is not None or options.min_p is not None:
        sampling = Sampling(
            1.0 if options.temperature is None else options.temperature, options.min_p or 0.0, options.seed
        )
    picture = read_image(ImageSource(str(image)))
    predictor = load_asked(model, device=options.device, four_bit=options.four_bit, question=question)
    if isinstance(predictor.inspector, Conversational):
        question = _DESCRIBE if question is None else question
        answer = predictor.inspector.stream(picture, question, sampling=sampling, max_new_tokens=options.max_new_tokens)
        _show.pieces(answer)
        return 0
    if not isinstance(predictor.inspector, Promptable):
        raise OptionError(f"{model}: this model answers no questions; take a run of a language model.")
    if sampling is not None:
        raise OptionError(f"option `--temperature` or `--min-p`: {model} does not sample words; leave it out.")
    if question is not None:
        predictor = predictor.prompted(question, options.max_new_tokens)
    elif options.max_new_tokens is not None:
        raise OptionError("option `--max-new-tokens` goes with a question; give one, or leave it out.")
    for prediction in predictor.predict_files([image]):
        _show.lines(_in_lines(prediction))
    return 0


def _in_lines(prediction: Prediction) -> str:
    """Each box with its label, corners in pixels and score, or else the words."""
    found = prediction.detections
    if found is None:
        return (prediction.text or "").strip()
    scores = found.scores or (None,) * len(found)
    boxes = zip(found.labels, found.boxes_xyxy_px, scores, strict=True)
    lines = [
        "\t".join((visible(label), " ".join(f"{side:.1f}" for side in box), "-" if score is None else f"{score:.4f}"))
        for label, box, score in boxes
    ]
    return "\n".join(lines) or "no box"
