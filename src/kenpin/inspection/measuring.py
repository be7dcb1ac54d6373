"""Rulers: unit spaces of several products, by which a picture is measured, networks that they share computed once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kenpin.errors import KenpinError, OptionError
from kenpin.files import read_json
from kenpin.inspection.nearest import GoodScale
from kenpin.inspection.pictures import Opened
from kenpin.inspection.record import Nearness
from kenpin.inspection.runs import PolicyRun, example_of
from kenpin.models.package import folder_of_report
from kenpin.models.passing import Features, decode, outputs_and_features
from kenpin.records_json import evaluation_from_json
from kenpin.run.layout import evaluation_files


@dataclass(frozen=True)
class Ruler:
    """A product's unit space with its scale."""

    product: str
    run: PolicyRun
    scale: GoodScale


@dataclass(frozen=True)
class Measured:
    """What was measured of a picture."""

    nearness: tuple[Nearness, ...]
    """To each product whose distance is a number."""
    features: Features
    """What the networks computed for it."""


def ruler_of(product: str, runs: Mapping[str, PolicyRun]) -> Ruler:
    """The first run of a policy that measures distances, with the scale of the good parts of its evaluation that it did
    not learn from. Raises OptionError where there is none."""
    why = "none of its runs measures a distance from good parts"
    for run in runs.values():
        try:
            distances = _held_out(run)
            if distances:
                return Ruler(product, run, GoodScale.of(distances))
        except KenpinError as error:
            why = f"{error}"
    raise OptionError(f"{product}: no part can be measured by it: {why}")


def _held_out(run: PolicyRun) -> list[float]:
    """Distances of the good parts of a run's own evaluation that it did not learn from. Raises RunError."""
    file = evaluation_files(folder_of_report(run.folder)).evaluation
    if not file.is_file():
        return []
    judged = evaluation_from_json(read_json(file), str(file)).judged
    good = [one.prediction.distance for one in judged if one.defective is False and not one.seen]
    return [distance for distance in good if distance is not None]


def measure(rulers: Sequence[Ruler], pictures: Sequence[Opened]) -> list[Measured]:
    """How near each picture, which could be opened, lies to each product. Raises whatever a network raises."""
    models = [ruler.run.predictor.model for ruler in rulers]
    images = [picture.image for picture in pictures if picture.image is not None]
    examples = [example_of(picture) for picture in pictures]
    outputs, features = outputs_and_features(models, images, examples=examples)
    predictions = [decode(model, raw, examples, shares=False) for model, raw in zip(models, outputs, strict=True)]
    found = []
    for index, of_picture in enumerate(features):
        distances = [predicted[index].distance for predicted in predictions]
        nearness = tuple(
            ruler.scale.nearness(ruler.product, distance)
            for ruler, distance in zip(rulers, distances, strict=True)
            if distance is not None and math.isfinite(distance)
        )
        found.append(Measured(nearness, of_picture))
    return found
