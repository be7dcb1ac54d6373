"""Augmentation: what may change a class is off until it is allowed, and what is allowed changes the class rightly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError
from kenpin.models import get_family
from kenpin.models.augment import Augmenter, plan_augmentation
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.targets import Target
from kenpin.training import train
from tests.pictures import SHIFTS_PX, shifted_terminal, write_terminals

CLASSES = tuple(SHIFTS_PX)
MIRROR = {"passed": "passed", "Xplus": "Xminus", "Xminus": "Xplus", "Yplus": "Yplus", "Yminus": "Yminus"}


def _plan(**values: Any) -> tuple[Augmenter, tuple[str, ...]]:
    quiet = {"brightness": 0.0, "contrast": 0.0}
    options = get_family("classifier").Options.from_mapping(
        {"data": "-", "out": "-", "tuning": "full", **quiet, **values}
    )
    return plan_augmentation(options, CLASSES, Target.LABEL, seed=3)


def _example(label: str) -> Example:
    return Example(id="a", image=ImageSource(path="a.png"), label=label)


def test_by_default_nothing_that_changes_a_class_happens_and_the_note_says_why() -> None:
    augmenter, notes = _plan()
    image = shifted_terminal(1, SHIFTS_PX["Xplus"])
    for place in range(20):
        varied, example = augmenter(image, _example("Xplus"), 0, place)
        assert example.label == "Xplus"
        np.testing.assert_array_equal(np.asarray(varied), np.asarray(image))
    assert "horizontal flips, vertical flips, crops are off" in notes[0]
    assert "Xplus/Xminus" in notes[0]


def test_a_class_map_changes_the_class_exactly_where_the_picture_is_mirrored() -> None:
    augmenter, _ = _plan(flip_horizontal=MIRROR)
    image = shifted_terminal(1, SHIFTS_PX["Xplus"])
    mirror = np.asarray(image)[:, ::-1]
    seen = set()
    for place in range(40):
        varied, example = augmenter(image, _example("Xplus"), 0, place)
        expected = {"Xminus": mirror, "Xplus": np.asarray(image)}[example.label or ""]
        np.testing.assert_array_equal(np.asarray(varied), expected)
        seen.add(example.label)
    assert seen == {"Xplus", "Xminus"}


def test_vertical_flips_mirror_the_other_axis() -> None:
    augmenter, _ = _plan(flip_vertical="same")
    image = shifted_terminal(1, SHIFTS_PX["Xplus"])
    varied = {np.asarray(augmenter(image, _example("Xplus"), 0, place)[0]).tobytes() for place in range(40)}
    assert varied == {np.asarray(image).tobytes(), np.asarray(image)[::-1].tobytes()}


def test_a_forbidden_class_is_never_mirrored() -> None:
    augmenter, _ = _plan(flip_horizontal={**MIRROR, "passed": "forbid"})
    image = shifted_terminal(1, SHIFTS_PX["passed"])
    for place in range(20):
        assert np.array_equal(np.asarray(augmenter(image, _example("passed"), 0, place)[0]), np.asarray(image))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("on", r"Xplus/Xminus.*class map"),
        ({**MIRROR, "Xplus": "Xmnus"}, "did you mean"),
        ({"Xplus": "Xminus", "Xminus": "Xplus"}, "lacks passed, Yplus, Yminus"),
        ({**MIRROR, "Xplus": "Yplus"}, "mirroring twice"),
        ({**MIRROR, "Xplus": "passed", "passed": "forbid"}, "mirroring twice"),
    ],
)
def test_rules_that_cannot_hold_are_refused(rule: object, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        _plan(flip_horizontal=rule)


def test_other_words_are_refused_at_the_door() -> None:
    with pytest.raises(OptionError, match="flip_horizontal"):
        _plan(flip_horizontal="sometimes")


def test_variation_depends_on_seed_epoch_and_place_alone() -> None:
    augmenter, _ = _plan(rotate_degrees=10, brightness=0.3, contrast=0.3, crop="same")
    image = shifted_terminal(1, SHIFTS_PX["passed"])

    def pixels(epoch: int, place: int) -> bytes:
        varied = augmenter(image, _example("passed"), epoch, place)[0]
        assert varied.size == image.size
        return np.asarray(varied).tobytes()

    assert pixels(1, 2) == pixels(1, 2)
    assert len({pixels(0, 0), pixels(1, 0), pixels(0, 1), pixels(1, 1)}) == 4


@pytest.mark.parametrize("setting", ["rotate_degrees", "brightness", "contrast"])
def test_each_setting_changes_the_picture(setting: str) -> None:
    image = shifted_terminal(1, SHIFTS_PX["passed"])
    varied = [_plan(**{setting: 0.5})[0](image, _example("passed"), 0, place)[0] for place in range(4)]
    assert any(not np.array_equal(np.asarray(v), np.asarray(image)) for v in varied)
    assert all(isinstance(v, Image.Image) for v in varied)


@pytest.mark.slow
def test_training_with_defaults_separates_xplus_from_xminus(tmp_path: Path) -> None:
    data = write_terminals(tmp_path / "terminals", count=12)
    run = train("classifier", data=str(data), out=tmp_path / "run", ok_labels=("passed",))
    unseen = []
    for label in ("Xplus", "Xminus"):
        for seed in range(90_000, 90_008):
            path = tmp_path / f"{label}-{seed}.png"
            shifted_terminal(seed, SHIFTS_PX[label]).save(path)
            unseen.append((str(path), label))
    said = {prediction.id: prediction.label for prediction in load_predictor(run).predict_files(p for p, _ in unseen)}
    for label in ("Xplus", "Xminus"):
        right = [said[path] == label for path, truth in unseen if truth == label]
        assert sum(right) >= 7, f"{label}: {sum(right)} of {len(right)}"


def test_forcing_flips_without_a_class_map_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    data = write_terminals(tmp_path / "terminals", count=10)
    with pytest.raises(OptionError, match="Xminus/Xplus"):
        train(
            "classifier", dataset=load_dataset(data), data=str(data), out=tmp_path / "run", base="toy", tuning="full",
            flip_horizontal="on", ok_labels=("passed",),
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_with_a_head_alone_every_setting_that_would_do_nothing_is_refused_by_name() -> None:
    for name, value in {"flip_horizontal": "on", "epochs": 3, "lora_rank": 4}.items():
        with pytest.raises(OptionError, match=f"`{name}` does nothing with tuning head"):
            get_family("classifier").Options.from_mapping({"data": "-", "out": "-", name: value})
