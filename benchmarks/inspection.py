"""The inspection of a line: two runs on one backbone against that backbone alone, and the cost of watching a folder."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, rate, table

_LEARNED = 120  # pictures that the runs are fitted on


def section(scale: Scale, folder: Path) -> str:
    """How many pictures a second become records, beside those that only go through the network."""
    folder.mkdir()
    taken = in_fresh_process(inspect_cells, folder=str(folder), pictures=scale.pictures, repetitions=scale.repetitions)
    watched = in_fresh_process(watch, folder=str(folder / "line"), files=scale.scored, repetitions=scale.repetitions)
    alone = min(taken["alone"])
    rows = [
        (what, rate(scale.pictures, taken[name]), f"{alone / min(taken[name]):.2f}")
        for what, name in {
            "the backbone alone: opening, scaling, network": "alone",
            "inspect: classifier and distance, records on disk": "together",
            "inspect: the classifier": "classifier",
        }.items()
    ]
    new_ms, all_ms = (1_000 * min(watched[name]) for name in ("new", "all"))
    return (
        f"## Inspection\n\n`lite0` on {scale.pictures} real pictures of solar cells, {taken['batch_size'][0]:.0f} at "
        "a time, opened by two threads on both sides. Classifier and distance share one pass of the backbone; every "
        "picture is hashed, and its record appended to a journal that is synchronised after each batch (in memory "
        "here; what a disk takes for that comes on top).\n\n"
        + table(("work", "pictures/s", "share of the backbone alone"), rows)
        + f"\nIn a watched folder of {scale.scored:,} judged files, a look for new names takes {figure(new_ms)} ms, "
        f"one for changed files {figure(all_ms)} ms. Each is followed by nine times as long a rest.\n"
    )


def inspect_cells(folder: str, pictures: int, repetitions: int) -> Figures:
    """In the child: seconds of each work, in turns."""
    import os
    from threading import Event

    import torch

    from kenpin.data.images import read_image
    from kenpin.data.streaming import stream
    from kenpin.demo import solar_cells
    from kenpin.inspection.inspecting import inspect
    from kenpin.inspection.line import Line
    from kenpin.inspection.pictures import NamedPictures
    from kenpin.inspection.policy import Policy
    from kenpin.predictor import load_predictor
    from kenpin.training import train

    place = Path(folder)
    os.environ["KENPIN_CACHE"] = str(place / "cache")
    cells = solar_cells()
    learned = cells.select(range(0, len(cells), len(cells) // _LEARNED))
    for family in ("classifier", "mahalanobis"):
        train(family, dataset=learned, data="-", out=place / family, report=False, ok_labels=("functional",))
    runs = {name: str(place / name) for name in ("classifier", "mahalanobis")}
    seen = cells.select(range(pictures))
    paths = [str(example.image.path) for example in seen]
    inspector = load_predictor(place / "classifier").inspector
    extract = inspector.extract
    assert extract is not None
    numbers = iter(range(1_000))

    def line(*names: str) -> Line:
        policy = Policy.from_mapping({"runs": {name: runs[name] for name in names}})
        return Line(policy, place / f"records-{next(numbers)}")

    def inspected(*names: str) -> list[float]:
        """Seconds of a line that is open: its runs are loaded."""
        with line(*names) as opened:
            return seconds_of(lambda: inspect(opened, NamedPictures(paths, Event()), lambda _: None), 1)

    with line("classifier", "mahalanobis") as opened:
        size = opened.batch_size

    def alone() -> None:
        batch = []
        with torch.inference_mode():
            for image in stream(read_image, [example.image for example in seen]):
                batch.append(image)
                if len(batch) == size:
                    extract(inspector.encode(batch))
                    batch = []
            if batch:
                extract(inspector.encode(batch))

    figures: Figures = {"alone": [], "together": [], "classifier": [], "batch_size": [size]}
    alone()
    for _ in range(repetitions):
        figures["alone"] += seconds_of(alone, 1)
        figures["together"] += inspected("classifier", "mahalanobis")
        figures["classifier"] += inspected("classifier")
    return figures


def watch(folder: str, files: int, repetitions: int) -> Figures:
    """In the child: seconds of a look at a folder of files that were all judged before."""
    from threading import Event

    from kenpin.inspection.watching import WatchedFolder, sightings

    place = Path(folder)
    place.mkdir()
    for number in range(files):
        (place / f"{number:06}.png").write_bytes(b"a picture")
    judged = {seen.id: (seen.size_bytes, seen.modified_ns) for seen in sightings(place, {})}

    watched = WatchedFolder(place, judged, settle_s=0, aside_after_s=0, until_idle_s=None, stop=Event())
    return {
        "all": seconds_of(lambda: watched._look(at_all=True), repetitions),
        "new": seconds_of(watched._look, repetitions),
    }
