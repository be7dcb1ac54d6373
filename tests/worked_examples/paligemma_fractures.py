"""Fractures on X-rays by PaliGemma, step by step as a notebook: `python tests/worked_examples/paligemma_fractures.py
FOLDER`."""

# %% [markdown]
# An export of Roboflow in PaliGemma's form. Here small pictures are drawn that look like bones from afar, and a tiny
# network that was taught to find other things stands in for google/paligemma-3b-mix-224.

# %%
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a script finds its own folder, not the one above

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import kenpin
from kenpin.drawing import draw_beside_truth, draw_maps
from kenpin.explain import explain
from kenpin.models.paligemma import model_from_npz
from kenpin.training import Listener, Step
from tests.worked_examples.stand_ins import detector_base, folder_and_epochs, phone_photograph, shell

OUT, EPOCHS = folder_and_epochs(epochs=6)
RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "paligemma-attention.yaml"
LABELS = ("forearm fracture", "wrist positive")
SIZE = 128

# %% [markdown]
# ## The export: JSON lines with image, prefix and suffix, boxes as y1 x1 y2 x2 of 1024 bins


# %%
def x_ray(seed: int) -> tuple[Image.Image, list[tuple[int, int, int, int]], list[int]]:
    """A bone with one or two fractures on it: the picture, its boxes and which of the labels they have."""
    rng = np.random.default_rng(seed)
    picture = Image.new("L", (SIZE, SIZE), 20)
    pen, left = ImageDraw.Draw(picture), 40 + 12 * int(rng.integers(3))  # a toy learns few places soon
    pen.rounded_rectangle((left, 4, left + 26, SIZE - 4), 12, fill=170)
    picture = picture.filter(ImageFilter.GaussianBlur(2))
    pen, boxes, kinds = ImageDraw.Draw(picture), [], []
    for part in range(1 + seed % 2):
        y, height = 14 + 10 * int(rng.integers(3)) + part * 58, 18
        kind = int(rng.integers(2))
        box = (left - 6, y, left + 32, y + height)
        if kind == 0:
            pen.line((box[0], box[1], box[2], box[3]), fill=20, width=6)
        else:
            pen.ellipse(box, fill=240)
        boxes.append(box)
        kinds.append(kind)
    noise = np.asarray(picture) + rng.normal(0, 4, (SIZE, SIZE))
    return Image.fromarray(noise.clip(0, 255).astype(np.uint8)), boxes, kinds


