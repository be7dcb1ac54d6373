"""Misplaced terminals by a ViT, step by step as a notebook: `python tests/worked_examples/vit_terminals.py FOLDER`."""

# %% [markdown]
# Terminals that sit right (passed) or are shifted along an axis (Xplus, Xminus, Yplus, Yminus). The data set lies on
# the hub with columns `image` and `response`; here small ones are drawn, in the same form, and a tiny random ViT stands
# in for google/vit-large-patch16-224.

# %%
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a script finds its own folder, not the one above

import datasets
import numpy as np

import kenpin
from kenpin.drawing import draw_maps
from kenpin.errors import OptionError
from kenpin.explain import explain
from kenpin.training import Listener
from tests.pictures import SHIFTS_PX, shifted_terminal
from tests.worked_examples.stand_ins import folder_and_epochs, phone_photograph, saved_base, shell, show

OUT, EPOCHS = folder_and_epochs(epochs=12)
RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "vit-terminals.yaml"
BASE = saved_base("classifier", OUT / "vit-base")  # on a line: google/vit-large-patch16-224

# %% [markdown]
# ## The data set, as the hub has it


# %%
def rows(labels: Sequence[str], first: int) -> Iterator[dict[str, Any]]:
    """Rows of `image` and `response`, a Python literal with the box of the terminal and its class."""
    for number, label in enumerate(labels, start=first):
        picture = shifted_terminal(number, SHIFTS_PX[label])
        ys, xs = np.nonzero(np.asarray(picture.convert("L")) > 170)
        box = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]
        yield {"image": picture, "response": str({"bboxes": [box], "labels": [label]})}


def table(first: int, each: int, passed: int | None = None) -> datasets.Dataset:
    """Some terminals of each class as a table of the hub; of passed ones as many, or `passed`."""
    labels = [label for label in SHIFTS_PX for _ in range(each if label != "passed" or passed is None else passed)]
    columns = datasets.Features({"image": datasets.Image(), "response": datasets.Value("string")})
    return datasets.Dataset.from_list([*rows(labels, first)], features=columns)


few = 8 if EPOCHS < 2 else 32
hub = datasets.DatasetDict({"train": table(0, few), "validation": table(1000, few // 4), "test": table(2000, few // 4)})
hub.save_to_disk(OUT / "terminals")
print(hub["train"][-1]["response"])

# %% [markdown]
# ## Look before training: the page, and one picture of each class

# %%
data = kenpin.load_dataset(OUT / "terminals")
found = kenpin.look(data, OUT / "look.html", overwrite=True)
print(data, *found.findings, sep="\n")
for name in SHIFTS_PX:
    show(next(example for example in data if example.label == name), OUT / "classes" / f"{name}.png", name)

# %% [markdown]
# ## What the base says before it is trained
# It has classes of its own; an ImageNet network says `switch` or `abacus`.

# %%
base = kenpin.load_base(BASE)
before = base(data.of_split("test")[0])
print(before.label, before.probabilities)

# %% [markdown]
# ## The trap: the notebook mirrored its pictures
# The mirror image of an Xplus part is an Xminus part. Whoever asks for mirroring is asked what becomes of each class.

# %%
try:
    kenpin.train("classifier", data=data, out=OUT / "mirrored", base=BASE, tuning="full", flip_horizontal="on")
except OptionError as refused:
    trap = str(refused)
    print(trap)

# %% [markdown]
# ## Training by the recipe, whose class map mirrors Xplus into Xminus
# Evaluation every 20 steps, checkpoints every 100, of which two are kept, the best one shipped.

# %%
losses: list[tuple[float, float | None, float | None]] = []
settings: dict[str, Any] = {"base": BASE, "epochs": EPOCHS, "learning_rate": 1e-3, "overwrite": True}
if EPOCHS < 2:
    settings |= {"evaluate_every": 1, "save_every": 2}
run = kenpin.train(
    "classifier",
    config=RECIPE,
    data=data,
    out=OUT / "run",
    listener=Listener(say=print, epoch=lambda one: losses.append((one.epoch, one.training_loss, one.validation_loss))),
    **settings,
)
for epoch, training_loss, validation_loss in losses:
    print(epoch, training_loss, validation_loss)

# %% [markdown]
# ## The test pictures: figures, report, confusion matrix

# %%
print(run)
for name, measure in run.evaluation.measures.items():
    print(f"{name:20} {measure.value}")
print(run.evaluation.labels, *run.evaluation.confusion, sep="\n")
shell("evaluate", run, "--data", OUT / "terminals", "--split", "test", "--json", OUT / "evaluation.json", "--overwrite")
shell("report", run)

# %% [markdown]
# ## Attention maps: where the class token looks, and what of it matters for the class

# %%
picture = hub["test"][-1]["image"]
picture.save(OUT / "terminal.png")
predictor = run.predictor()
maps = {}
for way in ("rollout", "relevance"):
    (looked,) = explain(predictor, [OUT / "terminal.png"], way=way)
    maps[way] = looked.maps
    draw_maps(looked.picture, looked.maps).save(OUT / f"{way}.png")
shell("explain", run, OUT / "terminal.png", "--out", OUT / "explained.png")

# %% [markdown]
# ## Earlier states: the best checkpoint and the last one

# %%
for state in ("best", "last"):
    print(state, run.predictor(checkpoint=state)(OUT / "terminal.png").label)

# %% [markdown]
# ## A photograph from a phone
# Large, a JPEG, and on its side in the file; it is turned upright and resized as the training pictures were.

# %%
photograph = phone_photograph(picture, OUT / "photograph.jpg")
judgement = predictor.judge(photograph)
print(judgement.verdict, judgement.score, predictor(photograph).label)
shell("predict", run, photograph, "--draw", OUT / "drawn", "--overwrite")

# %% [markdown]
# ## Another base: one's own tuned checkpoint, and terminals that it has not seen
# What chose the first run's weights can neither choose nor measure those of the second: the validation pictures are new
# ones too.

# %%
shell("export", run, OUT / "own-checkpoint", "--to", "merged", "--overwrite")
further = kenpin.train(
    "classifier",
    config=RECIPE,
    data={"train": table(3000, few), "validation": table(4000, 4, passed=24), "test": table(5000, 4)},
    out=OUT / "further",
    **settings | {"base": OUT / "own-checkpoint", "epochs": min(EPOCHS, 2)},
)
print(further.evaluation.measures["accuracy"])
