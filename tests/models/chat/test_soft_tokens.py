"""The vector of another run in the prompt: where it stands, what it changes, what trains; and the run stays whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kenpin.data.images import read_image
from kenpin.errors import CaseLibraryError, OptionError, RunError, ShapeError
from kenpin.models import get_family
from kenpin.models.contract import Task
from kenpin.models.vlm import ChatInspector
from kenpin.models.vlm.soft_tokens import SoftPrompted, with_room
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record, space_of
from kenpin.training import train
from tests.models.chat.bases import BASES
from tests.models.chat.shapes import QUESTION, joined, shapes

PICTURES = [read_image(example.image) for example in shapes(2)]


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that gives vectors of eight numbers."""
    out = tmp_path_factory.mktemp("embedder") / "run"
    data = joined(shapes(24, split="train"), shapes(12, first=50, split="validation"))
    return train(
        "embedder", data="-", dataset=data, out=out, base="toy", tuning="full", dimension=8, epochs=1, report=False
    )


@pytest.fixture(scope="session", params=["toy", *BASES])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base of each class; `toy`, or a folder as a hub would give it."""
    name: str = request.param
    return name if name == "toy" else str(BASES[name](tmp_path_factory.mktemp("bases") / name))


def inspector_on(base: str, embedder: Path, **values: Any) -> ChatInspector:
    given = {"data": "-", "out": "-", "base": base, "tuning": "projector", "embedding_from": embedder, **values}
    made = get_family("vlm").create(get_family("vlm").Options.from_mapping(given), Task((), (), answers=("red bars",)))
    assert isinstance(made, ChatInspector)
    return made


def test_room_is_made_before_a_column_of_each_row() -> None:
    rows = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert with_room(rows, torch.tensor([1, 3]), 2, 0).tolist() == [[1, 0, 0, 2, 3, 4], [5, 6, 7, 0, 0, 8]]


def test_soft_tokens_stand_before_the_pictures_first_token(base: str, embedder: Path) -> None:
    inspector = inspector_on(base, embedder, soft_tokens=3)
    batch = inspector.encode(PICTURES)
    image_id = inspector.source.network.config.image_token_id
    for ids, mask, at in zip(batch["input_ids"], batch["attention_mask"], batch["soft_at"], strict=True):
        assert int((ids == image_id).int().argmax()) == int(at) + 3
        assert mask[at : at + 3].tolist() == [1, 1, 1]
    assert batch["vectors"].shape == (2, 8)


def test_the_vector_is_the_runs_own(embedder: Path) -> None:
    data = shapes(2)
    expected = np.array([p.embedding for p in load_predictor(embedder).predict(data)], np.float32)
    vectors = inspector_on("toy", embedder).encode(PICTURES)["vectors"].numpy()
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-6)


def test_soft_tokens_are_heard_and_nothing_else_of_the_prompt_is_changed(base: str, embedder: Path) -> None:
    """Written by the hook, they give the logits that words of those very values would give."""
    inspector = inspector_on(base, embedder)
    module = inspector.module
    assert isinstance(module, SoftPrompted)
    batch = inspector.encode(PICTURES) | inspector.encode_targets(list(shapes(2)))
    other = batch | {"vectors": batch["vectors"].flip(0)}
    with torch.inference_mode():
        one, swapped = (inspector.answer_logits(module, each) for each in (batch, other))
        assert not torch.allclose(one, swapped)
        for parameter in module.projector.parameters():
            parameter.zero_()
        pad = inspector.source.tokenizer.pad_token_id
        words = inspector.source.network.get_input_embeddings().weight
        kept = words[pad].clone()
        words[pad] = 0
        plain = inspector.answer_logits(module, batch)
        inputs = {name: rows for name, rows in batch.items() if name not in ("vectors", "soft_at")}
        by_hand = inspector.answer_logits(module.network, inputs)
        words[pad] = kept
    torch.testing.assert_close(plain, by_hand, rtol=1e-4, atol=1e-4)


def test_answers_alone_and_in_company_are_the_same(base: str, embedder: Path) -> None:
    inspector = inspector_on(base, embedder)
    questions = [QUESTION, "And which colour would you say it is?"]
    together = inspector.answer(PICTURES, questions, max_new_tokens=4)
    assert together == [inspector.answer([PICTURES[i]], [questions[i]], max_new_tokens=4)[0] for i in (0, 1)]
    assert "".join(inspector.stream(PICTURES[0], QUESTION, max_new_tokens=4)).strip() == together[0]


def test_given_vectors_stand_in_for_the_runs_own(embedder: Path) -> None:
    inspector = inspector_on("toy", embedder)
    own = inspector.encode(PICTURES)["vectors"].numpy()
    questions = [QUESTION] * 2
    assert inspector.answer(PICTURES, questions, vectors=own) == inspector.answer(PICTURES, questions)
    with pytest.raises(ShapeError, match=r"\(2, 8\)"):
        inspector.answer(PICTURES, questions, vectors=own[:, :4])
    plain = inspector_on("toy", embedder, tuning="full", embedding_from=None)
    with pytest.raises(ShapeError, match="takes none"):
        plain.answer(PICTURES, questions, vectors=own)


@pytest.mark.parametrize("tuning", ["projector", "lora"])
def test_the_projector_trains_and_what_made_the_vectors_does_not(tuning: str, embedder: Path) -> None:
    inspector = inspector_on("toy", embedder, tuning=tuning)
    trained = {name for name, weight in inspector.module.named_parameters() if weight.requires_grad}
    before = {name: weight.clone() for name, weight in inspector.module.named_parameters()}
    inspector.module.train()
    batch = inspector.encode(PICTURES) | inspector.encode_targets(list(shapes(2)))
    vectors = batch["vectors"].clone()
    for _ in range(2):
        inspector.total_loss(inspector.module, batch).backward()  # type: ignore[no-untyped-call]
        torch.optim.SGD([w for w in inspector.module.parameters() if w.requires_grad], lr=0.1).step()
    moved = {n for n, weight in inspector.module.named_parameters() if not torch.equal(weight, before[n])}
    assert moved == trained
    assert any(name.startswith("projector.") for name in moved)
    assert all(name.startswith("projector.") or (tuning == "lora" and "lora_" in name) for name in moved)
    assert torch.equal(inspector.encode(PICTURES)["vectors"], vectors)


@pytest.fixture(scope="module")
def told(embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with soft tokens, and the run that its vectors came from is gone."""
    folder = tmp_path_factory.mktemp("told")
    moved = shutil.copytree(embedder, folder / "embedder")
    data = joined(shapes(8, first=200, split="train"), shapes(4, first=250, split="validation"))
    run = train(
        "vlm", data="-", dataset=data, out=folder / "run", base="toy", tuning="lora", embedding_from=moved,
        epochs=1, max_new_tokens=8,
    )  # fmt: skip
    shutil.rmtree(moved)
    return run


