"""Reading data sets of every format: pictures a second, and growth from a small set to a large one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.fresh import Figures, in_fresh_process, peak_bytes, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, growth, rate, table

_DISTINCT = 300  # pictures; a reader decodes none, so the others may repeat them
_WARM_UP = 10


def section(scale: Scale, folder: Path) -> str:
    """What each format's reader takes."""
    from kenpin.data.formats import format_names, get_format

    written = {name: get_format(name).CARRIES for name in format_names()}
    of_pictures = [name for name, carries in written.items() if carries and "items" not in carries]
    head = (
        "format",
        f"pictures/s of {scale.few:,}",
        f"of {scale.many:,}",
        "growth of time",
        "bytes a picture",
        "time / opening and reading every file",
    )
    return (
        "## Readers\n\n"
        f"Generated pictures of 64 × 64, {_DISTINCT} distinct ones repeated under new names, in the system's cache. "
        f"Growth is the time for {scale.many:,} pictures over that for {scale.few:,}, divided by "
        f"{scale.many / scale.few:g}: 1 is linear. Bytes a picture is what peak memory grows by between the two. What "
        "must be done at least is to open and read each file, pictures and annotations, one after the other: the last "
        "column holds the reader against that.\n\n"
        + table(head, [_row(name, scale, folder / name) for name in scale.formats or of_pictures])
    )


def _row(name: str, scale: Scale, folder: Path) -> list[str]:
    in_fresh_process(write, format=name, folder=str(folder), sizes=(_WARM_UP, scale.few, scale.many))
    few, many = (
        in_fresh_process(read, format=name, folder=str(folder), size=size, repetitions=scale.repetitions)
        for size in (scale.few, scale.many)
    )
    shutil.rmtree(folder)
    memory_bytes = many["peak_bytes"][0] - few["peak_bytes"][0]
    return [
        name,
        rate(scale.few, few["read"]),
        rate(scale.many, many["read"]),
        growth(few["read"], many["read"], scale.many / scale.few),
        figure(memory_bytes / (scale.many - scale.few)),
        figure(min(many["read"]) / min(many["open"])),
    ]


def write(format: str, folder: str, sizes: list[int]) -> Figures:
    """In the child: write a data set of each size and leave it there."""
    from benchmarks.made import made_dataset
    from kenpin.data.loading import write_dataset

    for size in sizes:
        dataset = made_dataset(size, Path(folder, f"masks-{size}"), _DISTINCT)
        write_dataset(dataset, Path(folder, str(size)), format, allow_loss=True)
    return {}


def read(format: str, folder: str, size: int, repetitions: int) -> Figures:
    """In the child: read a data set, after a small one that loads every library."""
    from kenpin.data.loading import load_dataset

    load_dataset(Path(folder, str(_WARM_UP)))
    path = Path(folder, str(size))
    if len(load_dataset(path)) != size:
        raise ValueError(f"{format}: not all of {size} pictures came back.")
    peak = peak_bytes()
    return {
        "peak_bytes": [peak],
        "read": seconds_of(lambda: load_dataset(path), repetitions),
        "open": seconds_of(lambda: _read_all(path), repetitions),
    }


def _read_all(folder: Path) -> None:
    for place, _, names in os.walk(folder):
        for name in names:
            with open(f"{place}/{name}", "rb") as file:
                file.read()
