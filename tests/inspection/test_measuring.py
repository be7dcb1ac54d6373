"""Measuring by several products: their shared network computes a picture once, and who judges it next uses that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin.data.images import read_image
from kenpin.errors import OptionError
from kenpin.export import export_package
from kenpin.inspection import measuring
from kenpin.inspection.line import Line
from kenpin.inspection.measuring import Ruler, measure, ruler_of
from kenpin.inspection.pictures import Opened, open_bytes
from kenpin.inspection.policy import Policy
from kenpin.models.package.judge import PackageJudge
from kenpin.models.passing import outputs_and_features
from kenpin.records import ImageSource
from kenpin.runtime import version_of
from kenpin.station.demonstration.made_parts import DISCS, PLATES, MadePart, write_defective, write_good
from tests.toy_runs import trained

Made = dict[str, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Runs of two products on one base: unit spaces, and a classifier."""
    folder = tmp_path_factory.mktemp("products")
    for place, product in enumerate((PLATES, DISCS)):
        write_good(folder / "data" / product, product, 30, 1_000 * place)
        write_defective(folder / "data" / product, product, 12, 1_000 * place + 500)
        trained("mahalanobis", folder / product, folder / "data" / product)
    trained("classifier", folder / "classes", folder / "data" / DISCS, tuning="head")
    return {name: folder / name for name in (PLATES, DISCS, "classes")}


def _line(out: Path, **runs: Path) -> Line:
    policy = Policy.from_mapping({"runs": {name: {"run": str(run)} for name, run in runs.items()}})
    return Line(policy, out, engine="torch")


def _opened(product: str, seed: int) -> Opened:
    return open_bytes(f"{product}-{seed}.png", MadePart(product, None, seed).png)


def test_each_product_is_nearest_to_its_own_good_parts(made: Made, tmp_path: Path) -> None:
    with _line(tmp_path / "a", space=made[PLATES]) as plates, _line(tmp_path / "b", space=made[DISCS]) as discs:
        rulers = [ruler_of(PLATES, plates.runs), ruler_of(DISCS, discs.runs)]
        for product in (PLATES, DISCS):
            pictures = [_opened(product, 90_000 + seed) for seed in range(6)]
            for one in measure(rulers, pictures):
                nearest = min(one.nearness, key=lambda each: each.times)
                assert nearest.product == product
                assert {each.product for each in one.nearness} == {PLATES, DISCS}


def test_a_run_without_distances_is_no_ruler(made: Made, tmp_path: Path) -> None:
    why = "discs: no part can be measured by it: none of its runs measures"
    with _line(tmp_path / "a", classes=made["classes"]) as line, pytest.raises(OptionError, match=why):
        ruler_of(DISCS, line.runs)
    with _line(tmp_path / "b", classes=made["classes"], space=made[DISCS]) as line:
        assert ruler_of(DISCS, line.runs).run.name == "space"


def test_too_few_held_out_good_parts_are_no_scale(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_held_out", lambda run: [1.0, 2.0])
    why = "2 good parts that it did not learn from are too few"
    with _line(tmp_path / "a", space=made[PLATES]) as line, pytest.raises(OptionError, match=why):
        ruler_of(PLATES, line.runs)


def test_the_shared_network_computes_a_picture_once_until_its_record(made: Made, tmp_path: Path) -> None:
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    with (
        _line(tmp_path / "a", space=made[PLATES]) as plates,
        _line(tmp_path / "b", space=made[DISCS], classes=made["classes"]) as discs,
    ):
        rulers = [ruler_of(PLATES, plates.runs), ruler_of(DISCS, discs.runs)]
        for line in (plates, discs):
            for run in line.runs.values():
                module: Any = run.predictor.inspector.module
                getattr(module, "base_model", module).register_forward_hook(count)
        picture, twin = _opened(DISCS, 77_000), _opened(DISCS, 78_000)
        (measured,) = measure(rulers, [picture])
        assert passes == 1
        known = Opened(**{name: getattr(picture, name) for name in picture.__slots__} | {"features": measured.features})
        with_features, alone = discs.record([known, twin])
        assert passes == 2, "what was computed is taken for that picture alone"
    with _line(tmp_path / "c", space=made[DISCS], classes=made["classes"]) as again:
        (computed,) = again.record([picture])
    assert with_features.record.answers == computed.record.answers
    assert alone.record.answers != computed.record.answers


@pytest.mark.skipif(version_of("openvino") is None, reason="the extra openvino is not installed")
def test_packages_with_one_network_compute_it_once(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {name: export_package(run, tmp_path / name, to="openvino") for name, run in made.items()}
    computed: list[int] = []
    original = PackageJudge.outputs_of

    def counting(self: PackageJudge, images: Any) -> Any:
        computed.append(len(images))
        return original(self, images)

    with (
        _line(tmp_path / "a", space=packages[PLATES]) as plates,
        _line(tmp_path / "b", space=packages[DISCS]) as discs,
    ):
        rulers: list[Ruler] = [ruler_of(PLATES, plates.runs), ruler_of(DISCS, discs.runs)]
        models = [ruler.run.predictor.model for ruler in rulers]
        image = read_image(ImageSource("a.png", MadePart(PLATES, None, 5).png))
        alone = [model.outputs_of([image]) for model in models]  # type: ignore[attr-defined]
        monkeypatch.setattr(PackageJudge, "outputs_of", counting)
        together, features = outputs_and_features(models, [image, image])
        assert computed == [2]
        for found, wanted in zip(together, alone, strict=True):
            for name, values in wanted.items():
                np.testing.assert_allclose(found[name][:1], values, rtol=1e-4, atol=1e-5)
        outputs_and_features(models, [image, image], features)
        assert computed == [2], "what is known is not computed again"
        outputs_and_features(models, [image, image], [features[0], {}])
        assert computed == [2, 2], "what is known of one picture alone is of no use for both"
