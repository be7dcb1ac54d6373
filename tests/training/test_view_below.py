"""A run on another one looks at pictures as that does, in every option that says what of them is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from kenpin.errors import OptionError
from kenpin.models import get_family
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record
from kenpin.station.learning.commands import repeated_options
from kenpin.training import train
from kenpin.training.view_below import VIEW_OPTIONS, with_view_of_base
from tests.drawn_parts import SIZE, drawn_part, drawn_parts

HOW: dict[str, Any] = {"tuning": "full", "epochs": 1, "report": False}
OTHER = {"tile_px": 64, "overlap": 0.5, "object": "none", "px_per_mm": (3.0,), "roi_default": "whole"}
"""Another value of each option that is no file."""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """References, masks, and masks by picture."""
    folder = tmp_path_factory.mktemp("plant")
    drawn_part(500).save(folder / "reference.png")
    drawn_part(501).transpose(Image.Transpose.ROTATE_180).save(folder / "other.png")
    (folder / "masks").mkdir()
    for picture in (*drawn_parts(0), *drawn_parts(20)):
        Image.new("L", SIZE, 255).save(folder / "masks" / f"{picture.id}.bmp")
    for name, left in (("region", 8), ("less", 30)):
        mask = Image.new("L", SIZE)
        ImageDraw.Draw(mask).rectangle((left, 4, 90, 68), fill=255)
        mask.save(folder / f"{name}.png")
    return folder


def set_options(plant: Path) -> dict[str, dict[str, Any]]:
    """Of each option a value that is not the usual one, with what it needs."""
    return {
        "roi": {"roi": str(plant / "region.png")},
        "roi_default": {"roi": str(plant / "masks"), "roi_default": str(plant / "region.png")},
        "align": {"align": str(plant / "reference.png")},
        "object": {"object": "brightness"},
        "px_per_mm": {"px_per_mm": (2.0, 4.0)},
        "tile_px": {"tile_px": 48},
        "overlap": {"tile_px": 48, "overlap": 0.125},
    }


def based(base: Path, **given: Any) -> Any:
    kind = get_family("classifier").Options
    return with_view_of_base(kind.from_mapping({"data": "-", "out": "-", "base": str(base)} | given))


def test_each_option_that_says_what_is_looked_at_is_tried(plant: Path) -> None:
    assert set(set_options(plant)) == set(VIEW_OPTIONS)


@pytest.fixture(scope="module", params=VIEW_OPTIONS)
def run(request: pytest.FixtureRequest, plant: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An option, and a run that set it."""
    out = tmp_path_factory.mktemp(request.param) / "run"
    how = HOW | {"base": "toy"} | set_options(plant)[request.param]
    return request.param, train("classifier", data="-", dataset=drawn_parts(0), out=out, **how)


def test_it_is_taken_over_by_the_files_that_the_base_keeps_and_told(run: tuple[str, Path], plant: Path) -> None:
    name, base = run
    options, (sentence,) = based(base)
    said = set_options(plant)[name]
    assert sentence.startswith(f"Looks at pictures as base {base} does: ")
    assert options.overlap == said.get("overlap", 0.25)
    for one, value in said.items():
        found = getattr(options, one)
        if one in ("roi", "align", "roi_default") and found != value:
            assert Path(found).is_relative_to(base.resolve()) or Path(found) == Path(value)
        else:
            assert found == value


def test_the_same_said_again_is_no_other_value(run: tuple[str, Path], plant: Path) -> None:
    name, base = run
    options, notes = based(base, **set_options(plant)[name])
    assert not notes or "overlap" in notes[0]
    assert getattr(options, name) == set_options(plant)[name][name]


def test_another_value_is_refused_with_a_remedy_that_works(run: tuple[str, Path], plant: Path) -> None:
    name, base = run
    other = {"roi": str(plant / "less.png"), "align": str(plant / "other.png")} | OTHER
    given = set_options(plant)[name] | {name: other[name]}
    if name == "px_per_mm":  # no weight depends on it
        options, (sentence,) = based(base, **given)
        assert options.px_per_mm == (3.0,)
        assert "keeps 2 across and 4 down pixels a millimetre; sizes are by the 3 that" in sentence
    elif name == "roi_default":  # regions of other pictures say nothing of these
        assert based(base, **given)[0].roi_default == "whole"
    else:
        with pytest.raises(OptionError, match=f"option `{name}` .* leave it out"):
            based(base, **given)
        assert based(base)[0]


def test_a_training_on_it_judges_by_the_same_view_and_says_so(
    run: tuple[str, Path], plant: Path, tmp_path: Path
) -> None:
    _, base = run
    out = train("classifier", data="-", dataset=drawn_parts(20), out=tmp_path / "run", base=str(base), **HOW)
    record = read_record(out)
    assert any(note.startswith("Looks at pictures as base") for note in record.notes)
    assert len(list(load_predictor(out).predict(drawn_parts(40, 2)))) == 4


def test_a_station_repeats_it_by_the_files_that_the_run_keeps(run: tuple[str, Path], plant: Path) -> None:
    name, base = run
    repeated, said = repeated_options(base), set_options(plant)[name]
    for one, value in said.items():
        if one in ("roi", "align", "roi_default"):
            continue
        assert repeated[one] == (list(value) if isinstance(value, tuple) else value)
    if name in ("roi", "roi_default"):
        assert Path(repeated["roi"]).is_relative_to(base)
        assert repeated.get("roi_default") is None
    if name == "align":
        assert Path(repeated["align"]).is_relative_to(base)
