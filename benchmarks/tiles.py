"""Large pictures in tiles: what small scratches cost to find, whole and by tiles, and what a map shows of the seams."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

if __name__ == "__main__":  # each way in a process of its own, whose memory is told
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.scale import Scale
from benchmarks.tables import table

_WIDE_PX, _LONG_PX, _CONTRAST = 3, 40, 30
_NEAR_PX = 10
_FILTERED = 4
"""Good pictures whose largest answer a filter must exceed at a scratch."""
_WAYS: dict[str, dict[str, Any]] = {
    "whole, 224 px": {"where": "pooled"},
    "whole, 1,024 px": {"where": "pooled", "picture_px": 1_024},
    "tiles, pooled": {"where": "pooled", "picture_px": 448, "tile_px": 448},
    "tiles, neighbours": {"where": "neighbours", "picture_px": 448, "tile_px": 448},
}
_HEAD = ("way", "AUROC (95 % interval)", "AUROC of those that a filter sees",
         "peak of the map within 10 px of the scratch",
         "s to fit", "s a megapixel, judging", "peak memory, MiB")  # fmt: skip
_SEAMS_PX, _ALIGNED = 896, 60


def metal(seed: int, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Brushed metal under uneven light, (h, w), grey values."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    rng, (width, height) = np.random.default_rng(seed), size_wh
    brushed = gaussian_filter1d(rng.standard_normal((height, width), np.float32), 25, axis=1)
    uneven = gaussian_filter(rng.standard_normal((height // 32 + 1, width // 32 + 1), np.float32), 3)
    light = np.asarray(Image.fromarray(uneven / uneven.std()).resize(size_wh, Image.Resampling.BICUBIC))
    noise = rng.standard_normal((height, width), np.float32)
    return np.asarray(130 + 9 * brushed / brushed.std() + 12 * light + 4 * noise, np.float32)


def scratched(pixels: NDArray[np.float32], seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The same with a scratch, and its two ends, (2, 2) x and y."""
    rng = np.random.default_rng((seed, 1))
    height, width = pixels.shape
    centre = rng.uniform((60, 60), (width - 60, height - 60))
    angle = rng.uniform(0, np.pi)
    ends = centre + np.outer((-1, 1), (np.cos(angle), np.sin(angle))) * _LONG_PX / 2
    lit = rng.choice((-1, 1)) * _CONTRAST
    return np.asarray(pixels + _drawn((width, height), ends) * lit, np.float32), ends


def _drawn(size_wh: tuple[int, int], ends: NDArray[np.float64]) -> NDArray[np.float32]:
    """A scratch between these ends, (h, w), 1 where it is."""
    drawn = Image.new("L", size_wh)
    ImageDraw.Draw(drawn).line(ends.ravel().tolist(), fill=255, width=_WIDE_PX)
    return np.asarray(drawn, np.float32) / np.float32(255)


def section(scale: Scale, folder: Path) -> str:
    """Made pictures, a few of which have a scratch."""
    from kenpin.metrics.ranking import auroc

    folder.mkdir(parents=True, exist_ok=True)
    learned, judged = scale.large_pictures
    _write(folder / "pictures", scale.large_wh, learned, judged)
    rows, seen = [], _seen_by_filters(folder / "pictures")
    for name, options in _WAYS.items():
        found = _in_process(folder, options)
        scores, good = np.array(found["scores"]), np.arange(2 * judged) < judged
        among = np.concatenate([good[:judged], seen])
        of_seen = "—" if not seen.any() else f"{auroc(~good[among], scores[among]):.3f}"
        between = "" if found["interval"] is None else "{:.3f} to {:.3f}".format(*found["interval"])
        rows.append(
            [name, f"{found['auroc']:.3f} ({between or 'all apart'})", of_seen, f"{found['located']} of {judged}",
             f"{found['fit_s']:.1f}", f"{found['judge_s']:.3f}", f"{found['memory_mib']:,.0f}"]
        )  # fmt: skip
    width, height = scale.large_wh
    seams = table(("layers of Lite0", "overlap", "largest difference", "of 99 % of the cells"), _seams(folder))
    return (
        f"## Tiles\n\nMade pictures of brushed metal, {width:,} × {height:,} pixels, grey PNG: {learned} good ones "
        f"learned by `train mahalanobis` on EfficientNet-Lite0, {judged} good and {judged} with a scratch {_WIDE_PX} "
        f"pixels wide and {_LONG_PX} long judged. Tiles are 448 pixels wide and overlap by a quarter; each way in a "
        f"process of its own. Hidden in the grain of the brushing, where not even a filter of their own size and "
        f"direction answers more than somewhere in one of {_FILTERED} good pictures: {judged - seen.sum()} of the "
        f"scratches; beside all, the others by themselves.\n\n{table(_HEAD, rows)}\n"
        f"A map stitched of tiles beside that of the same picture, {_SEAMS_PX} × {_SEAMS_PX} pixels, seen as a whole "
        f"by the same network and unit space, as shares of the range of the map:\n\n{seams}\n{_aligned()}"
    )


