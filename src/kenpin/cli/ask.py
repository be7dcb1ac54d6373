"""The command `ask`: a question on one picture, answered as it is thought of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli._groups import ANSWERS, RUN
from kenpin.cli.runs import Device


def ask(
    model: str,
    image: Path,
    question: str = "Describe accurately what you see.",
    /,
    *,
    temperature: Annotated[
        float | None,
        Parameter(
            group=ANSWERS,
            help="Sample the words at this temperature; below 1 likely words are favoured. By default the "
            "likeliest are taken.",
        ),
    ] = None,
    min_p: Annotated[
        float | None,
        Parameter(group=ANSWERS, help="Sample the words, none less likely than this share of the likeliest."),
    ] = None,
    seed: Annotated[int, Parameter(group=ANSWERS, help="Seed of the sampling.")] = 0,
    max_new_tokens: Annotated[int | None, Parameter(group=ANSWERS, help="Tokens of the answer, at most.")] = None,
    four_bit: Annotated[
        bool, Parameter(group=RUN, negative=(), help="Load a base in 4 bits (CUDA, extra `qlora`).")
    ] = False,
    device: Device = None,
) -> int:
    """Ask a chat model about a picture; the answer is printed as it comes.

    Parameters
    ----------
    model:
        Run folder of family vlm; or a base: a hub id, a folder of save_pretrained, or toy (tiny and random).
    image:
        Picture file.
    question:
        Question or instruction.
    """
    from kenpin.data.images import read_image
    from kenpin.predictor import load_conversational
    from kenpin.records import ImageSource, Sampling

    sampling = None
    if temperature is not None or min_p is not None:
        sampling = Sampling(1.0 if temperature is None else temperature, min_p or 0.0, seed)
    picture = read_image(ImageSource(str(image)))
    asked = load_conversational(model, device=device, four_bit=four_bit, question=question)
    for piece in asked.stream(picture, question, sampling=sampling, max_new_tokens=max_new_tokens):
        print(piece, end="", flush=True)
    print()
    return 0
