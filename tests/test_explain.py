"""`kenpin explain`: maps peak where the scratch is, are drawn with a bar, and are written as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image
from scipy import ndimage

from kenpin.cli import main
from kenpin.data.images import read_image
from kenpin.errors import OptionError
from kenpin.explain import Explanation, array_file, compare, explain
from kenpin.models.mahalanobis import MahalanobisOptions, patch_inspector
from kenpin.predictor import load_predictor
from kenpin.records import ImageSource, Map
from kenpin.strict_options import StrictOptions
from kenpin.training import train
from tests.objects import made_objects
from tests.pictures import part, write_parts
from tests.toy_runs import trained

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "positions": ("mahalanobis", {"base": "toy", "where": "positions"}),
    "positions-lite0": ("mahalanobis", {"base": "lite0", "where": "positions", "place_items": 60}),
    "some-channels": ("mahalanobis", {"base": "toy", "where": "positions", "place_items": 12}),
    "pooled": ("mahalanobis", {"base": "toy", "where": "pooled"}),
    "pooled-lite0": ("mahalanobis", {"base": "lite0", "where": "pooled"}),
    "head": ("classifier", {"base": "lite0"}),
    "linear": ("classifier", {"base": "lite0", "head": "linear"}),
    "vit": ("classifier", {"base": "toy", "tuning": "full", "epochs": 20, "learning_rate": 1e-3}),
    "lora": ("classifier", {"base": "toy", "tuning": "lora", "epochs": 1}),
    "whole": ("mahalanobis", {"base": "lite0", "layers": (2, 3, 4)}),
    "recognition": ("mahalanobis", {"base": "toy", "method": "rt"}),
    "embedder": ("embedder", {"base": "lite0", "epochs": 2, "dimension": 8}),
}


@pytest.fixture(scope="session")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs by name, trained on few pictures when they are first asked for."""
    folder, made = tmp_path_factory.mktemp("explained"), {}
    few = write_parts(folder / "parts", count=20)

    def run(name: str) -> Path:
        if name not in made:
            family, options = RUNS[name]
            made[name] = train(family, data=str(few), out=folder / name, report=False, **options)
        return made[name]

    return run


def _scratched(folder: Path, count: int) -> list[tuple[Path, NDArray[np.bool_]]]:
    """Pictures that no training saw, with where their scratches are."""
    found = []
    for seed in range(500, 500 + count):
        path = folder / f"{seed}.png"
        part(seed, scratched=True).save(path)
        found.append((path, np.asarray(part(seed, scratched=True).convert("L")) > 230))
    return found


@pytest.mark.parametrize(
    ("name", "way", "lift", "found"),
    [
        ("positions", None, 2.0, 0.7),
        pytest.param("positions-lite0", None, 3.0, 0.9, marks=pytest.mark.slow),
        ("pooled", None, 2.0, 0.7),
        pytest.param("pooled-lite0", None, 3.0, 0.9, marks=pytest.mark.slow),
        ("whole", None, 3.0, 0.9),
        ("head", "gradcam", 3.0, 0.7),
        pytest.param("linear", "gradcam", 3.0, 0.7, marks=pytest.mark.slow),
        ("vit", "rollout", 1.2, 0.8),
    ],
)
def test_maps_point_at_the_scratch(
    explained: Any, tmp_path: Path, name: str, way: str | None, lift: float, found: float
) -> None:
    """Mass on the scratch over what an even map has there, and the share of peaks within 6 pixels of it."""
    pictures = _scratched(tmp_path, 8)
    predictor = load_predictor(explained(name))
    lifts, peaks = [], []
    for one, (_, scratch) in zip(explain(predictor, [p for p, _ in pictures], way=way), pictures, strict=True):
        values = one.maps[0].values
        lifts.append(values[scratch].mean() / values.mean())
        near = ndimage.binary_dilation(scratch, iterations=6)
        peaks.append(near[np.unravel_index(values.argmax(), values.shape)])
    assert np.mean(lifts) > lift
    assert np.mean(peaks) >= found


@pytest.mark.parametrize("name", ["positions", "pooled"])
def test_the_score_is_the_map_s_maximum(explained: Any, tmp_path: Path, name: str) -> None:
    predictor = load_predictor(explained(name))
    paths = [path for path, _ in _scratched(tmp_path, 3)]
    predictions = list(predictor.predict_files(paths))
    for said, one in zip(predictions, explain(predictor, paths), strict=True):
        (found,) = one.maps
        assert said.defect_score == said.distance == pytest.approx(found.score, rel=1e-5)
        assert found.values.max() == pytest.approx(found.score, rel=1e-6)
        assert found.unit == "D²/k"
    good = tmp_path / "good.png"
    part(900, scratched=False).save(good)
    assert next(explain(predictor, [good])).maps[0].score < predictions[0].defect_score  # type: ignore[operator]


