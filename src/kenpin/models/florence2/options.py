"""Options of Florence-2."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from kenpin.config import TOY
from kenpin.models.language.options import LanguageOptions


class Florence2Options(LanguageOptions):
    """Options of `kenpin train florence2`."""

    toy: ClassVar[dict[str, Any]] = {**LanguageOptions.toy, "epochs": 150.0}

    base: str = Field(
        "florence-community/Florence-2-base-ft",
        description=f"Pretrained weights: a hub id, a folder of save_pretrained, or of a run to go on from; {TOY}.",
    )
    lora_targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "fc2", "lm_head"),
        description="Endings of the names of the layers to adapt, or patterns with *.",
    )
