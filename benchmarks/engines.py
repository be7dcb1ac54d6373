"""Frozen networks on engines beside torch, and packages beside their run: pictures a second, one picture's time, and
what changes in the scores."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from benchmarks import larger_networks
from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, rate, table

_ENGINES = ("torch", "openvino", "onnx")
_PACKAGES = {
    "openvino fp32": ("openvino", "fp32"),
    "openvino bf16": ("openvino", "bf16"),
    "openvino int8": ("openvino", "int8"),
    "onnx fp32": ("onnx", "fp32"),
}
_SINGLE = 60  # pictures that are judged one by one
_AGAIN = 2  # times that a process judges many pictures


def section(scale: Scale, folder: Path) -> str:
    """A head on Lite0, on the solar cells, by each engine and from each package."""
    folder.mkdir(parents=True)
    made = in_fresh_process(prepare, folder=str(folder))
    rows: dict[str, Figures] = {}
    for turn in range(scale.repetitions):  # by turns: the machine's other load then slows all of them
        for name in (*_ENGINES, *_PACKAGES):
            found = in_fresh_process(
                judge,
                cache=str(folder / f"cache {name}"),
                run=str(folder / (name if name in _PACKAGES else "run")),
                engine="auto" if name in _PACKAGES else name,
                pictures=scale.pictures,
                verdicts=0 if turn else scale.verdicts,
            )
            of_all = rows.setdefault(name, {})
            for key, values in found.items():
                of_all.setdefault(key, []).extend(values)
    beside = in_fresh_process(
        beside_a_loop,
        package=str(folder / "openvino fp32"),
        pictures=scale.pictures,
        repetitions=scale.repetitions,
    )
    usual = rows["torch"]
    head = (
        "engine", "pictures/s", "times torch", "one picture, ms: p50", "p99", "largest relative difference of a score",
        "changed verdicts",
    )  # fmt: skip
    compared = [
        (
            name if name in _ENGINES else f"package, {name}",
            rate(scale.pictures, found["many"]),
            figure(min(usual["many"]) / min(found["many"])),
            *(figure(_percentile(found["single"], share) * 1e3) for share in (50, 99)),
            f"{_difference(usual['scores'], found['scores']):.0e}",
            str(sum(a != b for a, b in zip(usual["verdicts"], found["verdicts"], strict=True))),
        )
        for name, found in rows.items()
    ]
    parts, changed, layers, *costs = made["int8"]
    auroc = made["int8 auroc"]
    larger = larger_networks.part(scale, folder)
    share = min(beside["bare"]) / min(beside["package"])
    shutil.rmtree(folder)
    return (
        f"## Engine\n\nA head on frozen features of `lite0`, trained in {made['train'][0]:.0f} s, from "
        f"{scale.pictures} real pictures of solar cells (files, 300 × 300 PNG) to verdicts, each in processes of its "
        "own, by turns, nothing in the feature store; `torch`, `openvino` and `onnx` judge by the run, the "
        "others are packages. "
        f"Scores and verdicts are held against torch's, on {len(usual['scores']):,} pictures.\n\n"
        f"{table(head, compared)}\n"
        "A bare loop of two threads that open and resize and OpenVINO's own queue does "
        f"{rate(scale.pictures, beside['bare'])} pictures/s; by turns with it in one process, the package does "
        f"{rate(scale.pictures, beside['package'])}, {share:.2f} of its rate, in "
        f"{min(beside['package cpu']) / min(beside['bare cpu']):.2f} times the processor time.\n\n"
        f"INT8 was judged by its export on {parts:.0f} cells that the run had not seen: convolutions in 32 bits "
        f"{layers:.0f}, verdicts changed {changed:.0f}, cost per part {costs[0]:.3f} to {costs[1]:.3f}, AUROC "
        f"{auroc[0]:.4f} to {auroc[1]:.4f} (95 % interval of the change {auroc[2]:+.4f} to {auroc[3]:+.4f}).\n\n"
        f"{larger}"
    )


def _percentile(values: list[float], share: int) -> float:
    """The value below which this share of them lies, in percent."""
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


def _difference(ours: list[float], theirs: list[float]) -> float:
    return max(abs(a - b) / max(abs(a), 1e-9) for a, b in zip(ours, theirs, strict=True))


def prepare(folder: str) -> Figures:
    """In the child: train the run, and export the packages."""
    import time

    from kenpin.demo import solar_cells
    from kenpin.export import export_int8, export_package
    from kenpin.training import train

    os.environ["KENPIN_CACHE"] = f"{folder}/cache"
    started = time.perf_counter()
    run = train(
        "classifier", data=solar_cells().select(range(0, 2_329, 4)), out=f"{folder}/run", report=False, engine="torch",
        ok_labels=("functional",), cost_review=0.5,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    for name, (to, precision) in _PACKAGES.items():
        if precision != "int8":
            export_package(run, f"{folder}/{name}", to=to, precision=precision)  # type: ignore[arg-type]
    # as many cells again judge it, which are among those that are compared
    cells = solar_cells().select(row for row in range(2_329) if row % 4 in (0, 2))
    found = export_int8(run, f"{folder}/openvino int8", data=cells, tolerance=0.1)
    assert found.auroc_before is not None
    assert found.auroc_now is not None
    assert found.low is not None
    assert found.high is not None
    return {
        "train": [seconds],
        "int8": [found.parts, found.changed, found.exact_layers, found.cost_before, found.cost_now],
        "int8 auroc": [found.auroc_before, found.auroc_now, found.low, found.high],
    }


def judge(cache: str, run: str, engine: Any, pictures: int, verdicts: int) -> Figures:
    """In the child: many pictures, each time from an empty store, then those whose verdicts count, then single ones."""
    from kenpin.data.images import read_image
    from kenpin.demo import solar_cells
    from kenpin.models.passing import outputs_together
    from kenpin.predictor import load_predictor
    from kenpin.records import Verdict

    predictor, cells = load_predictor(run, engine=engine), solar_cells()
    dataset = cells.select(range(pictures))
    os.environ["KENPIN_CACHE"] = f"{cache} warm"
    list(predictor.predict(cells.select(range(pictures, pictures + 16))))
    found: list[Any] = []

    def go() -> None:
        found[:] = predictor.predict(dataset)

    figures: Figures = {"many": []}
    for repetition in range(_AGAIN):
        os.environ["KENPIN_CACHE"] = f"{cache} {repetition}"  # the network is loaded, its features are stored nowhere
        shutil.rmtree(os.environ["KENPIN_CACHE"], ignore_errors=True)
        figures["many"] += seconds_of(go, 1)
    found[:] = predictor.predict(cells.select(range(min(verdicts, len(cells)))))
    figures["scores"] = [one.defect_score for one in found]
    figures["verdicts"] = [float([*Verdict].index(predictor.judge(one).verdict)) for one in found]
    images = [read_image(example.image) for example in cells.select(range(_SINGLE))]
    outputs_together([predictor.model], images[:1])
    figures["single"] = [
        seconds_of(lambda: outputs_together([predictor.model], [image]), 1)[0]  # noqa: B023
        for image in images
    ]
    return figures


def beside_a_loop(package: str, pictures: int, repetitions: int) -> Figures:
    """In the child: a package, and what the engine does with the least around it, by turns: the machine's other load
    then slows both."""
    import time
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import openvino
    from PIL import Image

    from kenpin.demo import solar_cells
    from kenpin.predictor import load_predictor

    predictor, cells = load_predictor(package, engine="openvino"), solar_cells().select(range(pictures))
    paths = [path for path in cells.files() if path]
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    network = Path(package) / "network" / "model.xml"
    compiled = openvino.Core().compile_model(network, "CPU", settings)

    def opened(path: str) -> Any:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))

    def go() -> None:
        queue = openvino.AsyncInferQueue(compiled)
        with ThreadPoolExecutor(2) as pool:
            rows = list[Any]()
            for row in pool.map(opened, paths):
                rows.append(row)
                if len(rows) == 8:
                    queue.start_async({0: np.stack(rows)})
                    rows = []
        queue.wait_all()

    def judge_all() -> None:
        list(predictor.predict(cells))

    figures: Figures = {"bare": [], "package": [], "bare cpu": [], "package cpu": []}
    go()
    judge_all()
    for _ in range(repetitions):
        for name, work in (("bare", go), ("package", judge_all)):
            before = time.process_time()
            figures[name] += seconds_of(work, 1)
            figures[f"{name} cpu"] += [time.process_time() - before]
    return figures
