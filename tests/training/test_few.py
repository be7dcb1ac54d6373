"""One part, one lot, one class, one picture: refused before anything is computed, by name, or done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError, KenpinError
from kenpin.models import get_family
from kenpin.records import Example, ImageSource
from kenpin.training import Listener, train
from kenpin.training.start import Start, begin
from tests.pictures import part

FAMILIES: dict[str, dict[str, Any]] = {
    "classifier": {"tuning": "head"},
    "classifier full": {"tuning": "full", "epochs": 1},
    "classifier lora": {"tuning": "lora", "epochs": 1},
    "embedder": {"epochs": 1},
    "mahalanobis": {},
    "mahalanobis selection": {"select_items": True},
    "mahalanobis pooled": {"where": "pooled"},
}
COUNTS = st.sampled_from([0, 1, 2, 3, 20])
GROUPS = ("none", "one", "a class", "two", "a part")
SPLITS = ("none", "train", "both", "no good training part")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty different pictures of each class."""
    folder = tmp_path_factory.mktemp("pictures")
    for first, label in enumerate(("ok", "void", "scratch")):
        for number in range(20):
            part(20 * first + number, scratched=label != "ok").save(folder / f"{label}{number}.png")
    return folder


def made(pictures: Path, counts: dict[str, int], groups: str = "none", splits: str = "none") -> Dataset:
    """So many pictures of each class, in these groups and splits."""
    examples: list[Example] = []
    for label, count in counts.items():
        for number in range(count):
            row = len(examples)
            group = {"none": None, "one": "L7", "a class": f"L-{label}", "two": f"L{row % 2}", "a part": f"L{row}"}
            split = {
                "none": None,
                "train": "train",
                "both": ("train", "validation")[number % 2],
                "no good training part": "validation" if label == "ok" else "train",
            }
            path = str(pictures / f"{label}{number}.png")
            examples.append(
                Example(f"{label}{number}", ImageSource(path), split[splits], label, group=group[groups], origin=path)
            )
    return Dataset.from_examples(examples, root="data")


@pytest.fixture
def without_bases() -> Iterator[None]:
    """Inspectors with labels and nothing else: what is refused here has no need of a network."""
    with pytest.MonkeyPatch.context() as patch:
        for name in FAMILIES:
            family = type(get_family(name.partition(" ")[0]))
            patch.setattr(family, "create", lambda self, options, task: SimpleNamespace(labels=task.labels))
        yield


def begun(name: str, dataset: Dataset, **options: Any) -> Start:
    family = name.partition(" ")[0]
    values = {"out": "out", "base": "toy", "report": False} | FAMILIES[name] | options
    return begin(family, None, dataset, values).without_copies()


@pytest.mark.usefixtures("without_bases")
def test_two_good_parts_of_one_group_leave_nothing_when_it_is_held_out(pictures: Path) -> None:
    dataset = made(pictures, {"ok": 2, "void": 0, "scratch": 1}, "a class")
    with pytest.raises(KenpinError, match="2 training pictures of class ok, all that there are, are of group L-ok"):
        begun("mahalanobis pooled", dataset)


@pytest.mark.usefixtures("without_bases")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries({"ok": COUNTS, "void": COUNTS, "scratch": COUNTS}),
    st.sampled_from(GROUPS),
    st.sampled_from(SPLITS),
    st.sampled_from(sorted(FAMILIES)),
)
def test_few_pictures_are_refused_by_name_or_there_is_enough_in_every_fold(
    pictures: Path, counts: dict[str, int], groups: str, splits: str, name: str
) -> None:
    dataset = made(pictures, counts, groups, splits)
    try:
        start = begun(name, dataset)
    except KenpinError as refused:
        sentence = str(refused)
        assert "no picture with a label" in sentence or any(
            of in sentence for of in (*counts, "good part", "good training part", "defective training part", "L7")
        )
        assert any(letter.isdigit() for letter in sentence) or "no picture with a label" in sentence
        return
    for learned in parts_learned_from(start):
        there = learned.column("label")
        wanted = ["ok"] if start.family.good_alone else start.task.labels
        fewest = 2
        if start.family.good_alone:  # a unit space of cells is made of those of one part
            fewest = 1 if name.endswith(("pooled", "neighbours")) else 9
        assert min(there.count(label) for label in wanted) >= fewest
        assert start.name == "mahalanobis" or len(set(there)) > 1, "nothing can be told apart from nothing"
    if start.folding is None:
        assert start.parts.validation is not None
        assert len(start.parts.validation)


