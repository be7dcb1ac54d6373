"""Embeddings by metric learning, and the Mahalanobis-Taguchi system on them, step by step as a notebook: `python
tests/worked_examples/siamese_mt.py FOLDER`."""

# %% [markdown]
# MNIST first: a plain classifier, a Siamese network and triplets, each as points of a plane. Then inspection pictures,
# whose vectors are the items of a unit space. Then known cases, of which those marked NEGATIVE are kept out, and words.
# Here small pictures in MNIST's form are written, and toy networks stand in for large ones.

# %%
import json
import struct
import sys
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a script finds its own folder, not the one above

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import kenpin
from kenpin.cases.case import CaseFilter, CaseVerdict
from kenpin.cases.library import CaseLibrary
from kenpin.data.images import read_image
from kenpin.errors import DatasetError, OptionError
from kenpin.records import ImageSource
from kenpin.taguchi import UnitSpace
from tests.worked_examples.stand_ins import folder_and_epochs, phone_photograph, shell, write_parts

OUT, EPOCHS = folder_and_epochs(epochs=10)
RECIPES = Path(__file__).resolve().parents[2] / "recipes"

# %% [markdown]
# ## MNIST's form: IDX files of grey pictures of 28 × 28


# %%
def digit(number: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A digit somewhere near the middle, (28, 28) uint8."""
    picture = Image.new("L", (28, 28))
    x, y = int(rng.integers(5, 11)), int(rng.integers(1, 7))
    ImageDraw.Draw(picture).text((x, y), str(number), fill=255, font=ImageFont.load_default(int(rng.integers(18, 23))))
    noisy = np.asarray(picture.rotate(float(rng.uniform(-12, 12)))) + rng.normal(0, 12, (28, 28))
    return noisy.clip(0, 255).astype(np.uint8)


def write_idx(folder: Path, name: str, count: int, seed: int) -> None:
    """`count` digits as two files, as MNIST has them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % 10
    pictures = np.stack([digit(int(number), rng) for number in labels])
    (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, count, 28, 28) + pictures.tobytes())
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())


write_idx(OUT / "digits", "train", 1500, seed=0)
write_idx(OUT / "digits", "t10k", 300, seed=1)
digits = kenpin.load_dataset(OUT / "digits")
print(digits)
kenpin.look(digits, OUT / "digits.html", per_class=4, overwrite=True)

# %% [markdown]
# ## A plain classifier, a Siamese network, triplets: two numbers each
# The recipe is the Siamese network's; a plain classifier has no margin.

# %%
objectives: dict[str, dict[str, Any]] = {
    "softmax": {"objective": "softmax", "margin": "default"},
    "siamese": {},
    "triplets": {"objective": "triplet", "miner": "semihard"},
}
planes = {}
for name, objective in objectives.items():
    planes[name] = kenpin.train(
        "embedder",
        config=RECIPES / "siamese-mnist.yaml",
        data=digits,
        out=OUT / name,
        epochs=EPOCHS,
        overwrite=True,
        **objective,
    )
    measures = planes[name].evaluation.measures
    print(name, {key: measures[key].value for key in ("silhouette", "knn_accuracy", "verification_auroc")})
shell("scatter", *planes.values(), "--out", OUT / "planes.html", "--overwrite")

# %% [markdown]
# ## Inspection pictures: three lots
# An embedder learns from the first lot. What stands on it is fitted and decided by the second, which the embedder has
# not seen, and measured on the third, which nothing has seen.

# %%
for lot, first in {"lot-1": 0, "lot-2": 10_000, "lot-3": 20_000}.items():
    if not (OUT / lot).exists():
        write_parts(OUT / lot, count=60, first=first)
lots = [kenpin.load_dataset(OUT / lot) for lot in ("lot-1", "lot-2", "lot-3")]
kenpin.look(lots[0], OUT / "parts.html", per_class=6, overwrite=True)
embedder = kenpin.train(
    "embedder",
    config=RECIPES / "triplet-inspection.yaml",
    data=lots[0],
    out=OUT / "embedder",
    base="toy",
    tuning="full",
    together="good",
    epochs=2 * EPOCHS,
    overwrite=True,
)
print(embedder.evaluation.measures["knn_accuracy"])

# %% [markdown]
# ## The vectors as items: the unit space by hand
# Good parts of the second lot make the space; D²/k of the third lot is near 1 where a part is good.

