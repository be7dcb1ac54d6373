"""Families at their real size on a GPU, with random weights: `python benchmarks/gpu.py [--out FILE] [--small]`.

Each part stands alone: one that fails is told with its error, and the others go on. What a machine without
network needs beside PyTorch is gathered by `benchmarks/gpu/wheels.sh`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script finds its own folder, not the one above

from benchmarks import real_size
from benchmarks.tables import figure, table

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset
    from kenpin.models.contract import Trainable

_SIDE = 8_192
_STEPS, _WARM_UP = 10, 3
_BATCH, _VIT_BATCH = 8, 64
_LEARNED, _VALIDATED, _JUDGED, _ANSWERED = 256, 32, 2_048, 64
"""Pictures of the trainings that are forecast, and of those judged afterwards, or answered in words."""
_STEP_HEAD = ("family, tuning, given", "training, pictures/s", "peak memory, GiB", "share of the matmul rate",
              "answers, pictures/s")  # fmt: skip
_RUN_HEAD = ("family, tuning", "memory promised, GiB", "held", "time promised, s", "taken", "files judged a second")


class Place(NamedTuple):
    """Where it runs, at which size."""

    device: str
    small: bool
    flop_per_second: float
    folder: Path
    """For pictures that several parts judge."""

    def size(self, real: int, small: int) -> int:
        """One number for each size."""
        return small if self.small else real

    def forget(self) -> int:
        """Start the measurement of a peak; bytes held already."""
        import torch

        if self.device != "cuda":
            return 0
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()

    def peak_bytes(self) -> int:
        """Of the tensors since `forget`."""
        import torch

        return torch.cuda.max_memory_allocated() if self.device == "cuda" else 0


def sync(device: str) -> None:
    """Wait for the device."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def matmul_flop_per_second(device: str, side: int) -> float:
    """Best of several products of large bf16 matrices."""
    import torch

    left, right = torch.randn(2, side, side, device=device, dtype=torch.bfloat16)
    best = 0.0
    for _ in range(10):
        sync(device)
        started = time.perf_counter()
        torch.mm(left, right)
        sync(device)
        best = max(best, 2 * side**3 / (time.perf_counter() - started))
    return best


def steps_of_detector(here: Place, family: str, tuning: str) -> list[str]:
    """One row: a training step's and an answer's pace and memory."""
    import torch

    from kenpin.records import Detections

    here.forget()
    inspector = real_size.detector(family, tuning, here.device, small=here.small)
    width, height = inspector.image_size_wh
    found = Detections(((10.0, 20.0, 400.0, 500.0), (500.0, 20.0, 600.0, 500.0)), ("scratch", "dent"))
    answers = [inspector.codec.encode(found, (640, 640))] * _BATCH
    batch = {"pixel_values": torch.randn(_BATCH, 3, height, width)} | inspector.encode_answers(answers)
    batch = {name: values.to(here.device) for name, values in batch.items()}
    if inspector.extract is not None:
        with torch.no_grad(), torch.autocast(here.device, torch.bfloat16):
            batch["features"] = inspector.extract(batch)
        del batch["pixel_values"]
    kept = "kept features" if inspector.extract is not None else "pictures"
    seen = {name: values for name, values in batch.items() if name in ("features", "pixel_values")}
    return [f"{family}, {tuning}, {kept}", *_row(here, inspector, batch, seen)]


def steps_of_classifier(here: Place, *, compiled: bool = False) -> list[str]:
    """The same of a ViT-base that is trained whole; or of one that `torch.compile` went over, which kenpin does not."""
    import torch

    from kenpin.models import get_family
    from kenpin.models.contract import Task

    here.forget()
    family, pictures = get_family("classifier"), here.size(_VIT_BATCH, 4)
    with tempfile.TemporaryDirectory() as folder:
        base = real_size.vit_folder(Path(folder), small=here.small)
        options = family.Options.from_mapping({"data": "-", "out": "-", "base": base, "tuning": "full"})
        inspector: Any = family.create(options, Task(("ok", "scratch"), ("ok",)))
    inspector.module.to(here.device)
    batch = {"pixel_values": torch.randn(pictures, 3, 224, 224, device=here.device)}
    answers = {"labels": torch.randint(2, (pictures,), device=here.device)}
    name = "classifier, full, pictures" + ", compiled" * compiled
    return [name, *_row(here, inspector, batch | answers, batch, compiled=compiled)]


