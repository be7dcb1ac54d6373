"""The predictor of a pretrained model as it comes, before anything is trained, or of what is asked questions."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from kenpin.errors import OptionError, check_training_installed
from kenpin.files import partial_folder
from kenpin.models.contract import Conversational, Judge
from kenpin.predictor import Predictor, best_device, load_predictor
from kenpin.run.record import is_run

_TOY = "toy"  # the toy base, which has no folder
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def load_base(
    base: str | Path, *, prompt: str | None = None, device: str | None = None, four_bit: bool = False
) -> Predictor:
    """The predictor of a pretrained model as it comes, without a run: an image classifier of transformers with its own
    classes, a Florence-2, a PaliGemma or a chat model; which it is, its configuration tells.

    base: a hub id, a folder of save_pretrained, or `toy`, a random chat model; prompt: what is asked of each picture
    instead of what its family asks by itself; four_bit: load it in 4 bits. Raises OptionError, MissingExtraError.

    >>> import kenpin
    >>> predictor = kenpin.load_base("florence-community/Florence-2-base-ft", prompt="<CAPTION>")  # doctest: +SKIP
    >>> [prediction.text for prediction in predictor.predict_files(["part.png"])]  # doctest: +SKIP
    """
    base = os.fspath(base)
    check_training_installed()
    target_device = best_device(device)
    if four_bit and target_device.type != "cuda":
        raise OptionError("option `four_bit`: 4 bits need a CUDA device; leave it out on this machine.")
    from kenpin.models.bare_base import family_of_base

    family = family_of_base(base)
    inspector = family.untrained(base, dtype=None if four_bit else _native_dtype(target_device), prompt=prompt)
    if not four_bit:  # else they lie on the device already, and are not moved
        inspector.module.to(target_device)
    undecided = f"{base}: a pretrained model without a run has no threshold, so no picture passes or fails."
    return Predictor(inspector, target=family.target, undecided=undecided)


def is_base(model: str) -> bool:
    """Whether a name can only be meant for a pretrained model, and not for a run: a folder of save_pretrained, a hub
    id of owner and name where no folder is, or `toy`."""
    folder = Path(model)
    if folder.exists() or partial_folder(folder).exists():
        return (folder / "config.json").is_file() and not is_run(folder)
    return model == _TOY or bool(_HUB_ID.fullmatch(model))


def load_asked(
    model: str, *, device: str | None = None, four_bit: bool = False, question: str | None = None
) -> Predictor:
    """The predictor of a finished run, or of a base that is asked the question by itself.

    four_bit: load a base in 4 bits. Raises RunError, OptionError, MissingExtraError.
    """
    if not is_run(Path(model)):
        return load_base(model, prompt=question, device=device, four_bit=four_bit)
    if four_bit:
        raise OptionError("option `four_bit`: a run is loaded as it was trained; leave it out, or name a base.")
    return load_predictor(model, device=device)


def load_conversational(
    model: str, *, device: str | None = None, four_bit: bool = False, question: str = ""
) -> Conversational:
    """What answers questions on pictures: of a finished run, or a base as it comes: a hub id, a folder of
    save_pretrained, or `toy`, whose tokenizer is made for the question.

    four_bit: load a base in 4 bits. Raises RunError, OptionError, MissingExtraError.
    """
    inspector: Judge = load_asked(model, device=device, four_bit=four_bit, question=question or None).model
    if not isinstance(inspector, Conversational):
        whose, remedy = ("this run's", "a run of family vlm") if is_run(Path(model)) else ("this", "a chat model")
        raise OptionError(f"{model}: {whose} model answers no questions; take {remedy}.")
    return inspector


def _native_dtype(device: Any) -> str:
    """The number format that a chat model is loaded in for use: what a GPU computes fastest, on a CPU all digits."""
    import torch

    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