def parts_learned_from(start: Start) -> Iterator[Dataset]:
    """All training pictures, and what each fold leaves of them."""
    yield start.parts.training
    if start.folding is not None:
        folds, groups = start.folding.folds, start.parts.training.column("group")
        for fold in range(start.folding.count):
            gone = {group for group, of in zip(groups, folds, strict=True) if of == fold} - {None}
            yield start.parts.training.select(
                row for row, of in enumerate(folds) if of != fold and groups[row] not in gone
            )


def refusal(name: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, **options: Any) -> str:
    """What a training is refused with, before a base is loaded."""

    def loaded(*_: Any) -> Any:
        raise AssertionError("a base was loaded")

    monkeypatch.setattr(type(get_family(name.partition(" ")[0])), "create", loaded)
    with pytest.raises(KenpinError) as refused:
        begun(name, dataset, **options)
    return str(refused.value)


@pytest.mark.parametrize("name", ["classifier", "classifier full", "classifier lora", "embedder"])
@pytest.mark.parametrize(
    ("counts", "groups", "words"),
    [
        ({"ok": 20, "scratch": 20, "void": 1}, "none", ["class void has 1 of 41 training pictures", "add 1 of void"]),
        ({"ok": 20, "void": 1}, "none", ["class void has 1 of 21 training pictures"]),
        ({"scratch": 20}, "none", ["(20) are of class scratch"]),
        ({"scratch": 1}, "none", ["(1) are of class scratch"]),
        (
            {"ok": 20, "void": 20},
            "one",
            ["40 training pictures, all that there are, are of group L7"],
        ),
        ({"ok": 20, "void": 2}, "none", ["too little", "class void has 1", "add 1 of void"]),
    ],
)
def test_one_of_something_is_named_before_a_base_is_loaded(
    pictures: Path,
    name: str,
    counts: dict[str, int],
    groups: str,
    words: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sentence = refusal(name, made(pictures, counts, groups), monkeypatch)
    assert all(word in sentence for word in words), sentence


def test_a_unit_space_of_one_lot_or_few_defective_parts_is_refused_before_a_base_is_loaded(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_lot = made(pictures, {"ok": 20, "void": 20}, "one")
    assert "40 training pictures, all that there are, are of group L7" in refusal("mahalanobis", one_lot, monkeypatch)
    lot_a_class = made(pictures, {"ok": 20, "void": 20}, "a class")
    assert "20 training pictures of class ok, all that there are, are of group L-ok" in refusal(
        "mahalanobis", lot_a_class, monkeypatch
    )
    few = made(pictures, {"ok": 20, "void": 10})
    for dataset in (few, made(pictures, {"ok": 20, "void": 1})):
        assert "defective training part" in refusal("mahalanobis selection", dataset, monkeypatch)


def test_what_the_refusals_ask_for_is_enough(pictures: Path, tmp_path: Path) -> None:
    """One more of the class; a second lot; a validation split; a class left out."""
    begun("classifier", made(pictures, {"ok": 20, "void": 3}))
    begun("embedder", made(pictures, {"ok": 20, "void": 3}))
    begun("classifier", made(pictures, {"ok": 20, "void": 20}, "two"))
    begun("classifier full", made(pictures, {"ok": 20, "void": 20}, "one", "both"))
    begun("mahalanobis", made(pictures, {"ok": 20, "void": 20}, "two"))
    begun("mahalanobis selection", made(pictures, {"ok": 20, "void": 12}))


def test_one_defective_part_is_enough_where_good_parts_are_learned_from(pictures: Path, tmp_path: Path) -> None:
    run = train(
        "mahalanobis",
        dataset=made(pictures, {"ok": 20, "void": 1}),
        data="-",
        out=tmp_path / "run",
        base="toy",
        report=False,
    )
    assert run.threshold is not None
    assert "20 good and 1 defective" in run.threshold.basis


def test_copies_of_one_picture_are_one_picture(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of them is held out, the others tell what it is."""
    examples = list(made(pictures, {"ok": 20, "void": 3}))
    void = next(example for example in examples if example.label == "void")
    same = [Example(f"{n}", void.image, None, "void", origin=f"{n}") for n in range(3)]
    dataset = Dataset.from_examples([*(one for one in examples if one.label == "ok"), *same], root="data")
    assert "class void has 0" in refusal("classifier", dataset, monkeypatch)


def test_nothing_is_left_behind_by_a_refusal(pictures: Path, tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(DatasetError, match="class void has 1"):
        train(
            "classifier",
            dataset=made(pictures, {"ok": 20, "void": 1}),
            data="-",
            out=tmp_path / "run",
            base="toy",
            listener=Listener(say=told.append),
        )
    assert not list(tmp_path.iterdir())
    assert not told