def export(folder: Path, split: str, first: int, count: int, labels: Sequence[str] = LABELS) -> None:
    """Some X-rays and their lines, as Roboflow exports them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for seed in range(first, first + count):
        picture, boxes, kinds = x_ray(seed)
        picture.save(folder / f"{seed:04d}.jpg", quality=95)
        found = []
        for (x1, y1, x2, y2), kind in zip(boxes, kinds, strict=True):
            places = "".join(f"<loc{min(side * 1024 // SIZE, 1023):04d}>" for side in (y1, x1, y2, x2))
            found.append(f"{places} {labels[kind]}")
        prefix = f"detect {' ; '.join(labels)}"
        lines.append({"image": f"{seed:04d}.jpg", "prefix": prefix, "suffix": " ; ".join(found)})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / f"_annotations.{split}.jsonl").write_text(text, "utf-8")


for split, first, count in (("train", 0, 64), ("valid", 1000, 12), ("test", 2000, 12)):
    export(OUT / "fractures", split, first, count)
print((OUT / "fractures" / "_annotations.train.jsonl").read_text("utf-8").splitlines()[1])

# %% [markdown]
# ## A page of training examples

# %%
data = kenpin.load_dataset(OUT / "fractures")
print(data)
found = kenpin.look(data, OUT / "examples.html", split="train", overwrite=True)
shell("doctor", OUT / "fractures")

# %% [markdown]
# ## Zero-shot: what the bare base answers
# On a line this is the mix checkpoint, which was taught many questions. The stand-in knows only one, and other names.

# %%
OTHERS = ("wrist fracture", "forearm positive")
export(OUT / "elsewhere", "train", 3000, 128, OTHERS)
export(OUT / "elsewhere", "valid", 4000, 4, OTHERS)
BASE = detector_base("paligemma", OUT / "paligemma-base", kenpin.load_dataset(OUT / "elsewhere"), epochs=4 * EPOCHS)
test = data.of_split("test")
x_rays = [OUT / "fractures" / example.id for example in test]
base = kenpin.load_base(BASE)
answers = {}
for question in ("caption en", "answer en is there a fracture?", f"detect {' ; '.join(OTHERS)}"):
    asked = base.prompted(question, max_new_tokens=48)
    answers[question] = asked(x_rays[0])
    print(question, "->", answers[question].text, answers[question].detections)
shell("ask", BASE, x_rays[0], "answer en is there a fracture?", "--max-new-tokens", 8)
asked = base.prompted(f"detect {' ; '.join(OTHERS)}", max_new_tokens=48)
for number, (example, prediction) in enumerate(zip(test, asked(test), strict=True)):
    draw_beside_truth(example, prediction, None, OUT / "zero-shot", number, labels=(*LABELS, *OTHERS))

# %% [markdown]
# ## Fine-tuning: the language model's attention alone, by SGD, on a cosine with a warm-up
# The loss of every step is printed, as big_vision's notebook does; predictions before, during and after the training
# are drawn on one page.

# %%
steps: list[Step] = []


def tell(step: Step) -> None:
    """A line a step."""
    steps.append(step)
    print(f"step {step.step:3}/{step.steps}   lr {step.learning_rate:.5f}   loss {step.loss:.4f}")


run = kenpin.train(
    "paligemma",
    config=RECIPE,
    data=data,
    out=OUT / "run",
    base=BASE,
    epochs=EPOCHS,
    evaluate_every=8,
    save_total_limit=None,
    max_new_tokens=48,
    overwrite=True,
    listener=Listener(say=print, step=tell),
)
print(run / "evolution.html", run.report)

# %% [markdown]
# ## Half-way: a checkpoint used

# %%
print(run.predictor(checkpoint=8)(x_rays[0]).text)
shell("predict", run, x_rays[0], x_rays[1], "--checkpoint", "last")

# %% [markdown]
# ## The test part, and where the model looks

# %%
for name, measure in run.evaluation.measures.items():
    print(f"{name:20} {measure.value}")
shell("evaluate", run, "--data", OUT / "fractures", "--split", "test", "--json", OUT / "evaluation.json", "--overwrite")
predictor = run.predictor()
for number, (example, prediction) in enumerate(zip(test, predictor(test), strict=True)):
    draw_beside_truth(example, prediction, None, OUT / "after", number, labels=LABELS)
looked = list(explain(predictor, x_rays[:4]))
for number, one in enumerate(looked):
    if one.maps:
        draw_maps(one.picture, one.maps).save(OUT / f"attention-{number}.png")

# %% [markdown]
# ## A photograph of a film on a light box, from a phone

# %%
with Image.open(x_rays[0]) as film:
    photograph = phone_photograph(film, OUT / "photograph.jpg")
print(predictor(photograph).text)
shell("predict", run, photograph, "--draw", OUT / "drawn", "--overwrite", "--json", OUT / "photograph.json")

# %% [markdown]
# ## The weights as big_vision keeps them, in one `.npz` file
# It is a base again, for X-rays that the run has not seen; here a forecast of that training.

# %%
shell("export", run, OUT / "fractures.npz", "--to", "npz", "--overwrite")
network = model_from_npz(str(OUT / "fractures.npz"))
print(sum(weight.numel() for weight in network.parameters()))
export(OUT / "further", "train", 5000, 16)
export(OUT / "further", "valid", 6000, 20)
shell("train", "paligemma", "--data", OUT / "further", "--out", OUT / "again", "--base", OUT / "fractures.npz",
      "--tokenizer", run / "model" / "processor", "--config", RECIPE, "--dry-run")  # fmt: skip
