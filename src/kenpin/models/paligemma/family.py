"""Detectors on PaliGemma made on their base, and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kenpin.errors import OptionError
from kenpin.models.bases import Announced, BaseRecord
from kenpin.models.contract import Inspector, Task
from kenpin.models.enough import LearnsAnyNumber
from kenpin.models.language.bases import (
    LanguageBase,
    load_base,
    read_tokenizer,
    untrained_options,
)
from kenpin.models.language.detector import as_it_comes, base_of_run, restored
from kenpin.models.language.options import loaded_as
from kenpin.models.networks.sizes import announced_by
from kenpin.models.paligemma.inspector import PaliGemmaDetector
from kenpin.models.paligemma.npz import model_from_npz
from kenpin.models.paligemma.options import PaliGemmaOptions
from kenpin.models.paligemma.toy import toy_base
from kenpin.run.record import is_run
from kenpin.targets import Target

_CAPTION = "caption en"
"""The default question for a base that is not fine-tuned: every published one was trained on it."""


class PaliGemmaFamily(LearnsAnyNumber):
    """Detectors that answer in PaliGemma's syntax."""

    Options = PaliGemmaOptions
    target = Target.BOXES
    good_alone = False

    def announced(self, options: PaliGemmaOptions) -> Announced | None:
        """Size of the weights in the number format of the options, whatever the files hold; of an .npz file its
        bytes."""
        if options.base.endswith(".npz"):
            path = Path(options.base)
            return Announced(options.base, path.stat().st_size, 1.0) if path.is_file() else None
        return None if options.base == "toy" else announced_by(options.base, loaded_as(options))

    def create(self, options: PaliGemmaOptions, task: Task) -> Inspector:
        """An inspector on its base. Raises OptionError, MissingExtraError."""
        return PaliGemmaDetector(_load(options, task), task, options)

    def restore(self, folder: Path, base: BaseRecord, options: PaliGemmaOptions, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        return restored(PaliGemmaDetector(_load(options, task), task, options), folder, base)

    def closeness(self, config: Any) -> int:
        """2 for PaliGemma."""
        return 2 if getattr(config, "model_type", None) == "paligemma" else 0

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> Inspector:
        """The pretrained base, not fine-tuned, and asked for a caption. Raises OptionError, MissingExtraError."""
        options = untrained_options(PaliGemmaOptions, base, dtype)
        return as_it_comes(PaliGemmaDetector, _load(options, Task((), ())), options, prompt or _CAPTION)


def _load(options: PaliGemmaOptions, task: Task) -> LanguageBase:
    if options.base == "toy":
        return toy_base(task, options.seed)
    if is_run(Path(options.base)):
        return base_of_run(options, "paligemma")
    if options.base.endswith(".npz"):
        if options.tokenizer is None:
            raise OptionError(f"base {options.base}: an .npz file holds no tokenizer; name one with --tokenizer.")
        return LanguageBase(options.base, model_from_npz(options.base), read_tokenizer(options.tokenizer))
    from transformers import PaliGemmaForConditionalGeneration

    return load_base(PaliGemmaForConditionalGeneration, options, pictures=False)


FAMILY = PaliGemmaFamily()