def test_shares_of_a_distance_add_up_to_it(explained: Any, tmp_path: Path) -> None:
    ((path, _),) = _scratched(tmp_path, 1)
    enlarged = read_image(ImageSource(str(path))).resize((280, 280))
    enlarged.save(path)
    predictor = load_predictor(explained("whole"))
    (prediction,) = predictor.predict_files([path])
    (found,) = next(explain(predictor, [path])).maps
    # on a grid of 28 × 28, each place's number stands at its centre
    assert found.values[5::10, 5::10].sum() == pytest.approx(prediction.distance, rel=1e-3)


@pytest.mark.parametrize("name", ["positions", "pooled"])
def test_batches_and_their_maps_agree(explained: Any, parts: Path, name: str) -> None:
    from kenpin.data.loading import load_dataset

    predictor, data = load_predictor(explained(name)), load_dataset(parts).select(range(55, 65))
    whole = [found for _, found in predictor.localise(data)]
    single = [found for _, found in predictor.localise(data, batch_size=1)]
    for one, other in zip(whole, single, strict=True):
        assert np.allclose(one.values, other.values, rtol=1e-4)


@pytest.mark.parametrize("name", ["positions", "head", "vit"])
def test_maps_lie_in_the_displayed_picture(explained: Any, tmp_path: Path, name: str) -> None:
    """Turned by its EXIF orientation, and not square: the map is that of the upright picture."""
    upright = part(501, scratched=True).resize((96, 64)).crop((0, 0, 90, 64))
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    predictor = load_predictor(explained(name))
    one, other = explain(predictor, [tmp_path / "upright.png", tmp_path / "turned.png"])
    assert one.maps[0].values.shape == other.maps[0].values.shape == (64, 90)
    assert np.allclose(one.maps[0].values, other.maps[0].values, rtol=1e-5)


def test_a_class_can_be_named(explained: Any, tmp_path: Path) -> None:
    ((path, _),) = _scratched(tmp_path, 1)
    predictor = load_predictor(explained("head"))
    said, other, named = (next(explain(predictor, [path], label=label)).maps[0] for label in (None, "ok", "scratch"))
    assert (said.shows, other.shows) == ("speaks for scratch", "speaks for ok")
    assert np.array_equal(said.values, named.values)
    assert not np.allclose(said.values, other.values)
    with pytest.raises(OptionError, match="'dent' is not a class of this run; there are ok, scratch"):
        next(explain(predictor, [path], label="dent"))


def test_what_has_no_map_says_what_has(explained: Any, tmp_path: Path) -> None:
    ((path, _),) = _scratched(tmp_path, 1)
    with pytest.raises(OptionError, match="train mahalanobis with --where"):
        next(explain(load_predictor(explained("embedder")), [path]))
    with pytest.raises(OptionError, match="take method mt or mta"):
        next(explain(load_predictor(explained("recognition")), [path]))
    with pytest.raises(OptionError, match="leave --way and --label out"):
        next(explain(load_predictor(explained("whole")), [path], label="ok"))
    with pytest.raises(OptionError, match="train mahalanobis with --where"):
        next(load_predictor(explained("head")).localise(made_objects(1)))
    with pytest.raises(OptionError, match="leave --way and --label out"):
        next(explain(load_predictor(explained("positions")), [path], way="rollout"))
    with pytest.raises(OptionError, match="makes no embeddings"):
        compare(load_predictor(explained("vit")), path, path)
    assert next(explain(load_predictor(explained("lora")), [path])).maps[0].unit == "relevance"


@pytest.mark.parametrize("family", ["florence2", "paligemma"])
def test_each_detection_has_its_map(family: str, tmp_path: Path) -> None:
    run = trained(family, tmp_path / "run", None, epochs=1, tuning="full")
    inspector: Any = load_predictor(run).inspector
    (example,) = made_objects(1)
    picture = read_image(example.image)
    (maps,) = inspector.maps([picture], [example])
    (prediction,) = load_predictor(run).predict(made_objects(1))
    assert prediction.detections is not None
    assert [one.box for one in maps] == list(prediction.detections.boxes_xyxy_px)
    assert len(maps) > 0
    for one, label in zip(maps, prediction.detections.labels, strict=True):
        assert one.values.shape == picture.size[::-1]
        assert label in one.shows
        assert 0 < one.values.max() < 100
    label = prediction.detections.labels[0]
    (of_label,) = inspector.maps([picture], [example], label=label)
    assert len(of_label) == prediction.detections.labels.count(label)
    with pytest.raises(OptionError, match="have only `attention`"):
        inspector.maps([picture], [example], way="rollout")


