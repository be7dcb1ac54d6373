"""Detectors on Florence-2 made on their base, and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kenpin.models.bases import Announced, BaseRecord
from kenpin.models.contract import Inspector, Task
from kenpin.models.enough import LearnsAnyNumber
from kenpin.models.florence2.inspector import Florence2Detector
from kenpin.models.florence2.options import Florence2Options
from kenpin.models.florence2.toy import toy_base
from kenpin.models.language.bases import LanguageBase, load_base, untrained_options
from kenpin.models.language.detector import as_it_comes, base_of_run, restored
from kenpin.models.language.options import loaded_as
from kenpin.models.networks.sizes import announced_by
from kenpin.run.record import is_run
from kenpin.targets import Target


class Florence2Family(LearnsAnyNumber):
    """Detectors that answer in Florence-2's syntax."""

    Options = Florence2Options
    target = Target.BOXES
    good_alone = False

    def announced(self, options: Florence2Options) -> Announced | None:
        """Size of the weights in the number format of the options, whatever the files hold."""
        return None if options.base == "toy" else announced_by(options.base, loaded_as(options))

    def create(self, options: Florence2Options, task: Task) -> Inspector:
        """An inspector on its base. Raises OptionError, MissingExtraError."""
        return Florence2Detector(_load(options, task), task, options)

    def restore(self, folder: Any, base: BaseRecord, options: Florence2Options, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        return restored(Florence2Detector(_load(options, task), task, options), folder, base)

    def closeness(self, config: Any) -> int:
        """2 for Florence-2."""
        return 2 if getattr(config, "model_type", None) == "florence2" else 0

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> Inspector:
        """The pretrained base, not fine-tuned, and asked for boxes. Raises OptionError, MissingExtraError."""
        options = untrained_options(Florence2Options, base, dtype)
        return as_it_comes(Florence2Detector, _load(options, Task((), ())), options, prompt)


def _load(options: Florence2Options, task: Task) -> LanguageBase:
    if options.base == "toy":
        return toy_base(task, options.seed)
    if is_run(Path(options.base)):
        return base_of_run(options, "florence2")
    from transformers import Florence2ForConditionalGeneration

    return load_base(Florence2ForConditionalGeneration, options, pictures=True)


FAMILY = Florence2Family()
