"""A base without a run: its family is chosen by its configuration."""

from __future__ import annotations

from typing import Any

from kenpin.errors import OptionError, first_line
from kenpin.models import family_names, get_family
from kenpin.models.bases import check_there
from kenpin.models.contract import AnswersUntrained
from kenpin.models.networks.pretrained import load_pretrained

TOY = "toy"
"""Name of the toy base, which has no configuration: a family makes it."""


def family_of_base(base: str) -> AnswersUntrained[Any]:
    """The family that this hub id or folder of save_pretrained is closest to. Raises OptionError."""
    config = None if base == TOY else _configuration(base)
    families = [family for name in family_names() if isinstance(family := get_family(name), AnswersUntrained)]
    closest = max(families, key=lambda family: family.closeness(config))
    if config is not None and not closest.closeness(config):
        raise OptionError(
            f"base {base!r} is of kind {config.model_type!r}, which cannot judge pictures before it is trained; give "
            "an image classifier, a Florence-2, a PaliGemma or a chat model."
        )
    return closest


def _configuration(base: str) -> Any:
    from transformers import AutoConfig

    check_there(base)
    if base.endswith(".npz"):
        raise OptionError(
            f"base {base!r}: an .npz file holds no tokenizer, so it cannot be asked; give a folder or a hub id."
        )
    try:
        return load_pretrained(AutoConfig, base)
    except (OSError, ValueError, KeyError) as error:
        raise OptionError(
            f"base {base!r} is not a run and cannot be loaded as a pretrained model ({first_line(error)}); give a run, "
            "a hub id, or a folder that save_pretrained wrote."
        ) from error
