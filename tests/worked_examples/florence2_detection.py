"""Object detection by Florence-2, step by step as a notebook: `python tests/worked_examples/florence2_detection.py
FOLDER`."""

# %% [markdown]
# Defects on plates, named in the plant's own language. The data set lies on the hub with columns `image` and `suffix`,
# `label<loc_x1><loc_y1><loc_x2><loc_y2>` repeated; here small pictures are drawn, in the same form. A tiny network that
# was taught to find other things in English stands in for florence-community/Florence-2-base-ft.

# %%
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a script finds its own folder, not the one above

import datasets
import numpy as np
from PIL import Image, ImageDraw
from transformers import AutoModelForImageTextToText, AutoTokenizer

import kenpin
from kenpin.drawing import draw_beside_truth, draw_detections, draw_maps
from kenpin.explain import explain
from kenpin.records import Detections
from kenpin.training import Epoch, Listener
from tests.worked_examples.stand_ins import detector_base, folder_and_epochs, phone_photograph, shell, show

OUT, EPOCHS = folder_and_epochs(epochs=10)
RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "florence2-lora.yaml"
LABELS = ("傷", "打痕", "はんだ-不良")
SIZE_WH = (160, 120)

# %% [markdown]
# ## The data set, as the hub has it


# %%
def plate(seed: int, labels: Sequence[str]) -> dict[str, Any]:
    """A plate with a scratch, a dent or a spot of solder on it, and the answer in Florence-2's words."""
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.normal(120, 5, SIZE_WH[::-1]).clip(0, 255).astype(np.uint8)).convert("RGB")
    pen, kind = ImageDraw.Draw(picture), seed % 3
    x, y = (int(rng.integers(count)) * 50 + 10 for count in (3, 2))  # a toy learns few places soon
    box = (x, y, x + 40, y + 45)
    if kind == 0:
        pen.rectangle(box, fill=(220, 40, 40))
    elif kind == 1:
        pen.ellipse(box, fill=(30, 30, 40))
    else:
        pen.ellipse(box, fill=(230, 230, 240))
    bins = (int(side * 1000 / of) for side, of in zip(box, (*SIZE_WH, *SIZE_WH), strict=True))
    return {"image": picture, "suffix": labels[kind] + "".join(f"<loc_{min(number, 999)}>" for number in bins)}


def table(first: int, count: int, labels: Sequence[str] = LABELS) -> datasets.Dataset:
    """Some plates as a table of the hub."""
    columns = datasets.Features({"image": datasets.Image(), "suffix": datasets.Value("string")})
    return datasets.Dataset.from_list([plate(first + i, labels) for i in range(count)], features=columns)


hub = datasets.DatasetDict({"train": table(0, 60), "test": table(1000, 12)})
hub.save_to_disk(OUT / "plates")
print(hub["train"][0]["suffix"])

# %% [markdown]
# A fifth of the train part is kept for validation, as the notebook does; the hub's test part is left for the end.

# %%
parts = hub["train"].train_test_split(test_size=0.2, seed=0)
data = kenpin.load_dataset({"train": parts["train"], "validation": parts["test"], "test": hub["test"]})
print(data)

# %% [markdown]
# ## Look before training: the page, and the ground truth drawn

# %%
found = kenpin.look(data, OUT / "look.html", overwrite=True)
print(*found.findings, sep="\n")
for number, example in enumerate(data.of_split("train").select(range(4))):
    show(example, OUT / "truth" / f"{number}.png", "ground truth")

# %% [markdown]
# ## What the pretrained model finds by itself, beside the truth

# %%
elsewhere = {"train": table(2000, 64, ("apple", "ball", "cup")), "validation": table(3000, 6, ("apple", "ball", "cup"))}
BASE = detector_base("florence2", OUT / "florence2-base", kenpin.load_dataset(elsewhere), epochs=1.2 * EPOCHS)
base = kenpin.load_base(BASE, prompt="<OD>")
pictures = data.of_split("validation")
zero_shot = list(base(pictures))
for number, (example, prediction) in enumerate(zip(pictures, zero_shot, strict=True)):
    draw_beside_truth(example, prediction, None, OUT / "zero-shot", number, labels=(*LABELS, "apple", "ball", "cup"))
print(zero_shot[0].text, zero_shot[0].detections)
shell("predict", BASE, OUT / "plates", "--prompt", "<OD>", "--draw", OUT / "before", "--beside-truth", "--limit", 2,
      "--overwrite")  # fmt: skip
shell("ask", BASE, OUT / "truth" / "0.png", "<CAPTION>", "--max-new-tokens", 8)

# %% [markdown]
# ## Training with adapters, by the recipe
# Validation loss and drawn predictions after every epoch, a checkpoint of every epoch. A toy learns at a larger rate.


# %%
losses: list[tuple[float, float | None, float | None]] = []


def tell(epoch: Epoch) -> None:
    """The losses of an epoch, as the notebook prints them."""
    losses.append((epoch.epoch, epoch.training_loss, epoch.validation_loss))
    print(losses[-1])


run = kenpin.train(
    "florence2",
    config=RECIPE,
    data=data,
    out=OUT / "run",
    base=BASE,
    epochs=EPOCHS,
    learning_rate=2e-3,
    max_new_tokens=64,
    save_total_limit=None,
    overwrite=True,
    listener=Listener(say=print, epoch=tell),
)
print(run / "evolution.html", run.report)

# %% [markdown]
# ## Each epoch's checkpoint on one picture

# %%
test = data.of_split("test")
steps = sorted(int(folder.name.partition("-")[2]) for folder in (run / "checkpoints").glob("checkpoint-*"))
for step in steps:
    print(step, run.predictor(checkpoint=step)(test[0]).text)
shell("predict", run, OUT / "truth" / "0.png", "--checkpoint", "last")

# %% [markdown]
# ## The test part: figures, confusion matrix, report

# %%
for name, measure in run.evaluation.measures.items():
    print(f"{name:20} {measure.value}")
print(run.evaluation.labels, *(run.evaluation.confusion or ()), sep="\n")
shell("evaluate", run, "--data", OUT / "plates", "--split", "test", "--json", OUT / "evaluation.json", "--overwrite")
shell("predict", run, OUT / "plates", "--draw", OUT / "after", "--beside-truth", "--limit", 2, "--overwrite")

# %% [markdown]
# ## Where the model looks

# %%
hub["test"][0]["image"].save(OUT / "plate.png")
predictor = run.predictor()
(looked,) = explain(predictor, [OUT / "plate.png"])
if looked.maps:
    draw_maps(looked.picture, looked.maps).save(OUT / "attention.png")

# %% [markdown]
# ## A photograph from a phone, turned upright, resized, and its boxes drawn

# %%
photograph = phone_photograph(hub["test"][1]["image"], OUT / "photograph.jpg")
prediction = predictor(photograph)
print(prediction.text, prediction.detections)
upright = looked.picture.resize((640, 480))
draw_detections(upright, predictor(upright).detections or Detections(), labels=LABELS).save(OUT / "resized.png")
shell("predict", run, photograph, "--draw", OUT / "drawn", "--overwrite", "--json", OUT / "photograph.json")

# %% [markdown]
# ## The adapters merged, for whatever loads transformers

# %%
shell("export", run, OUT / "merged", "--to", "merged", "--overwrite")
network = AutoModelForImageTextToText.from_pretrained(OUT / "merged")
tokenizer = AutoTokenizer.from_pretrained(OUT / "merged")
again = list(kenpin.load_base(OUT / "merged", prompt="<OD>")(test))
print(type(network).__name__, len(tokenizer), again[0].text)
