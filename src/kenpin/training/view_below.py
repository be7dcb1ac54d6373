"""What a run on another one looks at: tiles, region, alignment, object and scale are those of the run below."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kenpin.config import TrainOptions, ViewOptions
from kenpin.data.images import read_image, read_mask
from kenpin.errors import OptionError
from kenpin.models import get_family
from kenpin.models.framed import with_kept_view
from kenpin.models.networks.backbones import BUILT_IN
from kenpin.records import ImageSource
from kenpin.regions.by_picture import is_by_picture
from kenpin.regions.region import other_scale, scale_of, told_scale
from kenpin.run.layout import MODEL, RECORD
from kenpin.run.record import is_run, read_record

VIEW_OPTIONS = tuple(name for name in ViewOptions.model_fields if name not in TrainOptions.model_fields)
"""Options that say what of pictures is looked at, and how large it is."""
_OF = {"overlap": "tile_px"}
"""Options that count where another one is set, whatever their value."""


@dataclass(frozen=True)
class _Below:
    """A run below, with what it looks at."""

    run: str
    typed: ViewOptions
    """As its training was given them."""
    kept: ViewOptions
    """With the files that it keeps of them."""

    def looks(self, name: str) -> bool:
        """Whether it has set an option."""
        return self.kept.first_set([_OF.get(name, name)]) is not None


def with_view_of_base(options: TrainOptions) -> tuple[TrainOptions, tuple[str, ...]]:
    """The options with what the base looks at, where it is a run and they do not say it themselves, and a sentence that
    tells. Its network has learned from such pictures, so that another value is refused; but a scale, which no weight
    depends on, and where regions of other pictures are found. Raises OptionError, RunError."""
    below = _below(options)
    if below is None or not isinstance(options, ViewOptions):
        return options, ()
    taken: dict[str, object] = {}
    notes: list[str] = []
    for name in filter(below.looks, VIEW_OPTIONS):
        if name == "roi_default" and "roi" in options.model_fields_set and not is_by_picture(options.roi):
            continue  # one region for all
        if name not in options.model_fields_set:
            taken[name] = getattr(below.kept, name)
        elif name == "px_per_mm":
            sentence = other_scale(scale_of(options.px_per_mm), scale_of(below.kept.px_per_mm), f"base {below.run}")
            notes += [] if sentence is None else [sentence]
        elif not _is_same(name, options, below):
            told = getattr(options, name)
            raise OptionError(
                f"option `{name}` is {'none' if told is None else told}, and base {below.run} looks by "
                f"{getattr(below.typed, name)}, from which its network has learned; leave it out, and this run looks "
                "as its base does."
            )
    if not taken:
        return options, tuple(notes)
    shown = ", ".join(f"{name.replace('_', ' ')} {_told(getattr(below.typed, name))}" for name in taken)
    own = {name: getattr(options, name) for name in options.model_fields_set}
    try:
        options = type(options).from_mapping(own | taken)
    except OptionError as error:
        raise OptionError(
            f"{error} A run on {below.run} looks as that does ({shown}): change the other option, or take a base that "
            "looks otherwise."
        ) from error
    return options, (f"Looks at pictures as base {below.run} does: {shown}.", *notes)


def _below(options: TrainOptions) -> _Below | None:
    base = getattr(options, "base", None)
    if not isinstance(base, str) or base in BUILT_IN or not is_run(Path(base)):
        return None
    record = read_record(Path(base))
    found = get_family(record.family).Options.from_mapping(record.options, f"{Path(base) / RECORD}: options")
    return _Below(base, found, with_kept_view(found, Path(base) / MODEL)) if isinstance(found, ViewOptions) else None


def _is_same(name: str, options: ViewOptions, below: _Below) -> bool:
    """Whether an option says what the run below does: a file is the same where it shows the same."""
    own, kept, typed = (getattr(one, name) for one in (options, below.kept, below.typed))
    if name in ("roi", "roi_default") and is_by_picture(below.kept.roi):
        return True  # the regions of its pictures say nothing of those of others
    if name not in ("align", "roi") or own is None or is_by_picture(own):
        return bool(own == typed)
    if name == "roi":
        return np.array_equal(read_mask(ImageSource(own)), read_mask(ImageSource(kept)))
    grey = [np.asarray(read_image(ImageSource(file)).convert("L")) for file in (own, kept)]
    return np.array_equal(grey[0], grey[1])


def _told(value: object) -> str:
    return told_scale((value[0], value[-1])) if isinstance(value, tuple) else f"{value}"
