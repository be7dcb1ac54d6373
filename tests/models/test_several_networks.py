"""Several networks as one base: what each sees, how their maps are joined, and runs and packages of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import png_of
from kenpin.data.lineage import NOTHING_SEEN
from kenpin.errors import DatasetError, OptionError, OutputExistsError, RunError
from kenpin.explain import explain
from kenpin.export import export_merged, export_package
from kenpin.models import get_family
from kenpin.models.beside import NetworkBeside
from kenpin.models.classifier.options import ClassifierOptions
from kenpin.models.contract import Task
from kenpin.models.deciding import SeenCell
from kenpin.models.mahalanobis.cell_items import items_of_cells
from kenpin.models.mahalanobis.cell_layout import CellLayout
from kenpin.models.mahalanobis.cell_shares import CellShares
from kenpin.models.mahalanobis.cell_spaces import fit_spaces
from kenpin.models.mahalanobis.network_shares import NetworkLayouts, NetworkShares
from kenpin.models.mahalanobis.network_spaces import UsualByNetwork, held_out_by_turns
from kenpin.models.mahalanobis.options import MahalanobisOptions
from kenpin.models.networks import recent_features
from kenpin.models.networks.backbones import load_backbone
from kenpin.models.networks.several import SeveralBackbones, several_of
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Example, ImageSource
from kenpin.runtime import version_of
from kenpin.training import train
from kenpin.training.below import named_below
from kenpin.training.crossfit import out_of_fold, to_be_fitted
from tests.pictures import part

CLOSE = 1e-9
LABELS = ("ok", "scratch")


def _parts(first: int, count: int, *, bad: bool = False) -> list[Example]:
    return [
        Example(f"{seed}", ImageSource(f"{seed}.png", png_of(part(seed, scratched=bad), "")), label=LABELS[bad])
        for seed in range(first, first + count)
    ]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network with mean, deviation and filter of its own, that sees pictures of 24 pixels."""
    folder = tmp_path_factory.mktemp("networks") / "tiny-dino"
    torch.manual_seed(3)
    config = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=24, patch_size=8
    )
    transformers.Dinov2Model(config).save_pretrained(folder)
    transformers.BitImageProcessorPil(
        size={"height": 24, "width": 24},
        do_center_crop=False,
        resample=3,
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.2, 0.25, 0.3],
    ).save_pretrained(folder)
    return str(folder)


# ---------------------------------------------------------------------------------------------------------- its name


@given(
    st.text("abc/.:@-_1", min_size=1, max_size=12),
    st.none() | st.integers(16, 4_096),
    st.none() | st.sets(st.integers(0, 40), min_size=1, max_size=4),
    st.sampled_from([(), (0,), (1,), (0, 1)]),
)
def test_a_network_is_named_with_its_size_layers_and_axes(
    name: str, px: int | None, layers: set[int] | None, axes: tuple[int, ...]
) -> None:
    if NetworkBeside.of(name) != NetworkBeside(name):  # the name itself ends as a size or layers do
        return
    text = name + ("" if px is None else f"@{px}")
    text += "" if layers is None else ":" + ",".join(map(str, layers))
    text += "~" * bool(axes) + "".join("hv"[axis] for axis in axes)
    assert NetworkBeside.of(text) == NetworkBeside(name, px, None if layers is None else tuple(sorted(layers)), axes)


