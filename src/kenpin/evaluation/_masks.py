"""Measures where defects have masks: how well maps point at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_mask
from kenpin.errors import DatasetError
from kenpin.evaluation._pictures import FEW
from kenpin.evaluation.kinds import MeasureKind, Section, Unit
from kenpin.metrics.intervals import measured
from kenpin.metrics.localisation import Localisation
from kenpin.plural import counted, is_are, was_were
from kenpin.records import Example, ImageSource, Map, Measure


@runtime_checkable
class Localises(Protocol):
    """An inspector that may read its score off a map."""

    @property
    def localises(self) -> bool:
        """Whether its score comes from a map."""
        ...

    def localise(self, dataset: Dataset) -> Iterator[tuple[Example, Map]]:
        """Each example with its map, in their order."""
        ...


def mask_measures(
    inspector: object, examples: Dataset, ok_labels: Sequence[str], seed: int, notes: list[str]
) -> dict[str, Measure]:
    """Pixel AUROC and AUPRO where examples have masks and the inspector maps, with intervals over the pictures.

    Raises DatasetError, ImageError.
    """
    if not isinstance(inspector, Localises) or not inspector.localises or not any(examples.column("mask")):
        return {}
    labels, masks = examples.column("label"), examples.column("mask")
    # a defective part without a mask has defective pixels that are not marked
    known = [i for i, (label, mask) in enumerate(zip(labels, masks, strict=True)) if mask or label in ok_labels]
    if left_out := len(examples) - len(known):
        notes.append(
            f"{counted(left_out, 'defective picture')} without a mask {was_were(left_out)} left out of the pixel "
            "measures."
        )
    masked = sum(bool(mask) for mask in masks)
    if masked < FEW:
        notes.append(
            f"There {is_are(masked)} only {counted(masked, 'picture')} with masked defects: the intervals of pixel "
            "measures are rough."
        )
    seen = Localisation()
    for example, map_ in inspector.localise(examples.select(known)):
        defective = None if example.mask is None else read_mask(ImageSource(example.mask))
        if defective is not None and defective.shape != map_.values.shape:
            height, width = defective.shape
            raise DatasetError(
                f"{example.mask}: the mask has {width} × {height} pixels, its picture {map_.values.shape[1]} × "
                f"{map_.values.shape[0]}; make them the same size."
            )
        seen.add(map_.values, defective)
    of_auroc, of_aupro = seen.intervals(seed=seed)
    return {"pixel_auroc": measured(seen.pixel_auroc, of_auroc), "aupro": measured(seen.aupro, of_aupro)}


ROWS = (
    MeasureKind(
        "pixel_auroc",
        "AUROC of pixels",
        "How often a defective pixel has a higher number on its map than a good one.",
        Section.MAPS,
        Unit.NUMBER,
    ),
    MeasureKind(
        "aupro",
        "AUPRO: overlap with each defective region",
        "The share of each defective region that is found, averaged over regions large and small, up to a false "
        "positive rate of 0.3.",
        Section.MAPS,
        Unit.NUMBER,
    ),
)