def _write(folder: Path, size_wh: tuple[int, int], learned: int, judged: int) -> None:
    ends = []
    for kind, count, first in (("learned", learned, 0), ("good", judged, 1_000), ("scratch", judged, 2_000)):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            pixels = metal(first + number, size_wh)
            if kind == "scratch":
                pixels, of_one = scratched(pixels, number)
                ends.append(of_one)
            drawn = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            drawn.save(folder / kind / f"{number:03d}.png", compress_level=1)
    np.save(folder / "ends.npy", np.array(ends))


def _seen_by_filters(pictures: Path) -> NDArray[np.bool_]:
    """Which scratches a filter of their own size and direction finds: where it answers more than anywhere in good
    pictures.

    What it does not find is hidden in the pictures themselves, whatever looks at them.
    """
    from scipy.signal import oaconvolve

    half = _LONG_PX
    filters = []
    for of_one in np.load(pictures / "ends.npy"):
        drawn = _drawn((2 * half, 2 * half), of_one - of_one.mean(axis=0) + half)
        filters.append((drawn - drawn.mean())[::-1, ::-1])

    def read(kind: str, number: int) -> NDArray[np.float32]:
        return np.asarray(Image.open(pictures / kind / f"{number:03d}.png"), np.float32)

    def answers(pixels: NDArray[np.float32], of_one: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.abs(oaconvolve(pixels, of_one, mode="valid")), np.float32)

    usual = np.zeros(len(filters))
    for number in range(min(_FILTERED, len(filters))):
        good = read("good", number)
        usual = np.maximum(usual, [answers(good, of_one).max() for of_one in filters])
    found = []
    for number, (of_one, place) in enumerate(zip(filters, np.load(pictures / "ends.npy"), strict=True)):
        left, top = (place.mean(axis=0) - half).astype(int)
        around = read("scratch", number)[max(top - 4, 0) : top + 2 * half + 4, max(left - 4, 0) : left + 2 * half + 4]
        found.append(answers(around, of_one).max())
    return np.array(found) > usual


