"""A run that goes on from another one's network: what it stands on, what it says so, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError, OutputExistsError, RunError
from kenpin.models import get_family
from kenpin.models.contract import Task
from kenpin.models.networks.lora import without_adapters
from kenpin.predictor import load_predictor
from kenpin.run.record import is_run, read_record, record_hash
from kenpin.training import train
from tests.models.chat.shapes import joined, shapes
from tests.toy_runs import OBJECTS, PARTS, answers, equal, of_base, pictures_for, trained

Made = Callable[..., Path]
STEPS: dict[str, dict[str, Any]] = {
    "classifier": {"epochs": 1},
    "embedder": {"epochs": 1},
    "florence2": {"epochs": 1, "learning_rate": 3e-2},
    "paligemma": {"epochs": 1, "learning_rate": 3e-3},
    "vlm": {"epochs": 1, "max_new_tokens": 8},
}
QUICK = ("classifier", "florence2")
FAMILIES = [family if family in QUICK else pytest.param(family, marks=pytest.mark.slow) for family in STEPS]
ALONE = ["classifier", *(pytest.param(family, marks=pytest.mark.slow) for family in ("embedder", "vlm"))]


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Made:
    """A run of a family and a tuning, on toy. Read only."""

    @cache
    def made(family: str, tuning: str, **options: Any) -> Path:
        return further(family, tmp_path_factory.mktemp("run") / f"{family}-{tuning}", parts, tuning=tuning, **options)

    return made


def further(family: str, out: Path, parts: Path, **options: Any) -> Path:
    """A run on very little data."""
    how = STEPS[family] | options
    if how.get("base", "toy") != "toy":
        how["decide_by"] = "chosen"  # the validation pictures are those of the run below
    if family == "vlm":
        data = joined(shapes(6, split="train"), shapes(2, first=50, split="validation"))
        return train(family, out=out, report=False, data="-", dataset=data, **({"base": "toy"} | how))
    if family not in ("classifier", "embedder"):
        return trained(family, out, None, **how)
    if family == "classifier" and how["tuning"] == "head":
        how.pop("epochs")
    # what stands on another run is judged by pictures that the other has not learned from
    few = load_dataset(parts).select(range(0 if how.get("base", "toy") == "toy" else 1, 48, 2))
    return train(family, out=out, report=False, data="-", dataset=few, **({"base": "toy"} | how))


def network_of(inspector: Any) -> torch.nn.Module:
    """Its network without adapters; of an embedder the body."""
    return without_adapters(getattr(inspector.module, "body", inspector.module))


def begun(family: str, base: Path, **options: Any) -> Any:
    """The inspector that a training on this base begins with."""
    chosen = get_family(family)
    task = {"florence2": OBJECTS, "paligemma": OBJECTS, "vlm": Task((), ())}.get(family, PARTS)
    values = {"data": "-", "out": "-", "base": str(base), "tuning": "lora", **options}
    return chosen.create(chosen.Options.from_mapping(values), task)


@pytest.mark.parametrize("tuning", ["lora", pytest.param("full", marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_begins_where_the_run_below_ended(family: str, tuning: str, run: Made) -> None:
    below = run(family, tuning)
    learned = network_of(load_predictor(below, device="cpu").inspector).state_dict()
    inspector = begun(family, below)
    own = network_of(inspector).state_dict()
    names = [name for name in own if "classifier" not in name or family == "classifier"]
    assert names
    # a fresh adapter adds nothing, but for rounding
    assert all(torch.allclose(own[name].float(), learned[name].float(), atol=1e-5) for name in names)
    fresh = network_of(begun(family, "toy", tuning="lora")).state_dict()  # type: ignore[arg-type]
    assert any(own[n].shape != fresh[n].shape or not torch.allclose(own[n], fresh[n], atol=1e-5) for n in names)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_record_names_the_run_and_its_seal(family: str, run: Made, parts: Path, tmp_path: Path) -> None:
    below = shutil.copytree(run(family, "lora"), tmp_path / "below")
    out = further(family, tmp_path / "run", parts, base=str(below), tuning="lora")
    record = read_record(out)
    assert record.base_id == str(below)
    assert record.base_commit == f"seal {record_hash(read_record(below))}"
    assert is_run(Path(record.options["base"]))
    load_predictor(out)
    shutil.move(below, tmp_path / "moved")
    with pytest.raises(RunError, match=rf"{below}: no such run, and {out} is built on its network; restore it"):
        load_predictor(out)


def test_where_a_run_was_started_does_not_matter(
    run: Made, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run("classifier", "lora"), tmp_path / "here" / "below")
    monkeypatch.chdir(tmp_path / "here")
    out = further("classifier", tmp_path / "run", parts, base="below", tuning="lora")
    pictures = pictures_for("classifier", parts)
    said = answers(load_predictor(out), pictures)
    monkeypatch.chdir(tmp_path)
    assert equal(answers(load_predictor(out), pictures), said)


@pytest.mark.parametrize("family", ALONE)
def test_a_run_whose_every_weight_was_trained_stands_alone(family: str, run: Made, parts: Path, tmp_path: Path) -> None:
    below = shutil.copytree(run(family, "full"), tmp_path / "below")
    out = further(family, tmp_path / "run", parts, base=str(below), tuning="full")
    before = network_of(load_predictor(out).inspector).state_dict()
    shutil.rmtree(below)
    after = network_of(load_predictor(out).inspector).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_another_training_in_the_place_of_the_run_below_is_refused(run: Made, parts: Path, tmp_path: Path) -> None:
    below = shutil.copytree(run("classifier", "lora"), tmp_path / "below")
    out = further("classifier", tmp_path / "run", parts, base=str(below), tuning="lora")
    further("classifier", below, parts, tuning="lora", seed=1, overwrite=True)
    with pytest.raises(RunError, match=r"commit seal .* answers differently; provide the base it was trained on"):
        load_predictor(out)


def test_the_run_below_is_not_replaced_by_the_one_above(run: Made, parts: Path, tmp_path: Path) -> None:
    below = shutil.copytree(run("classifier", "lora"), tmp_path / "below")
    with pytest.raises(OutputExistsError):
        further("classifier", below, parts, base=str(below), tuning="lora", overwrite=True)


def test_a_head_stands_on_features_of_the_run_below_and_new_classes_get_a_new_head(
    run: Made, parts: Path, tmp_path: Path
) -> None:
    below = run("classifier", "full")
    out = further("classifier", tmp_path / "head", parts, base=str(below), tuning="head")
    pictures = pictures_for("classifier", parts)
    (vectors,) = (rows for _, rows in load_predictor(out).embed(pictures))
    (of_toy,) = (rows for _, rows in of_base("classifier", "toy", tuning="head").embed(pictures))
    assert vectors.shape == of_toy.shape
    assert not np.allclose(vectors, of_toy, atol=1e-4)
    dataset = load_dataset(parts)
    three = [label if place % 3 else "dent" for place, label in enumerate(dataset.column("label"))]
    relabelled = dataset.with_labels(three, ("dent", "ok", "scratch"))
    how: dict[str, Any] = {"tuning": "full", "epochs": 1, "report": False}
    more = train("classifier", data="-", dataset=relabelled, out=tmp_path / "more", base=str(below), **how)
    assert load_predictor(more).labels == ("dent", "ok", "scratch")


@pytest.mark.parametrize(
    ("family", "below", "tuning", "problem"),
    [
        (
            "classifier",
            ("classifier", "head"),
            "lora",
            "that run trained no network; name its base toy",
        ),
        ("embedder", ("embedder", "head"), "lora", "trained only a projection and no network"),
        (
            "embedder",
            ("classifier", "full"),
            "lora",
            "is a run of family classifier, and embedder continues only from runs",
        ),
        ("florence2", ("classifier", "full"), "lora", r"write its network with `kenpin export .* FOLDER --to merged`"),
        ("vlm", ("florence2", "lora"), "lora", "is a run of family florence2, and vlm continues only from runs"),
        ("florence2", ("florence2", "lora"), "qlora", "qlora reads a base in 4 bits from its files"),
    ],
)
def test_what_cannot_be_gone_on_from_is_one_sentence(
    family: str, below: tuple[str, str], tuning: str, problem: str, run: Made
) -> None:
    with pytest.raises(OptionError, match=problem):
        begun(family, run(*below), tuning=tuning)


@pytest.mark.slow
def test_a_chat_model_that_hears_vectors_is_not_gone_on_from(run: Made, parts: Path, tmp_path: Path) -> None:
    told = further("vlm", tmp_path / "told", parts, tuning="lora", embedding_from=run("embedder", "head"))
    with pytest.raises(OptionError, match="was trained with the embeddings of another run"):
        begun("vlm", told)
