"""The recipes are valid, say what the notebooks did, and run from end to end on toy bases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kenpin.data.loading import load_dataset
from kenpin.models import get_family
from kenpin.predictor import load_predictor
from kenpin.training import train
from kenpin.yaml_file import read_yaml
from tests.models.chat.shapes import joined as chats
from tests.models.chat.shapes import shapes
from tests.objects import joined, made_objects
from tests.pictures import write_terminals

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
FAMILY = {
    "florence2-lora": "florence2",
    "paligemma-attention": "paligemma",
    "siamese-mnist": "embedder",
    "triplet-inspection": "embedder",
    "vit-terminals": "classifier",
    "vlm-lora": "vlm",
}


def _values(recipe: str) -> dict[str, Any]:
    return read_yaml(RECIPES / f"{recipe}.yaml")


def test_every_recipe_is_tested() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == set(FAMILY)


@pytest.mark.parametrize("recipe", FAMILY)
def test_a_recipe_holds_known_options(recipe: str) -> None:
    options = get_family(FAMILY[recipe]).Options.from_mapping({"data": "-", "out": "-", **_values(recipe)})
    assert all(getattr(options, name) is not None or value is None for name, value in _values(recipe).items())


@pytest.mark.parametrize("recipe", FAMILY)
def test_a_recipe_runs_on_a_toy(recipe: str, tmp_path: Path) -> None:
    values = {**_values(recipe), "epochs": 1, "out": tmp_path / "run", "data": "-"}
    if values["base"] != "mlp":
        values["base"] = "toy"
    target = get_family(FAMILY[recipe]).target
    if target == "text":
        data = chats(shapes(8, split="train"), shapes(4, first=90, split="validation"))
        values["max_new_tokens"] = 16
    elif target == "label":
        data = load_dataset(write_terminals(tmp_path / "terminals", count=8))
    else:
        data = joined(made_objects(12), made_objects(4, first=90, split="validation"))
        values["max_new_tokens"] = 16
    run = train(FAMILY[recipe], dataset=data, **values)
    assert load_predictor(run).record is not None


def test_the_attention_recipe_is_the_references_schedule() -> None:
    """64 steps of batches of 8, the rate of each as the reference computes it."""
    from kenpin.training.schedules import cosine_with_warmup, schedule_of

    values = _values("paligemma-attention")
    schedule = schedule_of(values["schedule"], values["warmup_share"])
    rates = [values["learning_rate"] * schedule(step, 65) for step in range(1, 65)]
    assert rates == pytest.approx([cosine_with_warmup(step, 65, 0.03, 0.10) for step in range(1, 65)])
