"""Detection by a language model: the notebook's own way of working against kenpin's, on one model, in one run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks.fresh import Figures, in_fresh_process, peak_bytes, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, megabytes, table

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset
    from kenpin.models.florence2 import Florence2Options
    from kenpin.models.language.detector import LanguageDetector

_LABELS = ("scratch", "dent", "solder-bridge")
_SIDE_PX = 256
_BATCH = 6  # the notebook's, as its beams
_BEAMS = 3
_NEW_TOKENS = 64
_LARGE_TOKENS = 16
_SETTINGS: dict[str, Any] = {
    "batch_size": _BATCH,
    "learning_rate": 1e-4,
    "evaluate_every": 100_000,
    "keep": "last",
    "patience": None,
}
_WAYS = {"frozen": "what looks at the picture frozen", "lora": "adapters everywhere"}


def section(scale: Scale, folder: Path) -> str:
    """Training and prediction in both ways, with what shows that they do the same work."""
    folder.mkdir()
    base = str(folder / "base")
    in_fresh_process(make_base, folder=base)
    settings: dict[str, Any] = {"base": base, "pictures": scale.taught, "epochs": scale.epochs}
    rows = []
    for way, what in _WAYS.items():
        notebook = in_fresh_process(train_as_the_notebook, way=way, **settings)
        kenpin = in_fresh_process(train_as_kenpin, way=way, cache=str(folder / way), **settings)
        rows.append(_row(f"training, {what}", scale.taught * scale.epochs, notebook, kenpin, "loss"))
    in_fresh_process(teach, base=base, out=str(folder / "run"), pictures=scale.asked, epochs=scale.teaching_epochs)
    asked: dict[str, Any] = {
        "base": str(folder / "run-merged"),
        "pictures": scale.asked,
        "answers": str(folder / "answers"),
    }
    notebook = in_fresh_process(predict_as_the_notebook, **asked)
    kenpin = in_fresh_process(predict_as_kenpin, **asked, cache=str(folder / "cache"))
    rows.append(_row(f"prediction, {_BEAMS} beams", scale.asked, notebook, kenpin, "same"))
    looking = in_fresh_process(look, base=base, pictures=scale.asked)
    if scale.large:
        rows += _large_rows(scale, folder)
    head = ("work", "notebook, pictures/s", "kenpin, pictures/s", "times as fast", "notebook's peak, MB",
            "kenpin's peak, MB", "times the memory", "notebook's check", "kenpin's check")  # fmt: skip
    return (
        "## Detection by a language model\n\n"
        f"A Florence-2 of transformers' own class with random weights, pictures of {_SIDE_PX} × {_SIDE_PX}, "
        f"{scale.epochs} epochs on {scale.taught} pictures in batches of {_BATCH}. The notebook prepares every picture "
        "in every epoch, computes in float32, runs the vision part whether it trains or not, and answers one picture "
        "after the other; kenpin's times include computing the features that it keeps. The check of training is the "
        "loss of one and the same batch before the first step, that of prediction the share of answers that are the "
        "notebook's.\n\n" + table(head, rows) + "\n"
        f"What looks at the picture does {figure(scale.asked / min(looking['seconds']))} pictures/s alone, by torch. "
        "kenpin's prediction computes it, and the language model, on OpenVINO; converting both once, which is kept, is "
        "left out of its time and not of its memory. The rows of the published size are a Florence-2-base with random "
        f"weights and pictures of 768 × 768: {scale.large} of them, {scale.large_epochs} epochs; its answers are free, "
        f"of {_LARGE_TOKENS} tokens at most.\n"
    )


def _large_rows(scale: Scale, folder: Path) -> list[list[str]]:
    """A network of published size, so that not Python but the network is what weighs."""
    base, cache, pictures, epochs = str(folder / "large"), str(folder / "cache"), scale.large, scale.large_epochs
    in_fresh_process(make_large_base, folder=base)
    trained: dict[str, Any] = {"base": base, "way": "frozen", "pictures": pictures, "epochs": epochs}
    notebook = in_fresh_process(train_as_the_notebook, **trained)
    kenpin = in_fresh_process(train_as_kenpin, **trained, cache=cache)
    rows = [_row(f"training, {_WAYS['frozen']}, published size", pictures * epochs, notebook, kenpin, "loss")]
    asked: dict[str, Any] = {"base": base, "pictures": pictures, "answers": str(folder / "large-answers")}
    asked["tokens"] = _LARGE_TOKENS
    notebook = in_fresh_process(predict_as_the_notebook, **asked)
    kenpin = in_fresh_process(predict_as_kenpin, **asked, cache=cache, free=True)
    return [*rows, _row(f"prediction, {_BEAMS} beams, published size", pictures, notebook, kenpin, "same")]


def _row(what: str, pictures: int, notebook: Figures, kenpin: Figures, check: str) -> list[str]:
    seconds = [min(one["seconds"]) for one in (notebook, kenpin)]
    peaks = [one["peak_bytes"][0] for one in (notebook, kenpin)]
    return [
        what,
        *(figure(pictures / taken) for taken in seconds),
        f"{seconds[0] / seconds[1]:.2f}",
        *map(megabytes, peaks),
        f"{peaks[1] / peaks[0]:.2f}",
        *(figure(one[check][0]) for one in (notebook, kenpin)),
    ]


def make_base(folder: str) -> Figures:
    """In the child: a Florence-2 about a tenth as large as the base model, with a tokenizer of its own."""
    import torch
    from transformers import CLIPImageProcessorPil, Florence2Config, Florence2ForConditionalGeneration

    from kenpin.models.language.toy import toy_tokenizer

    tokenizer = toy_tokenizer(
        _LABELS,
        specials=["<s>", "<pad>", "</s>", "<unk>"],
        marks=["<image>", *(f"<loc_{i}>" for i in range(1000))],
        pad="<pad>",
        bos="<s>",
        eos="</s>",
    )
    config = Florence2Config(
        text_config={
            "model_type": "bart",
            "vocab_size": len(tokenizer),
            "d_model": 256,
            "encoder_layers": 3,
            "decoder_layers": 3,
            "encoder_attention_heads": 8,
            "decoder_attention_heads": 8,
            "encoder_ffn_dim": 1024,
            "decoder_ffn_dim": 1024,
            "dropout": 0.0,
            "max_position_embeddings": 1024,
            "init_std": 0.06,
        },
        vision_config={
            "depths": [1, 1, 3, 1],
            "embed_dim": [64, 128, 256, 512],
            "num_heads": [2, 4, 8, 16],
            "num_groups": [2, 4, 8, 16],
            "window_size": 8,
            "projection_dim": 256,
            "drop_path_rate": 0.0,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(0)
    Florence2ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": _SIDE_PX, "width": _SIDE_PX}
    CLIPImageProcessorPil(size=size, do_center_crop=False, resample=3).save_pretrained(folder)
    return {}


def make_large_base(folder: str) -> Figures:
    """In the child: Florence-2-base, its weights random."""
    from benchmarks.real_size import florence2_folder

    florence2_folder(Path(folder), small=False)
    return {}


class _Notebook:
    """What the notebook does for a batch: processor, model, loss of the model's own."""

    def __init__(self, base: str) -> None:
        from transformers import AutoImageProcessor, AutoTokenizer, Florence2ForConditionalGeneration

        self.model = Florence2ForConditionalGeneration.from_pretrained(base, dtype="float32")
        self.tokenizer = AutoTokenizer.from_pretrained(base)
        self.processor = AutoImageProcessor.from_pretrained(base, backend="pil")
        places = (self.processor.size["height"] // 32) ** 2 + 1
        self.question = "<image>" * places + "<s>Locate the objects with category name in the image.</s>"

    def inputs(self, images: list[Any]) -> dict[str, Any]:
        texts = self.tokenizer([self.question] * len(images), add_special_tokens=False, return_tensors="pt")
        return {"input_ids": texts["input_ids"], "attention_mask": texts["attention_mask"],
                "pixel_values": self.processor(images=images, return_tensors="pt")["pixel_values"]}  # fmt: skip

    def loss(self, model: Any, batch: list[Any]) -> Any:
        from kenpin.codecs import florence2, in_reading_order
        from kenpin.data.images import read_image

        ordered = [in_reading_order(example.boxes, example.size_wh, florence2.BINS) for example in batch]
        texts = [florence2.encode(boxes, example.size_wh) for boxes, example in zip(ordered, batch, strict=True)]
        answers = [f"<s>{text}</s>" for text in texts]
        labels = self.tokenizer(answers, add_special_tokens=False, padding=True, return_tensors="pt")["input_ids"]
        # its padding was learned too; left out here, so that both have the same loss
        labels = labels.masked_fill(labels == self.tokenizer.pad_token_id, -100)
        return model(**self.inputs([read_image(example.image) for example in batch]), labels=labels).loss


def train_as_the_notebook(base: str, way: str, pictures: int, epochs: int) -> Figures:
    """In the child: the notebook's training loop."""
    import torch

    dataset = _made(pictures)
    notebook = _Notebook(base)
    model: Any = notebook.model
    if way == "frozen":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("vision_tower" not in name and "multi_modal_projector" not in name)
    else:
        from peft import LoraConfig, get_peft_model

        targets = ["q_proj", "k_proj", "v_proj", "fc2", "lm_head"]
        model = get_peft_model(
            model, LoraConfig(r=8, lora_alpha=8, lora_dropout=0.05, use_rslora=True, init_lora_weights="gaussian",
                              target_modules=targets)
        )  # fmt: skip
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    model.eval()
    with torch.no_grad():
        loss = float(notebook.loss(model, list(dataset)[:_BATCH]))

    def train() -> None:
        model.train()
        generator = torch.Generator().manual_seed(0)
        for _ in range(epochs):
            order = torch.randperm(pictures, generator=generator).tolist()
            for start in range(0, pictures, _BATCH):
                batch_loss = notebook.loss(model, [dataset[place] for place in order[start : start + _BATCH]])
                batch_loss.backward()
                optimiser.step()
                optimiser.zero_grad()

    return {"seconds": seconds_of(train, 1), "peak_bytes": [peak_bytes()], "loss": [loss]}


def train_as_kenpin(base: str, way: str, pictures: int, epochs: int, cache: str) -> Figures:
    """In the child: kenpin's engine with the same settings, features of a frozen part from an empty store."""
    os.environ["KENPIN_CACHE"] = cache
    import tempfile

    import torch

    from kenpin.data.images import read_image
    from kenpin.models.kept_inputs import keep_inputs
    from kenpin.runtime import chosen_engine
    from kenpin.training.batches import readers
    from kenpin.training.engine import train_by_gradients
    from kenpin.training.precision import choose_precision
    from kenpin.training.processes import Processes

    dataset = _made(pictures)
    tuning = {"frozen": "frozen-vision", "lora": "lora"}[way]
    inspector, options = _inspector(base, tuning=tuning, epochs=epochs, engine=chosen_engine("auto", pictures + 1))
    ranks = Processes(torch.device("cpu"))
    precision, _ = choose_precision("auto", ranks.device)
    first = list(dataset)[:_BATCH]
    batch = inspector.encode([read_image(example.image) for example in first]) | inspector.encode_targets(first)
    inspector.module.eval()
    with torch.no_grad():
        loss = float(inspector.total_loss(inspector.module, batch) / inspector.loss_count(batch))

    def train() -> None:
        few = dataset.select(range(1))
        kept = keep_inputs(inspector, [dataset, few], lambda doing, done, total: None)
        reading = readers(inspector, dataset, few, options, None, kept)
        folder = Path(tempfile.mkdtemp(dir=cache))
        train_by_gradients(reading, options, lambda step, epoch, loss: {}, precision, folder, ranks)

    Path(cache).mkdir(exist_ok=True)
    return {"seconds": seconds_of(train, 1), "peak_bytes": [peak_bytes()], "loss": [loss]}


def teach(base: str, out: str, pictures: int, epochs: int) -> Figures:
    """In the child: a network that knows its pictures, so that no answer hangs on the last digit."""
    from kenpin.export import export_merged
    from kenpin.training import train

    taught = _made(pictures + 1).with_splits(["train"] * pictures + ["validation"])
    settings = {**_SETTINGS, "tuning": "full", "learning_rate": 1e-3, "weight_decay": 0.0, "epochs": epochs}
    run = train("florence2", dataset=taught, data="-", out=Path(out), base=base, report=False, **settings)
    export_merged(run, Path(f"{out}-merged"))
    return {}


def predict_as_the_notebook(base: str, pictures: int, answers: str, tokens: int = _NEW_TOKENS) -> Figures:
    """In the child: one picture after the other."""
    import torch

    from kenpin.data.images import read_image

    dataset, notebook = _made(pictures), _Notebook(base)
    notebook.model.eval()
    texts: list[str] = []

    def predict() -> None:
        for example in dataset:
            with torch.no_grad():
                ids = notebook.model.generate(
                    **notebook.inputs([read_image(example.image)]),
                    max_new_tokens=tokens,
                    num_beams=_BEAMS,
                    do_sample=False,
                    early_stopping=True,
                    decoder_start_token_id=2,
                    forced_bos_token_id=0,
                    eos_token_id=2,
                    pad_token_id=1,
                )
            text = notebook.tokenizer.batch_decode(ids, skip_special_tokens=False)[0]
            texts.append(text.replace("</s>", "").replace("<s>", "").replace("<pad>", ""))

    seconds = seconds_of(predict, 1)
    Path(answers).write_text(json.dumps(texts), encoding="utf-8")
    return {"seconds": seconds, "peak_bytes": [peak_bytes()], "same": [1.0]}


def look(base: str, pictures: int) -> Figures:
    """In the child: the vision part alone, on pictures that are in memory already."""
    import torch

    from kenpin.data.images import read_image

    notebook = _Notebook(base)
    notebook.model.eval()
    opened = [read_image(example.image) for example in _made(pictures)]
    batches = [notebook.inputs(opened[start : start + _BATCH]) for start in range(0, pictures, _BATCH)]

    def run() -> None:
        with torch.inference_mode():
            for batch in batches:
                notebook.model.get_image_features(batch["pixel_values"])

    return {"seconds": seconds_of(run, 3)}


def predict_as_kenpin(
    base: str, pictures: int, answers: str, cache: str, tokens: int = _NEW_TOKENS, free: bool = False
) -> Figures:
    """In the child: the predictor that ships, answers held to the grammar or free."""
    os.environ["KENPIN_CACHE"] = cache
    from kenpin.predictor import Predictor
    from kenpin.targets import Target

    dataset = _made(pictures)
    inspector, _ = _inspector(base, tuning="full", beams=_BEAMS, max_new_tokens=tokens, constrained=not free)
    inspector.settle()  # as a finished run is
    predictor = Predictor(inspector, target=Target.BOXES)
    predictor.predict([dataset[0]])  # converts
    texts: list[str] = []

    def predict() -> None:
        texts.extend(prediction.text or "" for prediction in predictor.predict(dataset))

    seconds = seconds_of(predict, 1)
    expected = json.loads(Path(answers).read_text(encoding="utf-8"))
    same = sum(one == other for one, other in zip(texts, expected, strict=True)) / len(expected)
    return {"seconds": seconds, "peak_bytes": [peak_bytes()], "same": [same]}


def _inspector(base: str, **values: Any) -> tuple[LanguageDetector, Florence2Options]:
    from kenpin.models.contract import Task
    from kenpin.models.florence2 import FAMILY, Florence2Options

    options = Florence2Options.from_mapping({"data": "-", "out": "-", "base": base, **_SETTINGS, **values})
    return cast("LanguageDetector", FAMILY.create(options, Task(_LABELS, ()))), options


def _made(count: int) -> Dataset:
    """Pictures of coloured parts, two on each, so that all answers are about as long."""
    import io

    import numpy as np
    from PIL import Image, ImageDraw

    from kenpin.data.dataset import Dataset
    from kenpin.records import Detections, Example, ImageSource

    examples = []
    for number in range(count):
        draw = np.random.default_rng(number)
        picture = Image.fromarray(draw.integers(90, 140, (480, 640, 3), dtype=np.uint8))
        boxes, labels = [], []
        for half in range(2):
            x, y = half * 320 + int(draw.integers(0, 160)), int(draw.integers(0, 320))
            wide, high, kind = int(draw.integers(60, 150)), int(draw.integers(60, 150)), int(draw.integers(3))
            colour = ((220, 40, 40), (40, 200, 60), (40, 60, 230))[kind]
            ImageDraw.Draw(picture).rectangle((x, y, x + wide - 1, y + high - 1), fill=colour)
            boxes.append((float(x), float(y), float(x + wide), float(y + high)))
            labels.append(_LABELS[kind])
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        image = ImageSource(path=f"{number}.jpg", data=file.getvalue())
        found = Detections(tuple(boxes), tuple(labels))
        examples.append(Example(id=f"{number}", image=image, boxes=found, size_wh=(640, 480), split="train"))
    return Dataset.from_examples(examples, classes=_LABELS)