def test_a_run_with_soft_tokens_is_whole_by_itself(told: Path, embedder: Path) -> None:
    first, again = (list(load_predictor(told).predict(shapes(3, first=90))) for _ in range(2))
    assert first == again
    space = json.loads((told / "model" / "chat.json").read_text())["space"]
    assert space == space_of(read_record(embedder)) == space_of(read_record(told / "model" / "embedder"))


def test_a_changed_embedder_within_a_run_is_refused(told: Path, tmp_path: Path) -> None:
    run = shutil.copytree(told, tmp_path / "run")
    weights = run / "model" / "embedder" / "model" / "embedder.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RunError, match="is not the file that was trained"):
        load_predictor(run)


def test_a_run_without_vectors_is_refused(told: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="makes no embeddings"):
        inspector_on("toy", told)
    with pytest.raises(RunError, match="no such run"):
        inspector_on("toy", tmp_path / "nothing")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tuning": "projector"}, "needs embeddings to project"),
        ({"soft_tokens": 2}, "`soft_tokens` does nothing"),
        ({"tuning": "full", "lora_whole": ("lm_head",)}, "`lora_whole` does nothing"),
    ],
)
def test_options_that_do_nothing_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        get_family("vlm").Options.from_mapping({"data": "-", "out": "-", "base": "some/base", **values})


def test_it_learns_from_cases_whose_vectors_are_of_that_run(embedder: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    from kenpin.cases.case import Case, VectorRun
    from kenpin.cases.library import CaseLibrary
    from kenpin.data.dataset import content_hash
    from kenpin.records import ImageSource

    def library(name: str, space: str) -> str:
        made = CaseLibrary.create(str(tmp_path / name), VectorRun(space, "run", str(embedder)), 8)
        cases = []
        for number, example in enumerate(shapes(12, first=200)):
            path = tmp_path / f"{number}.png"
            path.write_bytes(example.image.data or b"")
            said: dict[str, Any] = {"note": example.suffix} if number % 2 else {"label": example.label}
            cases.append(Case(content_hash(ImageSource(str(path))), str(path), **said))
        made.add(cases, np.ones((12, 8), np.float32))
        return str(tmp_path / name)

    values: dict[str, Any] = {
        "base": "toy",
        "tuning": "full",
        "embedding_from": embedder,
        "epochs": 1,
        "max_new_tokens": 8,
    }
    own = library("own", space_of(read_record(embedder)))
    run = train("vlm", from_cases=own, out=tmp_path / "run", **values)
    record = read_record(run)
    assert record.dataset["format"] == "cases"
    assert record.scores["exact_match"] is not None
    with pytest.raises(CaseLibraryError, match="holds embeddings of run"):
        train("vlm", from_cases=library("foreign", "0" * 32), out=tmp_path / "other", **values)