# %%
vectors = kenpin.embed(embedder, lots[1], OUT / "vectors", overwrite=True)
fresh = kenpin.embed(embedder, lots[2], OUT / "fresh-vectors", overwrite=True)
good = vectors.vectors[[label == "ok" for label in vectors.labels]]
distances = UnitSpace().fit(good).score_samples(fresh.vectors)
medians = {name: np.median(distances[[label == name for label in fresh.labels]]) for name in ("ok", "scratch")}
print(medians)

# %% [markdown]
# ## The same as an inspector, and which items matter
# An orthogonal array and S/N ratios say it; the selection is confirmed on parts that it was not made from. By the lot
# that the embedder learned from, nothing could be decided: that is refused.

# %%
try:
    kenpin.train("mahalanobis", data=lots[0], out=OUT / "refused", base=embedder)
except DatasetError as error:
    refused = str(error)
    print(refused)
mt = kenpin.train(
    "mahalanobis",
    data={"train": lots[1], "test": lots[2]},
    out=OUT / "mt",
    base=embedder,
    select_items=True,
    overwrite=True,
)
print(*mt.notes, sep="\n")
print(mt.evaluation.measures["auroc"])
selection = json.loads((mt / "model" / "selection.json").read_text("utf-8"))
for gain in selection["gains"][:3]:
    print(gain)
judgement = mt.predictor().judge(OUT / "lot-3" / "scratch" / "000.png")
print(judgement.verdict, judgement.score, *judgement.reasons)

# %% [markdown]
# ## A photograph from a phone, and what makes two parts alike

# %%
with Image.open(OUT / "lot-3" / "scratch" / "001.png") as part:
    photograph = phone_photograph(part, OUT / "photograph.jpg")
shell("predict", mt, photograph, "--json", OUT / "photograph.json", "--overwrite")
shell("explain", embedder, OUT / "lot-3" / "scratch" / "001.png", "--against", OUT / "lot-3" / "scratch" / "002.png",
      "--out", OUT / "alike")  # fmt: skip

# %% [markdown]
# ## Known cases: alike is not wanted
# A case marked NEGATIVE is as near as it was, and is not shown.

# %%
scratched = sorted((OUT / "lot-2" / "scratch").glob("*.png"))
shell("cases", "add", OUT / "cases", mt, *scratched[:20], "--verdict", "positive", "--label", "scratch",
      "--note", "polish, then inspect again")  # fmt: skip
shell("cases", "add", OUT / "cases", mt, *scratched[20:40], "--verdict", "negative", "--label", "scratch",
      "--note", "photographed in bad light")  # fmt: skip
asked = scratched[20]
shell("cases", "search", OUT / "cases", mt, asked, "-k", 3, "--json", OUT / "wanted.json")
shell("cases", "search", OUT / "cases", mt, asked, "-k", 3, "--verdict", "positive", "negative", "unknown",
      "--json", OUT / "all.json")  # fmt: skip
library = CaseLibrary.open(str(OUT / "cases"))
vector = np.concatenate([found for _, found in mt.predictor().embed([asked])])
(wanted,) = library.search(vector, k=3)
(nearest,) = library.search(vector, k=3, among=CaseFilter(verdicts=tuple(CaseVerdict)))
for one in (*wanted, *nearest):
    print(one.distance, one.case.verdict, one.case.note)

# %% [markdown]
# ## A chat model with pictures
# It is given a picture and told to describe what it sees, the text streamed; in 4 bits where there is CUDA. With the
# evidence of the unit space and of known cases it names the defect and proposes what to do. The toy babbles.

# %%
instruction = "You are an expert radiographer. Describe accurately what you see in this image."
shell("ask", "toy", asked, instruction, "--max-new-tokens", 12)
try:
    kenpin.load_base("toy", prompt=instruction, device="cpu", four_bit=True)
except OptionError as error:
    four_bit = str(error)
    print(four_bit)
model: Any = kenpin.load_base("toy", prompt=instruction).inspector
streamed = list(islice(model.stream(read_image(ImageSource(str(asked))), instruction), 8))
print("".join(streamed))
shell("describe", "toy", asked, "--evidence", mt, "--cases", OUT / "cases", "--text-length", 20,
      "--json", OUT / "described.json")  # fmt: skip