def _cli(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return int(end.value.code or 0)


def test_the_command_draws_and_writes(explained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [path for path, _ in _scratched(tmp_path, 2)]
    (tmp_path / "no.png").write_bytes(b"no picture")
    run, out, array = explained("positions"), tmp_path / "out", tmp_path / "maps.npz"
    status = _cli("explain", run, *pictures, tmp_path / "no.png", "--out", out, "--array", array)
    said = capsys.readouterr()
    assert status == 1
    assert "no.png" in said.err
    rows = [line.split("\t")[1:] for line in said.out.splitlines()]
    told = {name: [words for row, words in rows if row == name] for name in ("region", "items", "layers")}
    assert [words for row, words in rows if row not in told] == ["distance from good parts"] * 2
    assert told["region"], "the scratches are regions of their own"
    for words, prediction in zip(told["items"], load_predictor(run).predict_files(pictures), strict=True):
        assert words.split()[0] == next(iter(prediction.contributions or {}))
    assert sorted(path.name for path in out.iterdir()) == ["0001-500.png", "0002-501.png"]
    with np.load(array, allow_pickle=False) as arrays:
        predictor = load_predictor(run)
        for number, one in enumerate(explain(predictor, pictures), start=1):
            assert np.array_equal(arrays[f"map{number:04d}"], one.maps[0].values)
        assert arrays["picture"].tolist() == [str(path) for path in pictures]
        assert arrays["unit"].tolist() == ["D²/k"] * 2
        assert arrays["box_xyxy_px"].shape == (2, 4)
    assert _cli("explain", run, pictures[0], "--out", out) == 2
    assert "already exists" in capsys.readouterr().err
    assert _cli("explain", run, pictures[0], "--out", tmp_path / "one.png") == 0
    assert Image.open(tmp_path / "one.png").width > 700


def test_an_embedder_s_likeness_is_that_of_its_vectors(explained: Any, tmp_path: Path) -> None:
    (one, _), (other, _) = _scratched(tmp_path, 2)
    predictor = load_predictor(explained("embedder"))
    a, b = (np.array(said.embedding) for said in predictor.predict_files([one, other]))
    for found in compare(predictor, one, other):
        assert f"{a @ b / np.linalg.norm(a) / np.linalg.norm(b):.3f}" in found.maps[0].shows


def test_two_pictures_are_compared(explained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one, _), (other, _) = _scratched(tmp_path, 2)
    run = explained("head")
    assert _cli("explain", run, one, "--against", other, "--out", tmp_path / "alike") == 0
    assert len(list((tmp_path / "alike").iterdir())) == 2
    assert capsys.readouterr().out.count("shares of the cosine") == 2
    for words in (
        (one, other, "--against", other, "--out", tmp_path / "more"),
        (one, "--against", other, "--label", "ok", "--out", tmp_path / "more"),
        (one, "--against", other, "--out", tmp_path / "one.png"),
        (one, other, "--out", tmp_path / "one.png"),
        (one, "--out", tmp_path / "two.png", "--array", tmp_path / "maps.txt"),
    ):
        assert _cli("explain", run, *words) == 2
        assert not any((tmp_path / name).exists() for name in ("more", "one.png", "two.png"))


def _added_until_full(add: Callable[[Explanation], None], one: Explanation) -> None:
    add(one)
    raise OSError("full")


def test_an_array_file_is_named_when_it_is_whole(tmp_path: Path) -> None:
    one = Explanation("a", Image.new("RGB", (4, 3)), (Map(np.ones((3, 4), np.float32), "what", "unit"),))
    with pytest.raises(OSError, match="full"), array_file(tmp_path / "maps.npz") as add:
        _added_until_full(add, one)
    assert not list(tmp_path.iterdir())
    with array_file(tmp_path / "maps.npz"):
        pass
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as arrays:
        assert arrays["picture"].size == 0


def test_options_of_places() -> None:
    def options(**values: Any) -> MahalanobisOptions:
        found = MahalanobisOptions.from_mapping({"data": "-", "out": "-"} | values)
        assert isinstance(found, StrictOptions)
        return found

    assert options().lite0_layers == (6,)
    assert options(where="positions").lite0_layers == (4, 5, 6)
    assert options(where="pooled", layers=(2, 3)).lite0_layers == (2, 3)
    assert "place_items" in options(where="pooled").idle()
    with pytest.raises(OptionError, match="`place_items` does nothing with where pooled"):
        options(where="pooled", place_items=5)
    with pytest.raises(OptionError, match="`method` does nothing with where positions"):
        options(where="positions", method="mta")


def test_a_run_keeps_its_own_channels(explained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of NumPy could draw others."""
    paths = [path for path, _ in _scratched(tmp_path, 2)]
    before = [said.distance for said in load_predictor(explained("some-channels")).predict_files(paths)]
    monkeypatch.setattr(patch_inspector, "chosen_channels", lambda channels, items: np.arange(items))
    after = [said.distance for said in load_predictor(explained("some-channels")).predict_files(paths)]
    assert after == pytest.approx(before, rel=1e-4)


def test_features_of_places_are_no_pooled_features(explained: Any, tmp_path: Path) -> None:
    """Both kinds of run stand on one base and share the feature store."""
    ((path, _),) = _scratched(tmp_path, 1)
    for name in ("whole", "positions", "pooled", "whole"):
        (prediction,) = load_predictor(explained(name)).predict_files([path])
        assert prediction.distance is not None
