"""Measures everything and writes RESULTS.md: `python benchmarks/run.py [--quick] [--only SECTION] [--out FILE]`."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script finds its own folder, not the one above

from benchmarks import (
    cases,
    cluster,
    doctor,
    embedding,
    engines,
    eyes,
    features,
    few_good,
    folds,
    inspection,
    known_defects,
    language,
    machine,
    made_defects,
    packages,
    planes,
    readers,
    scoring,
    startup,
    station_kills,
    station_load,
    station_store,
    taguchi,
    tiles,
)
from benchmarks.scale import FULL, QUICK, Scale

_ROOM_BYTES = 4 << 30
RESULTS = Path(__file__).with_name("RESULTS.md")


def results(scale: Scale, folder: Path) -> str:
    """Everything measured, as Markdown. folder: where generated data may lie for the time."""
    started = time.monotonic()
    at_start = machine.measure_rates()
    sections = [
        features.section(scale, folder / "features", at_start),
        readers.section(scale, folder / "readers"),
        doctor.section(scale, folder / "doctor"),
        startup.section(scale),
        scoring.section(scale),
        taguchi.section(scale),
        language.section(scale, folder / "language"),
        cases.section(scale, folder / "cases"),
        embedding.section(scale, folder / "embedding"),
        planes.section(scale, folder / "planes"),
        eyes.section(scale, folder / "eyes"),
        folds.section(scale, folder / "folds"),
        known_defects.section(scale, folder / "known"),
        few_good.section(scale, folder / "few"),
        tiles.section(scale, folder / "tiles"),
        made_defects.section(scale, folder / "made"),
        inspection.section(scale, folder / "inspection"),
        engines.section(scale, folder / "engines"),
        packages.section(scale, folder / "packages"),
        station_load.section(scale, folder / "load"),
        station_store.section(scale, folder / "store"),
        station_kills.section(scale, folder / "kills"),
        cluster.section(scale, folder / "cluster"),
    ]
    rates = machine.section(at_start, machine.measure_rates())
    minutes = (time.monotonic() - started) / 60
    return (
        "# Benchmarks\n\n"
        f"Written by `make bench` on {date.today():%-d %B %Y} in {minutes:.1f} minutes"
        f"{', a quick run whose figures prove nothing' if scale is QUICK else ''}. Rates are those of the fastest "
        "repetition, in brackets of the median one. Absolute figures are this machine's; what carries over is the "
        "ratios, each of figures from this one run.\n\n" + "\n".join([machine.description(), rates, *sections])
    )


_APART: dict[str, Callable[[Scale, Path], str]] = {
    "cases": cases.section,
    "cluster": cluster.section,
    "embedding": embedding.section,
    "engines": engines.section,
    "eyes": eyes.section,
    "few": few_good.section,
    "folds": folds.section,
    "inspection": inspection.section,
    "kills": station_kills.section,
    "known": known_defects.section,
    "language": language.section,
    "load": station_load.section,
    "made": made_defects.section,
    "packages": packages.section,
    "planes": planes.section,
    "store": station_store.section,
    "taguchi": lambda scale, _: taguchi.section(scale),
    "tiles": tiles.section,
}
"""Sections that stand on no other's figures."""


def added(name: str, scale: Scale, folder: Path, text: str) -> str:
    """The results with this section measured anew, and dated, since it is of another run than the rest."""
    section = _APART[name](scale, folder / name)
    title, rest = section.split("\n\n", 1)
    section = f"{title}\n\nMeasured by itself on {date.today():%-d %B %Y}. {rest}"
    head, *others = re.split(r"(?m)^(?=## )", text)
    places = {one.splitlines()[0]: one for one in others} | {title: section}
    return head + "\n".join(one.rstrip("\n") + "\n" for one in places.values())


def main() -> None:
    """Measure, print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute, to see that all of it works")
    parser.add_argument("--out", type=Path, help="where to write; by default RESULTS.md, nowhere when quick")
    parser.add_argument("--only", choices=sorted(_APART), help="measure this section alone, into the kept results")
    arguments = parser.parse_args()
    out: Path | None = arguments.out or (None if arguments.quick else RESULTS)
    with tempfile.TemporaryDirectory(dir=_in_memory()) as folder:
        scale = QUICK if arguments.quick else FULL
        if arguments.only is None:
            text = results(scale, Path(folder))
        else:
            text = added(arguments.only, scale, Path(folder), RESULTS.read_text("utf-8"))
    print(text)
    if out is not None:
        out.write_text(text, "utf-8")


def _in_memory() -> Path | None:
    """A folder in memory with room for the generated data, where there is one: no disk is to be measured."""
    folder = Path("/dev/shm")
    return folder if folder.is_dir() and shutil.disk_usage(folder).free > _ROOM_BYTES else None


if __name__ == "__main__":
    main()
