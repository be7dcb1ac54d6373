"""Many made pictures in shards: doctor, embeddings and a unit space by workers of Ray, beside one process.

`python -m benchmarks.cluster --pictures 1000000` measures this alone, with as many pictures as wanted, and prints it;
with `--workers-alone` by workers only, of which each outcome is compared with the few different pictures by themselves.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import Figures, in_fresh_process
from benchmarks.scale import FULL, Scale
from benchmarks.tables import figure, megabytes, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DISTINCT = 512
_IN_A_SHARD = 10_000
_PX = 64
"""Size of the pictures, and at which the network sees them: so a million take an hour, not a day."""
_LEARNED = 400
_COMPARED = 4_096
"""Pictures of which the outcome of one process on one core is compared, beside the workers' of all."""
WORKERS = 2
_WORKS = ("doctor", "embed", "fit")
_SAMPLE_S = 0.5
_BETWEEN_KILLS_S = 10.0


def section(scale: Scale, folder: Path) -> str:
    """Rates, work and memory of one process and of workers; what kills cost; whether outcomes are equal."""
    folder.mkdir(parents=True)
    os.environ["KENPIN_CACHE"] = str(folder / "cache")  # of the children; else each work would find what the last kept
    in_fresh_process(write, folder=str(folder), pictures=scale.clustered)
    rows = []
    for work in _WORKS:
        taken = {}
        for name, workers in (("one process", 0), (f"{WORKERS} workers", WORKERS)):
            shutil.rmtree(folder / "cache", ignore_errors=True)
            taken[name] = in_fresh_process(measure, folder=str(folder), work=work, workers=workers, kills=0)
        rows += [
            (
                work,
                name,
                *_rates(of, scale.clustered),
            )
            for name, of in taken.items()
        ]
    shutil.rmtree(folder / "cache", ignore_errors=True)
    killed = in_fresh_process(measure, folder=str(folder), work="embed", workers=WORKERS, kills=scale.worker_kills)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    alike = _in_one_core("compare", folder)
    head = (
        "work",
        "by",
        "pictures/s",
        "CPU, ms a picture",
        "start of Ray, s",
        "peak of all processes, MB",
        "of the first alone",
    )
    return (
        f"## Cluster\n\n{scale.clustered:,} made pictures of 64 × 64 pixels in WebDataset shards of {_IN_A_SHARD:,}, "
        f"{_DISTINCT} of them different to the eye and all of them files of their own; a unit space on Lite0 that "
        f"sees them at {_PX} pixels. One "
        "process with all cores, and workers of Ray on one core each. Memory is each process's own, "
        "without what lies mapped: files, and the store of Ray.\n\n"
        + table(head, rows)
        + f"\nEmbedded once more while {killed['kills'][0]:.0f} workers were killed: "
        f"{figure(scale.clustered / killed['seconds'][0])} pictures/s, and {alike['killed']}. The first "
        f"{alike['pictures']:,} of one process on one core against the workers': embeddings {alike['embed']}, findings "
        f"{alike['doctor']}, mean, scale and inverse of the unit space {alike['fit']}.\n"
    )


def section_by_workers(scale: Scale, folder: Path, works: Sequence[str] = _WORKS) -> str:
    """Rates, work and memory of workers that are killed while they embed, and how far the outcomes of all pictures are
    from what one process finds of the different ones, each counted as often as it is there."""
    folder.mkdir(parents=True)
    os.environ["KENPIN_CACHE"] = str(folder / "cache")
    in_fresh_process(write, folder=str(folder), pictures=scale.clustered)
    rows, killed = [], 0.0
    for work in works:
        kills = scale.worker_kills if work == "embed" else 0
        of = in_fresh_process(measure, folder=str(folder), work=work, workers=WORKERS, kills=kills)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        killed += of["kills"][0]
        rows.append(
            (
                work,
                *_rates(of, scale.clustered),
            )
        )
        print(rows[-1], flush=True)
    alike = _in_one_core("compare_with_distinct", folder)
    head = ("work", "pictures/s", "CPU, ms a picture", "start of Ray, s", "peak of all processes, MB", "of the first")
    said = {
        "embed": f"each was embedded once: {alike.get('once')}; embeddings {alike.get('embed')}",
        "fit": f"mean, scale and inverse of the unit space of so many of each {alike.get('fit')}",
        "doctor": f"the doctor's near duplicates {alike.get('doctor')}",
    }
    return (
        f"{scale.clustered:,} pictures by {WORKERS} workers of Ray, {killed:.0f} of them killed while they embed:\n\n"
        + table(head, rows)
        + f"\nBeside one process on one core that sees each of the {_DISTINCT} different ones once: "
        + f"{'; '.join(said[work] for work in works)}.\n"
    )