def _in_process(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """What judging by these options took, and found."""
    environment = os.environ | {"KENPIN_CACHE": str(folder / "cache")}
    command = [sys.executable, __file__, str(folder / "pictures"), json.dumps(options)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _inspector(options: dict[str, Any]) -> Any:
    from kenpin.models import get_family
    from kenpin.models.contract import Task

    family = get_family("mahalanobis")
    return family.create(family.Options.from_mapping({"data": "-", "out": "-"} | options), Task(("ok",), ("ok",)))


def _judged(pictures: Path, options: dict[str, Any]) -> dict[str, Any]:
    from kenpin.data.lineage import NOTHING_SEEN
    from kenpin.data.loading import load_dataset
    from kenpin.metrics.intervals import ranking_interval
    from kenpin.metrics.ranking import auroc, auroc_of_counts
    from kenpin.models.passing import outputs_of

    good = load_dataset(pictures / "learned")
    good = good.with_labels(["ok"] * len(good), ("ok",))
    inspector = _inspector(options)
    started = time.perf_counter()
    inspector.fit(good, NOTHING_SEEN, lambda *_: None)
    fit_s = time.perf_counter() - started
    scores, peaks, megapixels = [], [], 0.0
    started = time.perf_counter()
    for kind in ("good", "scratch"):
        for examples, outputs in outputs_of(inspector, load_dataset(pictures / kind)):
            for example, grid in zip(examples, outputs["map"], strict=True):
                width, height = example.size_wh or (0, 0)
                megapixels += width * height / 1e6
                scores.append(float(grid.max()))
                row, column = np.unravel_index(grid.argmax(), grid.shape)
                peaks.append(((column + 0.5) * width / grid.shape[1], (row + 0.5) * height / grid.shape[0]))
    judge_s = time.perf_counter() - started
    ends = np.load(pictures / "ends.npy")
    is_bad = np.arange(len(scores)) >= len(scores) - len(ends)
    apart = [_to_segment(np.array(peak), *of_one) for peak, of_one in zip(peaks[-len(ends) :], ends, strict=True)]
    return {
        "auroc": auroc(is_bad, scores),
        "scores": scores,
        "interval": ranking_interval(auroc_of_counts, is_bad, scores, seed=0),
        "located": int((np.array(apart) <= _NEAR_PX).sum()),
        "fit_s": fit_s,
        "judge_s": judge_s / megapixels,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _to_segment(at: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]) -> float:
    """How far a point lies from a segment, in pixels."""
    along = end - start
    share = np.clip((at - start) @ along / (along @ along), 0, 1)
    return float(np.linalg.norm(at - start - share * along))


def _seams(folder: Path) -> list[list[str]]:
    """What stitching changes in a map, for layers that see less and less around a cell."""
    from kenpin.data.dataset import Dataset
    from kenpin.data.images import png_of
    from kenpin.data.lineage import NOTHING_SEEN
    from kenpin.models.passing import outputs_together
    from kenpin.records import Example, ImageSource

    os.environ["KENPIN_CACHE"] = str(folder / "cache")
    size_wh = (_SEAMS_PX, _SEAMS_PX)

    def picture(pixels: NDArray[np.float32]) -> Image.Image:
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

    good = Dataset.from_examples(
        Example(f"{n}", ImageSource(f"{n}.png", png_of(picture(metal(n, size_wh)), "made")), label="ok")
        for n in range(6)
    )
    shown = picture(scratched(metal(50, size_wh), 0)[0]).convert("RGB")
    rows = []
    for layers in ((3, 4), (4, 5), (4, 5, 6)):
        for overlap in (0.25, 0.5):
            options = {"where": "pooled", "layers": layers, "engine": "torch"}
            by_tiles = _inspector({**options, "picture_px": 448, "tile_px": 448, "overlap": overlap})
            by_tiles.fit(good, NOTHING_SEEN, lambda *_: None)
            whole = _inspector({**options, "picture_px": _SEAMS_PX})
            whole._spaces = by_tiles._spaces
            stitched, seen = (of["map"][0] for of in outputs_together([by_tiles, whole], [shown]))
            apart = np.abs(stitched - seen) / np.ptp(seen)
            named = " ".join(map(str, layers))
            rows.append([named, f"{overlap:g}", f"{apart.max():.2%}", f"{np.quantile(apart, 0.99):.2%}"])
    return rows


def _aligned() -> str:
    """How near drawn parts come to their reference, and how long that takes."""
    from kenpin.data.alignment import Alignment, inverse

    rng, size_wh = np.random.default_rng(0), (640, 480)

    def part(seed: int) -> Image.Image:
        drawn = Image.new("L", size_wh, 40)
        pen = ImageDraw.Draw(drawn)
        pen.rounded_rectangle((120, 90, 520, 390), 30, fill=170)
        pen.ellipse((180, 140, 260, 220), fill=60)
        pen.ellipse((400, 280, 470, 350), fill=90)
        pen.rectangle((330, 130, 470, 170), fill=120)
        noise = np.random.default_rng(seed).normal(0, 6, size_wh[::-1])
        return Image.fromarray(np.clip(np.asarray(drawn) + noise, 0, 255).astype(np.uint8))

    alignment, corners = Alignment(np.asarray(part(0))), np.array([(120, 90), (520, 90), (520, 390), (120, 390)])
    apart, seconds = [], []
    for number in range(1, _ALIGNED + 1):
        angle = np.radians(rng.uniform(-5, 5))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array(size_wh) / 2
        where = np.column_stack([turn, middle - turn @ middle + rng.uniform(-0.1, 0.1, 2) * size_wh])
        how = (Image.Transform.AFFINE, inverse(where).ravel().tolist(), Image.Resampling.BICUBIC)
        moved = part(number).transform(size_wh, *how, fillcolor=40)
        started = time.perf_counter()
        found = alignment.find(moved)
        seconds.append(time.perf_counter() - started)
        at_corners = corners @ (found - where)[:, :2].T + (found - where)[:, 2]
        apart.append(np.linalg.norm(at_corners, axis=1).max())
    return (
        f"Of {_ALIGNED} drawn parts of {size_wh[0]} × {size_wh[1]} pixels, each with its own noise, turned by up to 5 "
        f"degrees and shifted by up to a tenth, `--align` finds the farthest corner to {np.median(apart):.2f} pixels "
        f"in the median and {max(apart):.2f} at most, in {1000 * np.median(seconds):.0f} ms each.\n"
    )


if __name__ == "__main__":
    print(json.dumps(_judged(Path(sys.argv[1]), json.loads(sys.argv[2]))))
