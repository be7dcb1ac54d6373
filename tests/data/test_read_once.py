"""A picture is read once: hash and pixels are of the same bytes, and nothing but a regular file is ever waited for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin.cases import adding
from kenpin.cases.case import VectorRun
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset, content_hash
from kenpin.data.doctor import pictures as doctor_pictures
from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset, write_dataset
from kenpin.data.picture_files import PictureError, hash_of, open_picture_file, read_bytes_once
from kenpin.errors import DatasetError
from kenpin.models.networks.feature_store import FeatureStore
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from tests.pictures import part
from tests.toy_runs import ToyRun

NAMES = 400


@pytest.fixture
def two(tmp_path: Path) -> tuple[bytes, bytes]:
    """The files of a good and of a scratched picture."""
    part(0, scratched=False).save(tmp_path / "good.png")
    part(1, scratched=True).save(tmp_path / "bad.png")
    return (tmp_path / "good.png").read_bytes(), (tmp_path / "bad.png").read_bytes()


def test_pictures_replaced_while_they_are_predicted_are_judged_rightly_afterwards(
    two: tuple[bytes, bytes], toy_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    predictor = load_predictor(toy_run("classifier", tmp_path / "run"))
    # what follows the picture makes each file another content, which may be stored wrongly
    contents = [[picture + bytes([*divmod(number, 256)]) for picture in two] for number in range(NAMES)]
    names = [tmp_path / f"{number}.png" for number in range(NAMES)]
    swaps = {hash_of(both[bad]): (name, both[not bad]) for name, both in zip(names, contents, strict=True) for bad in (0, 1)}
    asked = FeatureStore.get

    def swapping(store: FeatureStore, digests: Sequence[str]) -> Any:
        """The file is replaced at the worst moment: its hash is known, its pixels are not."""
        for digest in digests:
            name, other = swaps[digest]
            name.with_suffix(".new").write_bytes(other)
            name.with_suffix(".new").replace(name)
        return asked(store, digests)

    def show() -> None:
        for number, (name, both) in enumerate(zip(names, contents, strict=True)):
            name.write_bytes(both[number % 2])

    show()
    with monkeypatch.context() as raced:
        raced.setattr(FeatureStore, "get", swapping)
        list(predictor.predict_files(names))
    show()
    good, bad = (float(one.defect_score or 0) for one in predictor.predict([str(names[0]), str(names[1])]))
    assert abs(good - bad) > 0.01
    quiet = [one.defect_score for one in predictor.predict_files(names)]
    alone = [one.defect_score for one in load_predictor(tmp_path / "run").predict([*two])]
    assert sum(score != pytest.approx(alone[number % 2], abs=1e-4) for number, score in enumerate(quiet)) == 0