def _rates(of: Figures, pictures: int) -> tuple[str, ...]:
    """What a work took: pictures/s, CPU a picture, the start of Ray, and memory of all and of the first process."""
    return (
        figure(pictures / of["seconds"][0]),
        figure(1_000 * of["cpu"][0] / pictures),
        figure(of["start"][0]),
        megabytes(of["peak"][0]),
        megabytes(of["own"][0]),
    )


def write(folder: str, pictures: int) -> Figures:
    """Writes the shards, and trains the run."""
    from benchmarks.made import made_dataset

    base = [example.image.data or b"" for example in made_dataset(2 * _DISTINCT, Path(folder) / "masks", _DISTINCT)]
    for first in range(0, pictures, _IN_A_SHARD):
        _write_shard(Path(folder) / "shards", base, range(first, min(first + _IN_A_SHARD, pictures)))
    _write_shard(Path(folder) / "learned", base, range(_LEARNED))
    from kenpin.training import train

    train(
        "mahalanobis",
        data=str(Path(folder) / "learned"),
        out=str(Path(folder) / "run"),
        report=False,
        limit="quantile",
        picture_px=_PX,
    )
    return {}


def _write_shard(folder: Path, base: list[bytes], numbers: range) -> None:
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / f"{numbers.start:09d}.tar", "w") as archive:
        for number in numbers:
            picture = base[number % _DISTINCT]
            # what follows a picture in its file makes another content of it, of which nothing is known yet
            files = {".png": picture + number.to_bytes(8, "big"), ".cls": b"ok"}
            for ending, content in files.items():
                member = tarfile.TarInfo(f"{number:09d}{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def measure(folder: str, work: str, workers: int, kills: int) -> Figures:
    """In the child: one work on all pictures, by this process or by workers."""
    place = Path(folder)
    with _watched(kills) as seen:
        started = time.perf_counter()
        start = 0.0
        if not workers:
            _work(place, work, None)
        else:
            from kenpin.cluster import cluster_at

            with cluster_at("local", workers) as cluster:
                start = time.perf_counter() - started
                _work(place, work, cluster)
        seconds = time.perf_counter() - started
    figures: Figures = seen()
    return figures | {"seconds": [seconds], "start": [start]}


def _work(place: Path, work: str, cluster: Any, shards: str = "shards", name: str | None = None) -> None:
    from kenpin.data import load_dataset
    from kenpin.data.doctor import as_json, examine_dataset
    from kenpin.embedding import embed
    from kenpin.files import write_json
    from kenpin.training import train

    out = place / (name or f"{work}-{'one' if cluster is None else 'cluster'}")
    data = load_dataset(place / shards)
    if work == "doctor":
        if cluster is None:
            found = examine_dataset(data)
        else:
            from kenpin.cluster import examine_on

            found = examine_on(cluster, data)
        write_json(out, as_json(found))
    elif work == "embed":
        if cluster is None:
            embed(place / "run", data, out, overwrite=True)
        else:
            from kenpin.cluster import ClusterPredictor

            embed(ClusterPredictor(cluster, place / "run"), data, out, overwrite=True)
    else:
        # a hundredth scores the good parts that the space has not seen, in this process
        held = [None if number % 100 else "validation" for number in range(len(data))]
        parts = data.with_splits(["train" if split is None else split for split in held])
        by: dict[str, Any] = {} if cluster is None else {"cluster": "local"}
        options: dict[str, Any] = {
            "data": "-",
            "dataset": parts,
            "limit": "chi-square",
            "report": False,
            "picture_px": _PX,
        }
        train("mahalanobis", out=str(out), overwrite=True, **options, **by)


@contextmanager
def _watched(kills: int) -> Iterator[Any]:
    """Within it, memory and CPU seconds of this process and all below it are sampled, and so many workers killed."""
    import random
    import signal
    import threading

    import psutil

    me = psutil.Process()
    peak = {"peak": 0.0, "own": 0.0}
    cpu: dict[tuple[int, float], float] = {}
    killed: list[int] = []
    ended = threading.Event()

    def sample() -> None:
        draw, last = random.Random(0), time.monotonic()
        while True:
            held, workers = 0.0, []
            for process in (me, *me.children(recursive=True)):
                try:
                    info, times = process.memory_info(), process.cpu_times()
                    memory = info.rss - info.shared  # pages of mapped files are the system's to take back
                    cpu[process.pid, process.create_time()] = times.user + times.system
                    held += memory
                    peak["own"] = max(peak["own"], float(memory)) if process.pid == me.pid else peak["own"]
                    if "_Worker" in " ".join(process.cmdline()):
                        workers.append(process)
                except psutil.Error:
                    continue
            peak["peak"] = max(peak["peak"], held)
            if workers and len(killed) < kills and time.monotonic() - last > _BETWEEN_KILLS_S:
                victim = draw.choice(workers)
                os.kill(victim.pid, signal.SIGKILL)
                killed.append(victim.pid)
                last = time.monotonic()
            if ended.wait(_SAMPLE_S):
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield (
            lambda: (
                {name: [value] for name, value in peak.items()}
                | {
                    "cpu": [sum(cpu.values())],
                    "kills": [float(len(killed))],
                }
            )
        )
    finally:
        ended.set()
        thread.join()


def _in_one_core(comparison: str, folder: Path) -> dict[str, Any]:
    """What a comparison of outcomes prints, in a child with one core."""
    command = [sys.executable, "-c", f"import sys; from benchmarks import cluster; cluster.{comparison}(sys.argv[1])"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([*command, str(folder)], cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"comparison: {done.stderr}")
    import json

    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(folder: str) -> None:
    """In a child with one core: prints the differences as JSON."""
    import json

    import numpy as np

    from kenpin.cluster import cluster_at
    from kenpin.data import load_dataset
    from kenpin.embedding import read_embedding

    place = Path(folder)
    base = load_dataset(place / "shards")
    count = min(_COMPARED, len(base))
    (place / "first").mkdir()
    from benchmarks.made import made_dataset

    pictures = [one.image.data or b"" for one in made_dataset(2 * _DISTINCT, place / "more masks", _DISTINCT)]
    _write_shard(place / "first", pictures, range(count))
    for work in _WORKS:
        _work(place, work, None, "first", f"{work}-first-one")
        shutil.rmtree(place / "cache", ignore_errors=True)
        with cluster_at("local", WORKERS) as cluster:
            _work(place, work, cluster, "first", f"{work}-first-cluster")
        shutil.rmtree(place / "cache", ignore_errors=True)
    spaces = [np.load(place / f"fit-first-{by}" / "model" / "unit_space.npz") for by in ("one", "cluster")]
    apart = max(_apart(spaces[0][name], spaces[1][name]) for name in ("mean", "scale", "precision"))
    vectors = [read_embedding(place / f"embed-first-{by}").vectors for by in ("one", "cluster")]
    found = [json.loads((place / f"doctor-first-{by}").read_text("utf-8")) for by in ("one", "cluster")]
    whole = read_embedding(place / "embed-cluster")
    told = {
        "pictures": count,
        "embed": _in_words(_apart(*vectors)),
        "fit": _in_words(apart),
        "doctor": "equal" if found[0] == found[1] else "DIFFERENT",
        "killed": f"each of {len(whole.ids):,} pictures embedded once"
        if len(set(whole.ids)) == len(whole.ids) == len(base)
        else "NOT each picture embedded once",
    }
    print(json.dumps(told))


def compare_with_distinct(folder: str) -> None:
    """In a child with one core: prints, as JSON, how far the workers' outcomes of all pictures are from those of each
    different one, counted as often as it is there."""
    import json

    import numpy as np

    from benchmarks.made import made_dataset
    from kenpin.data import load_dataset
    from kenpin.embedding import embed, read_embedding

    place = Path(folder)
    pictures = [one.image.data or b"" for one in made_dataset(2 * _DISTINCT, place / "more masks", _DISTINCT)]
    _write_shard(place / "distinct", pictures, range(_DISTINCT))
    numbers = np.arange(len(load_dataset(place / "shards")))
    found: dict[str, str] = {}
    if (place / "embed-cluster").exists():
        whole = read_embedding(place / "embed-cluster")
        embedded = np.array([int(Path(name).stem.split("/")[-1]) for name in whole.ids])
        of_each = embed(place / "run", load_dataset(place / "distinct"), place / "embed-distinct").vectors
        apart = max(
            _apart(whole.vectors[rows], of_each[embedded[rows] % _DISTINCT])
            for rows in (slice(start, start + 10_000) for start in range(0, len(embedded), 10_000))
        )
        found |= {"once": "yes" if np.array_equal(np.sort(embedded), numbers) else "NO", "embed": _in_words(apart)}
    if (place / "fit-cluster").exists():
        found["fit"] = _in_words(_space_apart(place, numbers))
    if (place / "doctor-cluster").exists():
        of_one: set[frozenset[int]] = {*_look_alikes(_doctored(place, "distinct", "doctor-distinct"))}
        alone = set(range(_DISTINCT)) - {number for group in of_one for number in group}
        expected = of_one | {frozenset([number]) for number in alone}
        groups = _look_alikes(json.loads((place / "doctor-cluster").read_text("utf-8")))
        found_groups = {frozenset(number % _DISTINCT for number in group) for group in groups}
        members = sum(len(group) for group in groups)
        found["doctor"] = "equal" if found_groups == expected and members == len(numbers) else "DIFFERENT"
    print(json.dumps(found))


def _space_apart(place: Path, numbers: NDArray[np.int64]) -> float:
    """How far the unit space of all pictures is from one of each different picture's row, counted as often as it was
    learned from."""
    import numpy as np

    from kenpin.data import load_dataset
    from kenpin.embedding import embed
    from kenpin.taguchi import Moments, UnitSpace, sum_of_fourth_powers

    x = embed(place / "fit-cluster", load_dataset(place / "distinct"), place / "fit-distinct").vectors.astype(float)
    counts = np.bincount(numbers[numbers % 100 != 0] % _DISTINCT, minlength=_DISTINCT)
    space = np.load(place / "fit-cluster" / "model" / "unit_space.npz")
    x = x[:, space["items"]]
    moments = sum(
        (
            Moments(int(count), row, np.zeros((row.size, row.size)))
            for count, row in zip(counts[1:], x[1:], strict=True)
        ),
        Moments(int(counts[0]), x[0], np.zeros((x.shape[1], x.shape[1]))),
    )
    powers = sum(int(count) * sum_of_fourth_powers(row[None], moments) for count, row in zip(counts, x, strict=True))
    single = UnitSpace("ledoit-wolf").fit_moments(moments, powers)
    alone = {"mean": single.mean_, "scale": single.scale_, "precision": single.precision_}
    return max(_apart(space[name], value) for name, value in alone.items())


def _doctored(place: Path, shards: str, name: str) -> dict[str, Any]:
    import json

    _work(place, "doctor", None, shards, name)
    found: dict[str, Any] = json.loads((place / name).read_text("utf-8"))
    return found


def _look_alikes(doctored: dict[str, Any]) -> list[frozenset[int]]:
    """The pictures of each group of near duplicates, by their numbers."""
    groups = [one["pictures"] for one in doctored["findings"] if one["code"] == "near-copies"]
    return [frozenset(int(Path(name).stem.split("/")[-1]) for name in group) for group in groups]


def _apart(one: Any, other: Any) -> float:
    """The greatest difference, as a share of the largest number."""
    import numpy as np

    return float(np.abs(one - other).max() / np.abs(one).max())


def _in_words(apart: float) -> str:
    return "equal" if apart == 0 else f"differ by {apart:.0e} of the largest at most"


def main() -> None:
    """Measure with as many pictures as the command line says, and print the section."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=FULL.clustered)
    parser.add_argument("--kills", type=int, default=FULL.worker_kills)
    parser.add_argument("--folder", type=Path, help="where the shards may lie for the time; 3 KB a picture")
    parser.add_argument("--workers-alone", action="store_true", help="leave one process out, which takes as long again")
    parser.add_argument(
        "--works", nargs="+", choices=_WORKS, default=_WORKS, help="what workers alone do; by default all"
    )
    given = parser.parse_args()
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="kenpin-cluster-") as folder:
        scale = replace(FULL, clustered=given.pictures, worker_kills=given.kills)
        place = Path(folder) / "cluster"
        print(section_by_workers(scale, place, given.works) if given.workers_alone else section(scale, place))


if __name__ == "__main__":
    from benchmarks import cluster  # by its name, which its children know

    cluster.main()
