"""Families at their real size on a GPU, with random weights: `python benchmarks/gpu.py [--out FILE]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script finds its own folder, not the one above

from benchmarks.tables import figure, table

if TYPE_CHECKING:
    from kenpin.forecast import Forecast
    from kenpin.models.contract import Trainable
    from kenpin.models.language.detector import LanguageDetector

_LABELS = ("scratch", "dent", "solder-bridge")
_SIDE = 8_192
_STEPS, _WARM_UP = 10, 3
_BATCH = 8
_NEW_TOKENS = 64
_CASES = [("florence2", "lora"), ("florence2", "attention"), ("paligemma", "lora"), ("paligemma", "attention")]
_VIT_BATCH = 64
_LEARNED, _VALIDATED = 256, 32
"""Pictures of the training that is forecast."""


def matmul_flop_per_second() -> float:
    """Best of several products of large bf16 matrices."""
    import torch

    left, right = torch.randn(2, _SIDE, _SIDE, device="cuda", dtype=torch.bfloat16)
    best = 0.0
    for _ in range(10):
        torch.cuda.synchronize()
        started = time.perf_counter()
        torch.mm(left, right)
        torch.cuda.synchronize()
        best = max(best, 2 * _SIDE**3 / (time.perf_counter() - started))
    return best


def real_size(family: str, tuning: str) -> LanguageDetector:
    """A detector of the published size on the GPU, its weights random; frozen ones in bf16."""
    import torch
    from transformers import (
        CLIPImageProcessorPil,
        Florence2Config,
        Florence2ForConditionalGeneration,
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
    )

    from kenpin.models import florence2, get_family, paligemma
    from kenpin.models.contract import Task
    from kenpin.models.florence2.toy import toy_base as florence2_toy
    from kenpin.models.language.bases import LanguageBase
    from kenpin.models.paligemma.toy import toy_base as paligemma_toy

    task = Task(_LABELS, ())
    options = get_family(family).Options.from_mapping(
        {"data": "-", "out": "-", "tuning": tuning, "max_new_tokens": _NEW_TOKENS}
    )
    detector: Any
    if family == "florence2":
        toy = florence2_toy(task, 0)
        text = {"model_type": "bart", "vocab_size": 51_328, "d_model": 768, "encoder_layers": 6, "decoder_layers": 6,
                "encoder_attention_heads": 12, "decoder_attention_heads": 12, "encoder_ffn_dim": 3_072,
                "decoder_ffn_dim": 3_072, "max_position_embeddings": 4_096}  # fmt: skip
        image_id = toy.network.config.image_token_id
        config = Florence2Config(text_config=text, vision_config={"projection_dim": 768}, image_token_id=image_id)
        kind, detector = Florence2ForConditionalGeneration, florence2.Florence2Detector
        processor = CLIPImageProcessorPil(size={"height": 768, "width": 768}, do_center_crop=False, resample=3)
    else:
        toy = paligemma_toy(task, 0)
        vision = {"model_type": "siglip_vision_model", "image_size": 224, "patch_size": 14, "num_hidden_layers": 27,
                  "hidden_size": 1_152, "intermediate_size": 4_304, "num_attention_heads": 16,
                  "vision_use_head": False}  # fmt: skip
        text = {"model_type": "gemma", "vocab_size": 257_216, "num_hidden_layers": 18, "hidden_size": 2_048,
                "intermediate_size": 16_384, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256,
                "hidden_act": "gelu_pytorch_tanh", "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}  # fmt: skip
        config = PaliGemmaConfig(vision_config=vision, text_config=text, image_token_index=257_152,
                                 projection_dim=2_048, hidden_size=2_048)  # fmt: skip
        kind, detector, processor = PaliGemmaForConditionalGeneration, paligemma.PaliGemmaDetector, None
    torch.manual_seed(0)
    with torch.device("cuda"):
        network = kind(config).eval()
    inspector: LanguageDetector = detector(LanguageBase(family, network, toy.tokenizer, processor), task, options)
    for parameter in inspector.module.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)
    return inspector


def measure(family: str, tuning: str, flop_per_second: float) -> list[str]:
    """One row: a training step's and an answer's pace and memory."""
    import torch

    from kenpin.records import Detections

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    inspector = real_size(family, tuning)
    width, height = inspector.image_size_wh
    found = Detections(((10.0, 20.0, 400.0, 500.0), (500.0, 20.0, 600.0, 500.0)), ("scratch", "dent"))
    answers = [inspector.codec.encode(found, (640, 640))] * _BATCH
    batch = {"pixel_values": torch.randn(_BATCH, 3, height, width)} | inspector.encode_answers(answers)
    batch = {name: values.cuda() for name, values in batch.items()}
    if inspector.extract is not None:
        with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
            batch["features"] = inspector.extract(batch)
        del batch["pixel_values"]
    kept = "kept features" if inspector.extract is not None else "pictures"
    seen = {name: values for name, values in batch.items() if name in ("features", "pixel_values")}
    return [f"{family}, {tuning}, {kept}", *_row(inspector, batch, seen, flop_per_second)]


def measure_classifier(flop_per_second: float) -> list[str]:
    """The same of a ViT-base that is trained whole."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    from kenpin.models import get_family
    from kenpin.models.contract import Task

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    family = get_family("classifier")
    with tempfile.TemporaryDirectory() as folder:
        base = _saved_vit(Path(folder), ViTForImageClassification(ViTConfig()))
        options = family.Options.from_mapping({"data": "-", "out": "-", "base": base, "tuning": "full"})
        inspector: Any = family.create(options, Task(("ok", "scratch"), ("ok",)))
    inspector.module.cuda()
    batch = {"pixel_values": torch.randn(_VIT_BATCH, 3, 224, 224).cuda()}
    answers = {"labels": torch.randint(2, (_VIT_BATCH,)).cuda()}
    return ["classifier, full, ViT-base, pictures", *_row(inspector, batch | answers, batch, flop_per_second)]


