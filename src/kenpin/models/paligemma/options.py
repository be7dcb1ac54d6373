"""Options of PaliGemma."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from kenpin.config import TOY
from kenpin.models.language.options import LanguageOptions
from kenpin.strict_options import OptionGroup


class PaliGemmaOptions(LanguageOptions):
    """Options of `kenpin train paligemma`."""

    group: ClassVar[OptionGroup] = "model"

    toy: ClassVar[dict[str, Any]] = {**LanguageOptions.toy, "epochs": 100.0}

    base: str = Field(
        "google/paligemma-3b-pt-224",
        description="Pretrained weights: a hub id, a folder of save_pretrained, or of a run to go on from, or a "
        f"published .npz file; {TOY}.",
    )
    tokenizer: str | None = Field(
        None, description="Hub id, folder or tokenizer.json of the tokenizer, where the base is an .npz file."
    )
    lora_targets: tuple[str, ...] = Field(
        ("*language_model*.q_proj", "*language_model*.k_proj", "*language_model*.v_proj", "*language_model*.o_proj"),
        description="Endings of the names of the layers to adapt, or patterns with *.",
    )
    max_length: int = Field(512, ge=8, description="Tokens of question and answer; a longer answer is cut off.")
