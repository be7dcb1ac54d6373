"""The doctor and its search for near-duplicates: pictures a second, and growth from a small set to a large one."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.fresh import Figures, in_fresh_process, peak_bytes, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, growth, rate, table

_PARTS = {
    "kenpin doctor": "examine",
    "in it, perceptual hashes": "hash",
    "in it, search among the hashes": "search",
    "Pillow's decoding alone, one thread": "decode",
}


def section(scale: Scale, folder: Path) -> str:
    """What the doctor and its parts take, held against decoding."""
    in_fresh_process(write, folder=str(folder), sizes=(scale.few, scale.many))
    few, many = (in_fresh_process(examine, folder=str(folder / str(size))) for size in (scale.few, scale.many))
    shutil.rmtree(folder)
    rows = [
        [
            what,
            rate(scale.few, few[part]),
            rate(scale.many, many[part]),
            growth(few[part], many[part], scale.many / scale.few),
            figure(min(many[part]) / min(many["decode"])),
        ]
        for what, part in _PARTS.items()
    ]
    memory_bytes = (many["peak_bytes"][0] - few["peak_bytes"][0]) / (scale.many - scale.few)
    head = ("work", f"pictures/s of {scale.few:,}", f"of {scale.many:,}", "growth of time", "time / decoding alone")
    return (
        "## The doctor\n\n"
        "Generated pictures of 64 × 64, half PNG and half JPEG, all distinct and about as alike as pictures of solar "
        "cells; growth as above. What must be done at least is to decode each picture. Peak memory grows by "
        f"{figure(memory_bytes)} bytes a picture, with the reader's.\n\n" + table(head, rows)
    )


def write(folder: str, sizes: list[int]) -> Figures:
    """In the child: class folders of distinct pictures."""
    from benchmarks.made import made_dataset
    from kenpin.data.loading import write_dataset

    for size in sizes:
        dataset = made_dataset(size, Path(folder, f"masks-{size}"), distinct=size)
        write_dataset(dataset, Path(folder, str(size)), "folders", allow_loss=True)
    return {}


def examine(folder: str) -> Figures:
    """In the child: the doctor on a data set, then its parts one by one."""
    from PIL import Image

    from kenpin.data.doctor import examine as examine_data
    from kenpin.data.duplicates import near_duplicate_clusters, perceptual_hash, perceptual_hashes
    from kenpin.data.loading import load_dataset

    dataset = load_dataset(folder)
    perceptual_hash(Image.new("RGB", (8, 8)))  # loads its libraries
    examined = seconds_of(lambda: examine_data(folder), 1)
    peak = peak_bytes()
    hashes = perceptual_hashes(dataset)

    def decode() -> None:
        for example in dataset:
            with Image.open(example.image.path or "") as picture:
                picture.load()

    return {
        "peak_bytes": [peak],
        "examine": examined,
        "hash": seconds_of(lambda: perceptual_hashes(dataset), 1),
        "search": seconds_of(lambda: near_duplicate_clusters(hashes), 3),
        "decode": seconds_of(decode, 3),
    }
