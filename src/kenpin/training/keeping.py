"""What a run keeps of the evaluated pictures for its report: thumbnails, vectors, and maps of the worst."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image, read_mask
from kenpin.errors import ImageError, OptionError
from kenpin.evaluation.mistakes import worst_first
from kenpin.evaluation.parts import pictures_of
from kenpin.metrics.projection import principal_components
from kenpin.models.contract import ChoosesItems, Explained, Inspector, Localised, ReadsTables
from kenpin.models.explaining import maps_of
from kenpin.models.looked_at import leaves_out, looked_at
from kenpin.models.looking.ways import TOGETHER
from kenpin.predictor import Predictor
from kenpin.records import Evaluation, Example, ImageSource, Map
from kenpin.run import maps, thumbnails
from kenpin.run.layout import EvaluationFiles
from kenpin.run.looked_at import LookedAt, write_looked_at
from kenpin.run.vectors import ProjectedEmbedding, write_embedding
from kenpin.targets import Target

_LOOKED_AT = 12
"""Pictures whose masks a report shows, about."""
_PROJECTED = 5_000  # pictures at most whose vectors are stored
_THUMBNAIL_PX = {Target.LABEL: 128, Target.BOXES: 320, Target.TEXT: 256}
"""Boxes are drawn on them, texts read beside them."""
_OF_SCORES, _OF_ANSWERS = (60, 18), (12, 12)
"""Maps of mistakes, and of other parts with high scores: those that the score is read off cost nothing more, others
take a pass back through the network each."""
MAPS_OF_ANSWERS = sum(_OF_ANSWERS)
"""Passes back at most that a report's maps take."""


def keep_for_report(
    predictor: Predictor, pictures: Dataset, evaluation: Evaluation, files: EvaluationFiles, *, held_out: bool
) -> None:
    """Write it into the run.

    held_out: whether the scores are by this very predictor, as the maps are, not by fits without each part.
    """
    seen = {} if files.looked_at is None else _looked_at(predictor, pictures)
    thumbnails.write_thumbnails(
        pictures,
        files.thumbnails,
        read_image,
        first=[*seen, *(id for _, part in worst_first(evaluation.judged) for id in pictures_of(part))],
        max_side_px=_THUMBNAIL_PX[predictor.target],
    )
    if files.looked_at is not None and seen:
        write_looked_at(files.looked_at, seen)
    if predictor.target is Target.LABEL:
        if files.vectors is not None:
            _keep_vectors(predictor, pictures, files.vectors)
        _keep_maps(predictor, pictures, evaluation, files.maps, held_out)


def _looked_at(predictor: Predictor, pictures: Dataset) -> dict[str, LookedAt]:
    """What is looked at in some pictures, evenly drawn of all; of none where the inspector looks at whole ones."""
    if not leaves_out(predictor.model):
        return {}
    if isinstance(predictor.model, Inspector):
        predictor.model.module.eval()
    found = {}
    for example in pictures.select(range(0, len(pictures), -(-len(pictures) // _LOOKED_AT))):
        try:
            image = read_image(example.image)
            mask = looked_at(predictor.model, image)
        except ImageError:  # it does not fit the reference either
            continue
        small = Image.fromarray(mask.astype(np.uint8) * 255)
        small.thumbnail((_THUMBNAIL_PX[Target.LABEL],) * 2, Image.Resampling.BOX)
        found[example.id] = LookedAt(np.asarray(small) >= 128, image.size)
    return found


def _keep_vectors(predictor: Predictor, pictures: Dataset, path: Path) -> None:
    """The vectors that the judgement stands on, where the family makes any."""
    every = -(-len(pictures) // _PROJECTED)
    try:
        batches = list(predictor.embed(pictures.select(range(0, len(pictures), every))))
    except OptionError:
        return
    rows = np.concatenate([rows for _, rows in batches])
    if isinstance(predictor.inspector, ChoosesItems):
        rows = predictor.inspector.items_of(rows)
    ids = tuple(example.id for examples, _ in batches for example in examples)
    write_embedding(path, ProjectedEmbedding(ids, principal_components(rows)))


def _keep_maps(predictor: Predictor, pictures: Dataset, evaluation: Evaluation, path: Path, held_out: bool) -> None:
    """Maps of the worst mistakes and the highest scores, where the run can show any."""
    inspector = predictor.inspector
    if not isinstance(inspector, Explained) or (isinstance(inspector, ReadsTables) and inspector.table_items):
        return
    of_score = isinstance(inspector, Localised)
    views = max((len(part.views) for part in evaluation.judged), default=1) or 1
    # of parts by several pictures all maps are shown: fewer parts, where a map takes a pass back
    most = _OF_SCORES if of_score else tuple(max(1, number // views) for number in _OF_ANSWERS)
    asked = set(maps.first_asked_for(evaluation.judged, *most))
    wanted = {id for part in evaluation.judged if part.id in asked for id in pictures_of(part)}
    chosen = pictures.select(row for row, id in enumerate(pictures.column("id")) if id in wanted)
    found = {}
    unit = ""
    for example, drawn in predictor.localise(chosen) if of_score else _explained(inspector, chosen):
        if drawn.grid is not None:
            found[example.id] = maps.PictureMap(
                drawn.grid, drawn.region, (drawn.values.shape[1], drawn.values.shape[0]), drawn.shows, _mask_of(example)
            )
            unit = drawn.unit
    if found:
        maps.write_maps(path, maps.Maps(found, unit, of_score, held_out, predictor.fails_on_map))


def _explained(inspector: Explained, pictures: Dataset) -> Iterator[tuple[Example, Map]]:
    """The map of each picture's answer; none where it has no places, or no room."""
    if isinstance(inspector, Inspector):
        inspector.module.eval()
    examples = iter(pictures)
    while some := list(islice(examples, TOGETHER)):
        images = [read_image(example.image) for example in some]
        for example, found in zip(some, _maps_of(inspector, images, some), strict=True):
            yield from ((example, one) for one in found[:1])


def _maps_of(inspector: Explained, images: list[Image.Image], examples: list[Example]) -> list[tuple[Map, ...]]:
    """The maps of each picture, of as many together as can be looked at."""
    try:
        return maps_of(inspector, images, examples)
    except (OptionError, RuntimeError):  # memory that a pass back does not find is no reason to lose the training
        if len(images) == 1:
            return [()]
    return [maps for one in zip(images, examples, strict=True) for maps in _maps_of(inspector, [one[0]], [one[1]])]


def _mask_of(example: Example) -> maps.Mask | None:
    if example.mask is None:
        return None
    try:
        return maps.shrunk(read_mask(ImageSource(example.mask)))
    except ImageError:
        return None  # then the defect has no outline
