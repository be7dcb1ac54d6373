"""Maps of the origin of a run's answer, or of the similarity of two pictures: drawn, and as arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from kenpin.data.images import read_image
from kenpin.data.reading.names import name_of_file
from kenpin.drawing import draw_maps
from kenpin.errors import ImageError, OptionError
from kenpin.files import new_file
from kenpin.models.contract import Explained, Localised, OnError
from kenpin.models.explaining import map_and_prediction, maps_of
from kenpin.predictor import Predictor
from kenpin.records import Example, ImageSource, Map, Prediction
from kenpin.regions import DefectRegion, regions_of_map
from kenpin.regions.region import PxPerMm


@dataclass(frozen=True, eq=False)
class Explanation:
    """A displayed picture with the maps of its predictions."""

    id: str
    picture: Image
    maps: tuple[Map, ...]
    regions: tuple[DefectRegion, ...] = ()
    """Regions of its maps, where they were asked for; the largest first."""
    prediction: Prediction | None = None
    """Where the map gives the score: the prediction, with the shares of items and layers in it."""


def explain(
    predictor: Predictor,
    images: Iterable[str | Path],
    *,
    way: str | None = None,
    label: str | None = None,
    on_error: OnError | None = None,
) -> Iterator[Explanation]:
    """Maps of each picture file: one, or one for each detection, of which there may be none.

    way: relevance, rollout, gradcam or shares, where the run's network leaves a choice; label: the class to explain
    instead of the predicted one. Raises OptionError, and ImageError where no `on_error` is given.
    """
    _refuse_tables(predictor)
    inspector = predictor.model
    if not isinstance(inspector, Explained):
        raise OptionError(
            "this run has no map of an answer; compare two pictures with --against, or train mahalanobis with --where."
        )
    for path in images:
        example = Example(id=str(path), image=ImageSource(path=str(path)))
        try:
            picture = read_image(example.image)
        except ImageError as error:
            if on_error is None:
                raise
            on_error(example, error)
            continue
        if isinstance(inspector, Localised) and way is None and label is None:
            shown, prediction = map_and_prediction(inspector, picture, example)
            yield Explanation(example.id, picture, shown, prediction=prediction)
            continue
        (maps,) = maps_of(inspector, [picture], [example], way, label)
        yield Explanation(example.id, picture, maps)


def compare(predictor: Predictor, image: str | Path, against: str | Path) -> tuple[Explanation, Explanation]:
    """Maps of the similarity of two pictures' embeddings, one in each picture. Raises OptionError, ImageError."""
    from kenpin.models.looking.ways import likeness_maps

    _refuse_tables(predictor)
    paths = str(image), str(against)
    first, second = (read_image(ImageSource(path=path)) for path in paths)
    of_first, of_second = likeness_maps(predictor.inspector, [first, second])
    return Explanation(paths[0], first, (of_first,)), Explanation(paths[1], second, (of_second,))


def _refuse_tables(predictor: Predictor) -> None:
    if predictor.reads_tables:
        raise OptionError(
            "this run judges rows of a table, of which there are no maps; `kenpin predict RUN TABLE --json FILE` gives "
            "the share of each item in a row's distance."
        )


def with_regions(explanation: Explanation, cut: float, px_per_mm: PxPerMm | None = None) -> Explanation:
    """The explanation with the regions in which its maps reach the cut. Raises ShapeError for no finite one."""
    found = [region for map_ in explanation.maps for region in regions_of_map(map_, cut, px_per_mm)]
    return replace(explanation, regions=tuple(sorted(found, key=lambda region: -region.area_px)))


def told_shares(shares: Mapping[str, float], score: float, most: int | None = None) -> str:
    """Shares of a score, the largest first, in percent of it; most: how many are told.

    >>> told_shares({"stage4": 1.0, "stage6": 3.0}, 4.0)
    'stage6 75 %, stage4 25 %'
    """
    told = sorted(shares.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{name} {round(100 * share / score)} %" for name, share in told)


def write_drawings(
    explanations: Iterable[Explanation], out: str | Path, *, fails_from: float | None = None
) -> Iterator[tuple[Explanation, Path]]:
    """Draw each explanation into `out`: a .png file for a single one, else a folder, as `NUMBER-NAME.png`.

    Raises OSError.
    """
    out = Path(out)
    single = out.suffix.lower() == ".png"
    for number, explanation in enumerate(explanations, start=1):
        path = out if single else out / name_of_file(f"{number:04d}-{Path(explanation.id).stem}.png")
        with new_file(path) as unfinished:
            drawn = draw_maps(explanation.picture, explanation.maps, fails_from=fails_from, regions=explanation.regions)
            drawn.save(unfinished)
        yield explanation, path


@contextmanager
def array_file(path: str | Path) -> Iterator[Callable[[Explanation], None]]:
    """A function that writes the maps of explanations into an `.npz` file, one by one; it is renamed when complete.

    `map0001`, `map0002`, …: (h, w) float32; of each, in their order: `picture`, `shows`, `unit`, `score` (NaN where
    there is none) and `box_xyxy_px` (NaN where the map belongs to no detection).
    """
    path = Path(path)
    rows: dict[str, list[Any]] = {"picture": [], "shows": [], "unit": [], "score": [], "box_xyxy_px": []}
    with new_file(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:

        def add(explanation: Explanation) -> None:
            for map_ in explanation.maps:
                score = np.nan if map_.score is None else map_.score
                values = (explanation.id, map_.shows, map_.unit, score, map_.box or (np.nan,) * 4)
                for column, value in zip(rows.values(), values, strict=True):
                    column.append(value)
                _put(archive, f"map{len(rows['picture']):04d}", map_.values)

        yield add
        for name, column in rows.items():
            _put(archive, name, np.array(column))


def _put(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