def _row(here: Place, inspector: Trainable, batch: Any, seen: Any, *, compiled: bool = False) -> list[str]:
    """Paces of the engine's own step and of an answer, the peak's memory, and the share of the card's rate."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from kenpin.training.step import GradientStep, computing_in, make_optimiser

    pictures = len(next(iter(batch.values())))
    optimiser = make_optimiser(inspector.module, "adamw", 0.01)
    step = GradientStep(inspector, optimiser, precision="bf16", clip_norm=1.0)
    count = inspector.loss_count(batch)

    def learn() -> None:
        step.learn(batch, count)
        step.change(1e-5)

    inspector.module.train()
    with computing_in("bf16", inspector.module):
        with FlopCounterMode(display=False) as counter:
            learn()
        if compiled:
            inspector.module.compile()
        training = _seconds(here, learn)
    peak_bytes = here.peak_bytes()
    inspector.module.eval()

    def answer() -> None:
        with torch.inference_mode(), torch.autocast(here.device, torch.bfloat16):
            inspector.infer(seen)

    answering = _seconds(here, answer)
    share = counter.get_total_flops() / training / here.flop_per_second
    return [f"{pictures / training:.1f}", f"{peak_bytes / 2**30:.1f}", f"{share:.0%}", f"{pictures / answering:.1f}"]


def _seconds(here: Place, work: Callable[[], None]) -> float:
    """Mean seconds of a call, warmed up."""
    steps, warm_up = here.size(_STEPS, 1), here.size(_WARM_UP, 1)
    for _ in range(warm_up):
        work()
    sync(here.device)
    started = time.perf_counter()
    for _ in range(steps):
        work()
    sync(here.device)
    return (time.perf_counter() - started) / steps


def whole_run(here: Place, family: str, **how: Any) -> list[str]:
    """One row: what the forecast says of a training, what it takes, and how many files its run judges a second."""
    from kenpin.forecast import forecast_run
    from kenpin.predictor import load_predictor
    from kenpin.training import train

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learned, validated = here.size(_LEARNED, 64), here.size(_VALIDATED, 24)
        judged = here.size(_ANSWERED if family in _IN_WORDS else _JUDGED, 24)
        dataset = _made(family, folder / "learned", learned, validated)
        base = _base(here, family, folder / "base", how)
        settings = {"data": "-", "base": base, "report": False, "out": str(folder / "run"), **how}
        if family in _IN_WORDS:
            settings |= {
                "max_new_tokens": here.size(real_size.NEW_TOKENS, 8),
                "epochs": 1,
                "batch_size": here.size(8, 2),
            }
        elif how.get("tuning") in ("full", "lora"):
            settings |= {"epochs": here.size(3, 1), "batch_size": here.size(32, 4)}
        found = forecast_run(family, dataset=dataset, **settings)
        promised = "—" if found.times is None else f"{found.times.total:.1f}"
        before = here.forget()
        started = time.perf_counter()
        run = train(family, dataset=dataset, **settings)
        took = time.perf_counter() - started
        held = here.peak_bytes() - before
        row = [f"{found.memory.total / 2**30:.2f}", f"{held / 2**30:.2f}", promised, f"{took:.1f}"]
        print(f"run of {family}, trained: {row}", file=sys.stderr, flush=True)  # kept where the time ends at judging
        predictor = load_predictor(run)
        pictures = _judged(family, here.folder, judged)
        list(predictor.predict(dataset.select(range(min(len(dataset), 64)))))
        started = time.perf_counter()
        list(predictor.predict(pictures))
        pace = judged / (time.perf_counter() - started)
    shown = ", ".join((family, *(_SHOWN.get(name, "{}").format(value) for name, value in how.items()
                                 if name in ("tuning", "where", *_SHOWN))))  # fmt: skip
    return [shown, *row, f"{pace:.1f}"]


_WITH_BOXES = ("florence2", "paligemma")
_IN_WORDS = (*_WITH_BOXES, "vlm")
_SHOWN = {"tile_px": "tiles of {}", "join_layers": "layers {}"}
_QUESTION, _ANSWERS = "What is to be seen?", ("a whole part", "a scratch across the part")


@cache
def _judged(family: str, folder: Path, count: int) -> Dataset:
    """Pictures that no run has seen and whose features none keeps; made once, since noise takes long to compress."""
    return _made(family, folder / f"{family} {count}", count, 0, seed=1)


def _made(family: str, folder: Path, learned: int, validated: int, seed: int = 0) -> Dataset:
    """Pictures of noise in files, labelled by turns, with boxes or questions where the family learns from those."""
    import numpy as np
    from PIL import Image

    from kenpin.data.dataset import Dataset
    from kenpin.records import Detections, Example, ImageSource

    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    examples = []
    for number in range(learned + validated):
        path = folder / f"{number}.png"
        noise = draw.integers(0, 255, (256, 256, 3), np.uint8)
        noise[:32, :32] = 255 * (number % 2)
        Image.fromarray(noise).save(path, compress_level=1)
        what: dict[str, Any] = {"label": "scratch" if number % 2 else "ok"}
        if family in _WITH_BOXES:
            what = {"boxes": Detections(((0.0, 0.0, 32.0, 32.0),), (real_size.LABELS[number % 2],)),
                    "size_wh": (256, 256)}  # fmt: skip
        elif family == "vlm":
            what |= {"prefix": _QUESTION, "suffix": _ANSWERS[number % 2]}
        split = "train" if number < learned else "validation"
        examples.append(Example(id=str(number), image=ImageSource(path=str(path)), split=split, **what))
    return Dataset.from_examples(examples, classes=real_size.LABELS if family in _WITH_BOXES else ())


def _base(here: Place, family: str, folder: Path, how: Mapping[str, Any]) -> str:
    if family == "florence2":
        return real_size.florence2_folder(folder, small=here.small)
    if family == "paligemma":
        return real_size.paligemma_folder(folder, here.device, small=here.small)
    if family == "vlm":
        return real_size.chat_folder(folder, [_QUESTION, *_ANSWERS], small=here.small)
    if "layers" in how:
        return real_size.dino_folder(folder, small=here.small)
    return real_size.vit_folder(folder, small=here.small)


_STEP_PARTS: list[tuple[str, Callable[[Place], list[str]]]] = [
    ("classifier, full", steps_of_classifier),
    *(
        (f"{family}, {tuning}", lambda here, family=family, tuning=tuning: steps_of_detector(here, family, tuning))
        for family in ("florence2", "paligemma")
        for tuning in ("lora", "attention")
    ),
    ("classifier, full, compiled", partial(steps_of_classifier, compiled=True)),
]
_LABELLED = {"ok_labels": ("ok",)}
_RUN_PARTS: list[tuple[str, dict[str, Any]]] = [
    ("classifier", {"tuning": "full"}),
    ("classifier", {"tuning": "lora"}),
    ("classifier", {"tuning": "head"}),
    ("mahalanobis", {}),
    ("mahalanobis", {"where": "positions"}),
    ("mahalanobis", {"where": "pooled", "tile_px": 128}),
    ("mahalanobis", {"where": "neighbours", "layers": (3, 6, 9, 12)}),
    ("mahalanobis", {"where": "pooled", "layers": (3, 6, 9, 12), "join_layers": "apart"}),
    ("embedder", {"tuning": "full"}),
    ("florence2", {"tuning": "lora"}),
    ("florence2", {"tuning": "attention"}),
    ("florence2", {"tuning": "qlora"}),
    ("vlm", {"tuning": "lora"}),
    ("vlm", {"tuning": "qlora"}),
    ("paligemma", {"tuning": "attention"}),
    ("paligemma", {"tuning": "qlora"}),
]


def _alone(name: str, part: Callable[[], list[str]], columns: int, failures: list[str]) -> list[str]:
    """The row of one part, or a row that says it failed."""
    started = time.perf_counter()
    try:
        row = part()
    except Exception as error:  # noqa: BLE001 -- one part's failure is told, and the others go on
        traceback.print_exc()
        failures.append(f"{name}: {type(error).__name__}: {error}")
        row = [name, *["failed"] * (columns - 1)]
    print(f"{name}: {time.perf_counter() - started:.0f} s: {row}", file=sys.stderr, flush=True)
    return row


def main() -> int:
    """Measure, print, and write the file; without a GPU say so. The status is 1 where a part failed."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="where to write; by default gpu/<device>.md beside this file")
    parser.add_argument("--small", action="store_true", help="small networks, on the CPU too: a trial of the script")
    parser.add_argument("--only", default="", help="take the parts whose names contain this")
    arguments = parser.parse_args()
    if not torch.cuda.is_available() and not arguments.small:
        print("Skipped: there is no CUDA device here, and a CPU's figures at this size would say nothing of one.")
        return 0
    device = "cuda" if torch.cuda.is_available() else "cpu"
    card = torch.cuda.get_device_name() if device == "cuda" else "a CPU"
    side = 512 if arguments.small else _SIDE
    folder = tempfile.TemporaryDirectory()
    here = Place(device, arguments.small, matmul_flop_per_second(device, side), Path(folder.name))
    name = "".join(letter if letter.isalnum() else "-" for letter in card.lower())
    out = arguments.out or Path(__file__).with_name("gpu") / f"{name}.md"
    out.parent.mkdir(exist_ok=True)
    failures: list[str] = []
    steps: list[list[str]] = []
    runs: list[list[str]] = []

    def keep() -> None:  # after each part: a card is lent for minutes, and what was measured on it is not to be lost
        out.write_text(_text(here, card, side, steps, runs, failures), encoding="utf-8")

    for name, part in _STEP_PARTS:
        if arguments.only in name:
            steps.append(_alone(name, partial(part, here), len(_STEP_HEAD), failures))
            keep()
    for family, how in _RUN_PARTS:
        labels = {} if family in _IN_WORDS else _LABELLED
        name = ", ".join(("run of " + family, *map(str, how.values())))
        if arguments.only not in name:
            continue
        runs.append(_alone(name, partial(whole_run, here, family, **how, **labels), len(_RUN_HEAD), failures))
        keep()
    folder.cleanup()
    print(_text(here, card, side, steps, runs, failures))
    return 1 if failures else 0


def _text(here: Place, card: str, side: int, steps: list[list[str]], runs: list[list[str]], failures: list[str]) -> str:
    import torch
    import transformers

    failed = "".join(f"\n- failed: {line}" for line in failures)
    return (
        f"# Families at {'small' if here.small else 'real'} size on {card}\n\nWritten by `python benchmarks/gpu.py` on "
        f"{date.today():%-d %B %Y}, torch {torch.__version__}, transformers {transformers.__version__}. Random "
        f"weights, bf16: Florence-2-base at 768 pixels and PaliGemma-3B at 224 in batches of {_BATCH}, answers of "
        f"{real_size.NEW_TOKENS} tokens at most; ViT-base at 224 in batches of {_VIT_BATCH}. Matrices of {side} in "
        f"bf16 are multiplied at {figure(here.flop_per_second / 1e12)} TFLOP/s.\n\n{table(_STEP_HEAD, steps)}\n"
        f"What `--dry-run` promises of a training on {_LEARNED} pictures of 256 pixels, what it took, and how many "
        f"files the run judges a second, reading included:\n\n{table(_RUN_HEAD, runs)}{failed}"
    )


if __name__ == "__main__":
    sys.exit(main())
