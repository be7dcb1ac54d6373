"""Feature extraction by Lite0 on real pictures: pictures a second, memory, and how near it comes to the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import Figures, in_fresh_process, peak_bytes, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import duration, figure, megabytes, rate, table

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset


def section(scale: Scale, folder: Path, rates: Figures) -> str:
    """The way from file to features, its parts, what must be done for it, and the size of the batch."""
    folder.mkdir()
    usual, *others = (
        in_fresh_process(
            extract,
            cache=str(folder / str(size)),
            pictures=scale.pictures,
            batch_size=size,
            repetitions=scale.repetitions,
        )
        for size in (None, *scale.batch_sizes)
    )
    counted = in_fresh_process(count)
    return (
        f"## Features\n\n`lite0` on {scale.pictures} real pictures of solar cells, 300 × 300 PNG, from an empty feature "
        f"store; {usual['batch_size'][0]:.0f} pictures a batch, as by default.\n\n{_parts(scale, usual)}\n"
        f"{_share(scale, usual, counted, rates)}\n"
        "The process with the network loaded takes "
        f"{megabytes(usual['loaded_bytes'][0])} MB, at its peak {megabytes(usual['peak_bytes'][0])} MB.\n\n"
        f"{_sweep(scale, usual, others)}"
    )


def _parts(scale: Scale, usual: Figures) -> str:
    parts = {
        "end to end": "first",
        "the network alone": "network",
        "opening and scaling alone, one thread": "prepare",
        "end to end again, features from the store": "second",
    }
    rows = [
        (what, rate(scale.pictures, usual[part]), figure(min(usual["first"]) / min(usual[part])))
        for what, part in parts.items()
    ]
    return table(("work", "pictures/s", "times as fast as end to end"), rows)


def _share(scale: Scale, usual: Figures, counted: Figures, rates: Figures) -> str:
    network_seconds = min(usual["network"]) / scale.pictures
    needs = {
        "floating-point operations, 10⁹": (counted["flop"][0], rates["flop"][0], 1e9),
        "memory, MB: each layer reads its input and writes its output": (counted["bytes"][0], rates["copy_bytes"][0], 1e6),
    }
    rows = [
        (
            what,
            figure(needed / unit),
            figure(1_000 * needed / machine),
            figure(1_000 * network_seconds),
            f"{needed / machine / network_seconds:.0%}",
        )
        for what, (needed, machine, unit) in needs.items()
    ]
    head = ("a picture needs", "amount", "ms at the machine's rate", "ms in the network", "share of the machine's rate")
    return table(head, rows)


def _sweep(scale: Scale, usual: Figures, others: Iterable[Figures]) -> str:
    rows = [
        (
            f"{taken['batch_size'][0]:.0f}",
            rate(scale.pictures, taken["first"]),
            f"{min(usual['first']) / min(taken['first']):.2f}",
            rate(scale.pictures, taken["network"]),
            megabytes(taken["peak_bytes"][0]),
        )
        for taken in others
    ]
    head = ("batch", "end to end, pictures/s", "times the default's", "network, pictures/s", "peak memory, MB")
    return table(head, rows)
