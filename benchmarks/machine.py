"""The machine: what it is, and the rates that everything else is held against, measured in the same run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.tables import figure, table

_SIDE = 2048
_COPIED_BYTES = 1 << 28
_PICTURES = 200
_REPETITIONS = 7


def description() -> str:
    """Processor, cores, memory and versions as a list."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "pillow"))
    return (
        f"- Processor: {_processor()}, {os.cpu_count()} cores\n"
        f"- Memory: {memory_bytes / 2**30:.0f} GiB\n"
        f"- Python {platform.python_version()}, {packages}\n"
    )


def measure_rates() -> Figures:
    """The machine's rates, see `measure`."""
    return in_fresh_process(measure)


def measure() -> Figures:
    """In the child: rates a second of matrix multiplication, copying, reading and decoding, best of several."""
    import io

    import elpv_dataset
    import torch
    from PIL import Image

    def best(work_units: float, seconds: list[float]) -> list[float]:
        return [work_units / min(seconds)]

    left, right = torch.rand(2, _SIDE, _SIDE)
    matrix = torch.empty(_SIDE, _SIDE)
    source = torch.ones(_COPIED_BYTES // 4)
    target = torch.zeros_like(source)
    paths = sorted(Path(elpv_dataset.__file__).parent.glob("data/images/*.png"))[:_PICTURES]
    png = [path.read_bytes() for path in paths]
    jpeg = []
    for content in png:
        file = io.BytesIO()
        Image.open(io.BytesIO(content)).save(file, "JPEG", quality=90)
        jpeg.append(file.getvalue())

    def decode(contents: list[bytes]) -> None:
        for content in contents:
            Image.open(io.BytesIO(content)).load()

    return {
        "threads": [torch.get_num_threads()],
        "flop": best(2 * _SIDE**3, seconds_of(lambda: torch.mm(left, right, out=matrix), _REPETITIONS)),
        "copy_bytes": best(2 * _COPIED_BYTES, seconds_of(lambda: target.copy_(source), _REPETITIONS)),
        "read_bytes": best(sum(map(len, png)), seconds_of(lambda: [path.read_bytes() for path in paths], _REPETITIONS)),
        "png": best(_PICTURES, seconds_of(lambda: decode(png), _REPETITIONS)),
        "jpeg": best(_PICTURES, seconds_of(lambda: decode(jpeg), _REPETITIONS)),
    }


def section(start: Figures, end: Figures) -> str:
    """What the machine does in a second, at the start of the run and at its end."""
    names = {
        f"multiplying float32 matrices of {_SIDE} × {_SIDE}, {start['threads'][0]:.0f} threads, GFLOP": ("flop", 1e9),
        "copying memory, GB read and written": ("copy_bytes", 1e9),
        "reading cached files of pictures, MB": ("read_bytes", 1e6),
        "decoding PNG of 300 × 300, one thread, pictures": ("png", 1),
        "decoding JPEG of 300 × 300, one thread, pictures": ("jpeg", 1),
    }
    rows = [
        (what, figure(start[key][0] / unit), figure(end[key][0] / unit), f"{end[key][0] / start[key][0]:.2f}")
        for what, (key, unit) in names.items()
    ]
    return (
        "## The machine's own rates\n\nBest of "
        f"{_REPETITIONS}, in a second. How far start and end of the run differ tells how quiet the machine was.\n\n"
        + table(("work", "at the start", "at the end", "end / start"), rows)
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