def _saved_vit(folder: Path, network: Any) -> str:
    from transformers import ViTImageProcessorPil

    network.save_pretrained(folder)
    ViTImageProcessorPil().save_pretrained(folder)
    return str(folder)


def _row(inspector: Trainable, batch: Any, seen: Any, flop_per_second: float) -> list[str]:
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
        training = _seconds(learn)
    peak_bytes = torch.cuda.max_memory_allocated()
    inspector.module.eval()

    def answer() -> None:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            inspector.infer(seen)

    answering = _seconds(answer)
    share = counter.get_total_flops() / training / flop_per_second
    return [f"{pictures / training:.1f}", f"{peak_bytes / 2**30:.1f}", f"{share:.0%}", f"{pictures / answering:.1f}"]


def promised_and_kept() -> list[list[str]]:
    """What the forecast of a training says, and what the training takes: memory, and seconds of an epoch."""
    import numpy as np
    import torch
    from PIL import Image
    from transformers import ViTConfig, ViTForImageClassification

    from kenpin.data.dataset import Dataset
    from kenpin.forecast import forecast_run
    from kenpin.records import Example, ImageSource
    from kenpin.training import train

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw = np.random.default_rng(0)
        examples = []
        for number in range(_LEARNED + _VALIDATED):
            path = folder / f"{number}.png"
            Image.fromarray(draw.integers(0, 255, (256, 256, 3), np.uint8)).save(path)
            split = "train" if number < _LEARNED else "validation"
            label = "scratch" if number % 2 else "ok"
            examples.append(Example(id=str(number), image=ImageSource(path=str(path)), label=label, split=split))
        dataset = Dataset.from_examples(examples)
        base = _saved_vit(folder / "base", ViTForImageClassification(ViTConfig()))
        for tuning in ("full", "lora"):
            how: dict[str, Any] = {"data": "-", "base": base, "tuning": tuning, "epochs": 3, "batch_size": 32,
                                   "report": False, "out": str(folder / tuning), "ok_labels": ("ok",)}  # fmt: skip
            found: Forecast = forecast_run("classifier", dataset=dataset, **how)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            started = time.perf_counter()
            train("classifier", dataset=dataset, **how)
            took = time.perf_counter() - started
            held = torch.cuda.max_memory_allocated() - before
            assert found.times is not None
            rows.append([f"classifier, {tuning}, ViT-base", f"{found.memory.total / 2**30:.2f}", f"{held / 2**30:.2f}",
                         f"{found.times.total:.1f}", f"{took:.1f}"])  # fmt: skip
    return rows


def _seconds(work: Any) -> float:
    """Mean seconds of a call, warmed up."""
    import torch

    for _ in range(_WARM_UP):
        work()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(_STEPS):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / _STEPS


def main() -> int:
    """Measure, print, and write the file; without a GPU say so."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="where to write; by default RESULTS-<device>.md beside this file")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("Skipped: there is no CUDA device here, and a CPU's figures at this size would say nothing of one.")
        return 0
    device = torch.cuda.get_device_name()
    rate = matmul_flop_per_second()
    rows = [measure_classifier(rate), *(measure(family, tuning, rate) for family, tuning in _CASES)]
    promises = promised_and_kept()
    head = ("family, tuning, given", "training, pictures/s", "peak memory, GiB", "share of the matmul rate",
            "answers, pictures/s")  # fmt: skip
    promised = ("family, tuning", "memory promised, GiB", "held", "time promised, s", "taken")
    text = (
        f"# Families at real size on {device}\n\nWritten by `python benchmarks/gpu.py` on {date.today():%-d %B %Y}, "
        f"torch {torch.__version__}. Florence-2-base at 768 pixels and PaliGemma-3B at 224, random weights, bf16, "
        f"batches of {_BATCH}, answers of {_NEW_TOKENS} tokens at most; ViT-base at 224, batches of {_VIT_BATCH}. This "
        f"card multiplies bf16 matrices of {_SIDE} at {figure(rate / 1e12)} TFLOP/s.\n\n{table(head, rows)}\n"
        f"What `--dry-run` promises of a training on {_LEARNED} pictures, and what it took:\n\n"
        f"{table(promised, promises)}"
    )
    print(text)
    name = "".join(letter if letter.isalnum() else "-" for letter in device.lower())
    (arguments.out or Path(__file__).with_name(f"RESULTS-{name}.md")).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