@pytest.mark.parametrize(
    ("family", "given_", "said"),
    [
        (MahalanobisOptions, {"beside": ("toy",), "base": "toy"}, "names toy as another network does"),
        (MahalanobisOptions, {"beside": ("toy@48", "toy@48")}, "names toy as another network does"),
        (MahalanobisOptions, {"beside": ("toy~h", "toy@48~h", "toy~h")}, "names toy as another network does"),
        (MahalanobisOptions, {"beside": ("",)}, "a network has no name"),
        (
            MahalanobisOptions,
            {"beside": ("toy",), "where": "pooled", "join_layers": "apart"},
            "is for a single network",
        ),
        (MahalanobisOptions, {"beside": ("toy",), "where": "pooled", "learn_defects": True}, "is for a single network"),
        (MahalanobisOptions, {"beside": ("toy",), "where": "pooled", "object": "features"}, "is for a single network"),
        (MahalanobisOptions, {"beside": ("toy",), "cluster": "local"}, "is for a single network"),
        (MahalanobisOptions, {"beside": ("toy",), "where": "pooled", "updatable": "always"}, "several networks"),
        (ClassifierOptions, {"beside": ("toy",), "tuning": "lora"}, "`beside` does nothing with tuning lora"),
    ],
)
def test_what_does_not_go_with_several_is_refused(family: Any, given_: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        family.from_mapping({"data": "-", "out": "-"} | given_)


def test_a_run_does_not_look_beside(tmp_path: Path, toy_run: Path) -> None:
    for family in ("mahalanobis", "classifier"):
        with pytest.raises(OptionError, match="is a run; name its base, or write its network with"):
            train(family, data="-", dataset=_labelled(), out=tmp_path / "run", base="toy", beside=(str(toy_run),))
    with pytest.raises(OptionError, match="option `beside` does nothing"):
        train("mahalanobis", data="-", dataset=_labelled(), out=tmp_path / "run", base=str(toy_run), beside=("toy",))


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier whose network was trained."""
    out = tmp_path_factory.mktemp("below") / "run"
    how: dict[str, Any] = {"tuning": "full", "epochs": 1, "report": False}
    return train("classifier", data="-", dataset=_labelled(), out=out, base="toy", **how)


def test_what_an_exported_network_has_learned_counts_beside_too(tmp_path: Path, toy_run: Path) -> None:
    network = export_merged(toy_run, tmp_path / "network")
    options = MahalanobisOptions(data="-", out=tmp_path / "run", base="toy", beside=(f"{network}:1",))
    assert str(network) in named_below(options).values()
    with pytest.raises(DatasetError, match="seen"):  # nothing is left that it has not seen
        train("mahalanobis", options, dataset=_labelled())


# ------------------------------------------------------------------------------------------------- what each one sees


def test_each_network_sees_the_picture_as_its_own_processor_brings_it(other: str) -> None:
    """To size from the picture that the base sees, with mean and deviation of its own."""
    base = load_backbone("toy", LABELS, 0)
    several = several_of(base, [NetworkBeside(other)], LABELS, 0, lambda one: None)
    assert isinstance(several, SeveralBackbones)
    picture = part(1, scratched=True).resize(base.image_size_wh, Image.Resampling.BILINEAR)
    (_, first), (member, seen) = several.each(several.encode([picture])["pixel_values"])
    assert torch.equal(first, base.encode([picture])["pixel_values"])
    wanted = member.encode([picture])["pixel_values"]
    assert seen.shape == wanted.shape == (1, 3, 24, 24)
    # Pillow rounds to bytes after each direction, and cuts what overshoots
    assert float((seen - wanted).abs().max()) < 1.1 / 255 / 0.2
    assert float((seen - wanted).abs().mean()) < 0.4 / 255 / 0.2


def test_features_stand_one_network_after_another(other: str) -> None:
    base = load_backbone("toy", LABELS, 0, layers=(1, 2))
    several = several_of(
        base, [NetworkBeside(other, layers=(2, 4)), NetworkBeside("toy", 48)], LABELS, 0, lambda one: one.layers
    )
    assert isinstance(several, SeveralBackbones)
    pixels = several.encode([part(1, scratched=False)])["pixel_values"]
    with torch.inference_mode():
        found = several.features(pixels)
        alone = [member.features(seen) for member, seen in several.each(pixels)]
    assert torch.equal(found, torch.cat(alone, dim=1))
    assert len(several.item_names) == found.shape[1] == len(set(several.item_names))
    assert several.item_names[0].startswith("toy#1:layer1.")
    assert several.item_names[len(base.item_names)].startswith("tiny-dino:layer2.")
    assert several.item_names[-1].startswith("toy#2:last.")


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_a_mirrored_network_sees_the_mirrored_picture_and_its_cells_lie_where_the_picture_has_them(
    axes: tuple[int, ...], other: str
) -> None:
    base = load_backbone("toy", LABELS, 0)
    beside = [NetworkBeside(other, layers=(2,)), NetworkBeside(other, layers=(2,), mirrored=axes)]
    several = several_of(base, beside, LABELS, 0, lambda one: one.layers)
    assert isinstance(several, SeveralBackbones)
    picture = part(1, scratched=True)
    pixels = several.encode([picture])["pixel_values"]
    dims = [3 - axis for axis in axes]
    _, plain, mirrored = several.members
    (_, seen), (_, seen_again) = [*several.each(pixels)][1:]
    assert torch.equal(seen, seen_again)
    with torch.inference_mode():
        assert torch.equal(mirrored.features(seen), plain.features(seen.flip(dims)))
        assert not torch.allclose(mirrored.features(seen), plain.features(seen))
        (grid,), (of_mirror,) = mirrored.grids(seen), plain.grids(seen.flip(dims))
    assert torch.equal(grid, of_mirror.flip(dims))
    assert several.short_names == ("toy", "tiny-dino", "tiny-dino~" + "".join("hv"[axis] for axis in axes))


@pytest.fixture(scope="module")
def normalised(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network with batch normalisation, which computes something else while it trains."""
    folder = tmp_path_factory.mktemp("networks") / "tiny-resnet"
    torch.manual_seed(4)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    network = transformers.ResNetModel(config)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean = torch.rand(layer.num_features) - 0.5
            layer.running_var = torch.full((layer.num_features,), 0.5)
    network.save_pretrained(folder)
    transformers.BitImageProcessorPil(
        size={"height": 32, "width": 32}, do_center_crop=False, resample=3, image_mean=[0.5] * 3, image_std=[0.5] * 3
    ).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("way", ["classifier", "neighbours"])
def test_every_fold_is_judged_by_the_network_as_it_is(way: str, normalised: str, monkeypatch: Any) -> None:
    """Judging a fold must not leave a part of a network set to train, by which the next one would learn."""
    family_name, how = WAYS[way]
    family: Any = get_family(family_name)
    options = family.Options.from_mapping({"data": "-", "out": "-", "base": normalised, "beside": ("toy",), **how})
    data, task = _labelled(), Task(LABELS, ("ok",))
    if family_name == "mahalanobis":
        data = Dataset.from_examples(_parts(0, 40))
    folds = [row % 3 for row in range(len(data))]
    found = [one.defect_score for one in out_of_fold(family, options, task, data, folds, lambda *_: None)]
    for fold in range(3):
        inspector = to_be_fitted(family, options, task)
        assert not any(part.training for part in inspector.module.modules())
        monkeypatch.setattr(recent_features, "RECENT", recent_features.RecentFeatures())
        inspector.fit(data.select(row for row, of in enumerate(folds) if of != fold), NOTHING_SEEN, lambda *_: None)
        judged = [row for row, of in enumerate(folds) if of == fold]
        by_itself = [one.defect_score for one in Predictor(inspector).predict(data.select(judged))]
        assert [found[row] for row in judged] == pytest.approx(by_itself, rel=1e-5)


def test_judging_leaves_each_part_of_a_network_as_it_was(normalised: str) -> None:
    family: Any = get_family("classifier")
    options = family.Options.from_mapping({"data": "-", "out": "-", "base": normalised})
    inspector = to_be_fitted(family, options, Task(LABELS, ("ok",)))
    inspector.fit(_labelled(), NOTHING_SEEN, lambda *_: None)
    inspector.module.training = True  # of the whole alone
    before = [part.training for part in inspector.module.modules()]
    assert any(before)
    assert not all(before)
    list(Predictor(inspector).predict(_labelled()))
    assert [part.training for part in inspector.module.modules()] == before


def test_a_processor_that_does_more_than_resizing_is_refused(tmp_path: Path) -> None:
    base = load_backbone("toy", LABELS, 0)
    base.processor.do_rescale = False
    with pytest.raises(OptionError, match="does more than resizing and scaling"):
        several_of(base, [NetworkBeside("toy", 48)], LABELS, 0, lambda one: None)


# -------------------------------------------------------------------------------------------------- how maps are joined


@given(st.integers(0, 400))
def test_good_parts_are_held_out_by_turns(parts: int) -> None:
    turns = held_out_by_turns(parts)
    held = [row for turn in turns for row in turn.tolist()]
    assert len(set(held)) == len(held)
    assert all(0 < len(turn) < parts for turn in turns)
    assert len(held) >= min(20, parts) if parts > 1 else not turns


@given(st.integers(0, 2**20), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_a_joined_cell_is_the_nearest_of_each_network_and_rises_with_each(seed: int, networks: int) -> None:
    draw = np.random.default_rng(seed)
    sizes = [tuple(draw.integers(1, 7, 2).tolist()) for _ in range(networks)]
    grid = (max(rows for rows, _ in sizes), max(columns for _, columns in sizes))
    maps = [torch.from_numpy(draw.exponential(size=(2, *size)).astype(np.float32)) for size in sizes]
    usual = UsualByNetwork.of(torch.from_numpy(draw.normal(size=(9, networks))))
    found = usual.joined(maps, grid)
    assert found.shape == (2, *grid)
    nearest = [torch.nn.functional.interpolate(one[:, None], grid)[:, 0] for one in maps]  # as torch has it
    heights = sum(
        (one.log() - centre) / spread for one, centre, spread in zip(nearest, usual.centre, usual.spread, strict=True)
    )
    assert torch.allclose(found, (usual.spread.mean() * heights / networks).exp(), rtol=1e-4)
    farther = [one * (2.0 if number == 0 else 1.0) for number, one in enumerate(maps)]
    assert bool((usual.joined(farther, grid) > found).all())
    usually = [torch.full((1, 1, 1), float(centre.exp())) for centre in usual.centre]
    assert usual.joined(usually, (1, 1)).item() == pytest.approx(1, rel=1e-5)


def _made(seed: int, networks: int) -> tuple[list[CellShares], list[NDArray[np.float32]], NDArray[np.float32]]:
    """Of each network shares of a fitted space, and the features of good parts; and of one more part, of all."""
    draw = np.random.default_rng(seed)
    shares, good, new = [], [], []
    for number in range(networks):
        rows, columns, count = (int(of) for of in draw.integers((1, 1, 1), (5, 5, 4)))
        layout = CellLayout.of_channels([f"layer{number}"], [(count, rows, columns)], [range(count)])
        features = draw.normal(size=(14, sum(layout.numbers))).astype(np.float32)
        x = items_of_cells(layout, torch.from_numpy(features[:13]))
        space = fit_spaces(partial(iter, [x]), pooled=True, ridge=0.1)
        shares.append(CellShares.of_arrays(layout, space.to_arrays()))
        good.append(features[:13])
        new.append(features[13] * draw.choice([0.5, 4]))
    return shares, good, np.concatenate(new)


@given(st.integers(0, 2**20), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_shares_of_networks_add_up_and_are_theirs_who_find_it_far(seed: int, networks: int) -> None:
    shares, _, features = _made(seed, networks)
    grid = (max(one.layout.grid[0] for one in shares), max(one.layout.grid[1] for one in shares))
    layout = NetworkLayouts(tuple(f"net{number}" for number in range(networks)), grid, tuple(shares))
    usual = {"network_centre": np.zeros(networks, np.float32), "network_spread": np.ones(networks, np.float32)}
    joined = NetworkShares.of_arrays(layout, usual)
    parts = np.split(features, np.cumsum([sum(one.layout.numbers) for one in shares])[:-1])
    for cell in range(grid[0] * grid[1]):
        found = joined.of([SeenCell(features, cell, 3.0)], 3.0)
        assert found.sum() == pytest.approx(3, rel=CLOSE)
        assert sum(layout.of_layers(found).values()) == pytest.approx(3, rel=CLOSE)
        away = [float(one.at(own, layout.cell_of(one, cell)).sum()) for one, own in zip(shares, parts, strict=True)]
        if max(away) > 1:  # by more than is usual
            of_each = [layout.of_layers(found)[f"net{number}:layer{number}"] for number in range(networks)]
            assert all(
                share == pytest.approx(0, abs=CLOSE) for share, far in zip(of_each, away, strict=True) if far <= 1
            )
            assert int(np.argmax(of_each)) == int(np.argmax(away))


# ------------------------------------------------------------------------------------------------------ runs of several

WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "positions": ("mahalanobis", {"where": "positions", "place_items": 12}),
    "neighbours": ("mahalanobis", {"where": "neighbours"}),
    "pooled": ("mahalanobis", {"where": "pooled"}),
    "pooled, in tiles": ("mahalanobis", {"where": "pooled", "tile_px": 32}),
    "whole pictures": ("mahalanobis", {}),
    "classifier": ("classifier", {"head": "linear"}),
}


def _labelled() -> Dataset:
    return Dataset.from_examples(_parts(0, 20) + _parts(40, 20, bad=True))


def _scores(predictor: Predictor, judged: Dataset) -> list[float]:
    return [one.defect_score for one in predictor.predict(judged) if one.defect_score is not None]


def _run(way: str, other: str, out: Path, **more: Any) -> Path:
    family, how = WAYS[way]
    data = _labelled() if family == "classifier" else Dataset.from_examples(_parts(0, 20))
    # with a split of its own, so that nothing is fitted in folds
    data = data.with_splits(["validation" if row % 4 == 0 else "train" for row in range(len(data))])
    how = {"base": "toy", "beside": (other, "toy@48:1~h"), "report": False, **how, **more}
    return train(family, data="-", dataset=data, out=out, **how)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_of_several_networks_judges_as_it_did_when_it_was_made(way: str, other: str, tmp_path: Path) -> None:
    run = _run(way, other, tmp_path / "run")
    judged = Dataset.from_examples(_parts(100, 4, bad=True) + _parts(200, 4))
    predictor = load_predictor(run)
    scores = _scores(predictor, judged)
    assert min(scores[:4]) > max(scores[4:]), "scratches are plain to see"
    torch_alone = _scores(load_predictor(run, engine="torch"), judged)
    assert scores == pytest.approx(torch_alone, rel=2e-3, abs=1e-4)
    singly = [predictor.predict(one.image.data).defect_score for one in judged if one.image.data]
    assert singly == pytest.approx(scores, rel=2e-3, abs=1e-4)


@pytest.mark.skipif(version_of("openvino") is None or version_of("onnx") is None, reason="needs both engines")
@pytest.mark.parametrize(
    ("way", "to"),
    [
        ("positions", "openvino"),
        ("classifier", "openvino"),
        pytest.param("neighbours", "openvino", marks=pytest.mark.slow),
        pytest.param("pooled", "onnx", marks=pytest.mark.slow),
    ],
)
def test_a_package_of_several_networks_judges_as_its_run(way: str, to: Any, other: str, tmp_path: Path) -> None:
    run = _run(way, other, tmp_path / "run")
    judged = Dataset.from_examples(_parts(100, 3, bad=True))
    package = load_predictor(export_package(run, tmp_path / "package", to=to))
    for found, wanted in zip(package.predict(judged), load_predictor(run).predict(judged), strict=True):
        assert found.defect_score == pytest.approx(wanted.defect_score, rel=2e-3, abs=1e-4)
        if way != "classifier":
            assert found.layer_contributions == pytest.approx(wanted.layer_contributions, rel=2e-2, abs=1e-3)
            assert sum((found.layer_contributions or {}).values()) == pytest.approx(found.distance, rel=CLOSE)


def test_a_package_is_not_written_over_a_network(other: str, tmp_path: Path) -> None:
    package = export_package(_run("classifier", other, tmp_path / "first"), tmp_path / "package", to="openvino")
    inside = copytree(other, package / "tiny-dino")
    run = _run("classifier", str(inside), tmp_path / "run")
    with pytest.raises(OutputExistsError, match="choose another folder"):
        export_package(run, package, to="openvino", overwrite=True)
    assert (inside / "model.safetensors").is_file()


def test_each_network_shows_its_own_map(other: str, tmp_path: Path) -> None:
    predictor = load_predictor(_run("neighbours", other, tmp_path / "run"))
    part(100, scratched=True).save(tmp_path / "part.png")
    found = [next(explain(predictor, [tmp_path / "part.png"], way=way)).maps[0] for way in (None, "toy", "tiny-dino")]
    grids = [np.asarray(one.grid) for one in found]
    assert [grid.shape for grid in grids] == [(6, 6), (4, 4), (3, 3)], "the joined one is as fine as the finest"
    score = predictor.predict(tmp_path / "part.png").defect_score
    assert float(grids[0].max()) == pytest.approx(score, rel=1e-3)
    assert [one.score for one in found] == pytest.approx([float(grid.max()) for grid in grids], rel=1e-6)
    with pytest.raises(OptionError, match="toy, tiny-dino, toy~h"):
        next(explain(predictor, [tmp_path / "part.png"], way="lite0"))


def test_of_tiles_the_joined_map_alone_is_shown(other: str, tmp_path: Path) -> None:
    predictor = load_predictor(_run("pooled, in tiles", other, tmp_path / "run"))
    part(100, scratched=True).save(tmp_path / "part.png")
    assert next(explain(predictor, [tmp_path / "part.png"])).maps
    with pytest.raises(OptionError, match="whole pictures as they are"):
        next(explain(predictor, [tmp_path / "part.png"], way="toy"))


def test_files_of_a_network_that_are_gone_are_told(other: str, tmp_path: Path) -> None:
    run = _run("positions", other, tmp_path / "run")
    (run / "model" / "networks.npz").unlink()
    with pytest.raises(RunError, match="networks"):
        load_predictor(run)


@pytest.mark.parametrize("count", [2, 5])
def test_a_few_good_parts_are_enough(count: int, other: str, tmp_path: Path) -> None:
    data = Dataset.from_examples(_parts(0, count))
    how: dict[str, Any] = {"base": "toy", "beside": (other,), "where": "neighbours", "report": False}
    run = train("mahalanobis", data="-", dataset=data, out=tmp_path / "run", **how)
    scores = _scores(load_predictor(run), Dataset.from_examples(_parts(100, 4, bad=True) + _parts(200, 4)))
    assert np.mean(scores[:4]) > np.mean(scores[4:])
