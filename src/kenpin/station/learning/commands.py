"""The command line of a job, from what people chose on a page: no value becomes an option of another name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from kenpin.data.framing import kept_view
from kenpin.errors import OptionError
from kenpin.models import family_names, get_family
from kenpin.models.package import DECISION, folder_of_report, is_package
from kenpin.nearest import did_you_mean
from kenpin.regions.by_picture import is_by_picture
from kenpin.run.layout import MODEL
from kenpin.run.record import read_record
from kenpin.run.scale import scale_kept

OF_THE_JOB = frozenset(
    {"data", "out", "resume", "overwrite", "report", "from_cases", "data_outside", "embedding_from", "tracker"}
)
"""Options that the station sets, or that would reach beyond its folder."""
_OF_THE_DATA = frozenset({"ok_labels", "by", "criteria", "device", "engine"})
"""Options that say what a data set or a machine is, and not how a run learns."""
_KENPIN = (sys.executable, "-P", "-m", "kenpin")
"""-P: the folder of the job, in which it runs, holds no modules."""


def training_command(family: str, data: Path, out: Path, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of `kenpin train`. values: options of the family by name, as JSON has them. Raises OptionError."""
    if family not in family_names():
        raise OptionError(f"family {family!r} is not known; {did_you_mean(family, family_names())}")
    kind = get_family(family).Options
    if forbidden := sorted(values.keys() & OF_THE_JOB):
        raise OptionError(f"option `{forbidden[0]}`: the station sets it; leave it out.")
    options = kind.from_mapping({**values, "data": str(data), "out": str(out)}, f"train {family}")
    words = [*_KENPIN, "train", family, f"--data={data}", f"--out={out}"]
    for name in values:
        words += _words(f"--{name.replace('_', '-')}", getattr(options, name))
    return tuple(words)


def repeated_options(run: Path) -> dict[str, Any]:
    """Options of a run's training other than the usual ones, for another training of its family on other data: how it
    looks at pictures, learns and decides. Raises RunError."""
    folder = folder_of_report(run)
    record = read_record(folder)
    kind = get_family(record.family).Options
    return {
        name: value
        for name, value in (record.options | _kept_view(run.absolute(), folder, record.options)).items()
        if (field := kind.model_fields.get(name)) is not None
        and name not in OF_THE_JOB | _OF_THE_DATA
        and kind.group_of(name) not in ("data", "output")
        and value != to_jsonable_python(field.get_default(call_default_factory=True))
    }


def _kept_view(run: Path, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a run looks at, by the files that it keeps: those that its training named may be gone. A line has no masks
    of single pictures, so that the region by picture is the one of pictures without a mask."""
    model = run / (DECISION if is_package(run) else MODEL)
    kept = kept_view(model, *(options.get(name) for name in ("align", "roi", "roi_default")))
    default = kept.pop("roi_default", None)
    found: dict[str, Any] = {**kept}
    if is_by_picture(options.get("roi")):
        found |= {"roi": default, "roi_default": None}
    if (scale := scale_kept(folder, options)) is not None:
        found["px_per_mm"] = list(scale)
    return found


def _words(option: str, value: object) -> list[str]:
    """Of an option: a flag, or `--name=value`, in which no value can be taken for another option."""
    if isinstance(value, bool):
        return [option] * value
    if isinstance(value, tuple):
        return [f"{option}={one}" for one in value]
    return [f"{option}={'none' if value is None else value}"]
