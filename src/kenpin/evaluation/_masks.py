"""Measures where defects have masks: how well maps point at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from kenpin.data.dataset import Dataset
from kenpin.data.outlining import truth_mask
from kenpin.errors import DatasetError
from kenpin.evaluation._pictures import FEW
from kenpin.evaluation.kinds import MeasureKind, Section, Unit
from kenpin.metrics.intervals import measured
from kenpin.metrics.localisation import Localisation
from kenpin.plural import counted, is_are, was_were
from kenpin.records import Example, Map, Measure


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
    """Pixel AUROC, F1 and AUPRO where examples have masks or outlines and the inspector maps; of AUROC and AUPRO with
    intervals over the pictures.

    Raises DatasetError, ImageError.
    """
    labels = examples.column("label")
    outlines = (bool(texts) and all(texts) for texts in examples.column("box_outlines"))
    masks = [bool(mask) or drawn for mask, drawn in zip(examples.column("mask"), outlines, strict=True)]
    if not isinstance(inspector, Localises) or not inspector.localises or not any(masks):
        return {}
    # a defective part without a mask has defective pixels that are not marked
    known = [i for i, (label, mask) in enumerate(zip(labels, masks, strict=True)) if mask or label in ok_labels]
    if left_out := len(examples) - len(known):
        notes.append(
            f"{counted(left_out, 'defective picture')} without a mask {was_were(left_out)} left out of the pixel "
            "measures."
        )
    masked = sum(masks)
    if masked < FEW:
        notes.append(
            f"There {is_are(masked)} only {counted(masked, 'picture')} with masked defects: the intervals of pixel "
            "measures are rough."
        )
    seen = Localisation()
    for example, map_ in inspector.localise(examples.select(known)):
        defective = truth_mask(example, map_.values.shape[::-1])
        if defective is not None and defective.shape != map_.values.shape:
            height, width = defective.shape
            raise DatasetError(
                f"{example.mask or example.origin}: the mask has {width} × {height} pixels, its picture "
                f"{map_.values.shape[1]} × {map_.values.shape[0]}; make them the same size."
            )
        seen.add(map_.values, defective)
    of_auroc, of_aupro = seen.intervals(seed=seed)
    return {
        "pixel_auroc": measured(seen.pixel_auroc, of_auroc),
        "pixel_f1": Measure(seen.best_f1),
        "aupro": measured(seen.aupro, of_aupro),
    }


ROWS = (
    MeasureKind(
        "pixel_auroc",
        "AUROC of pixels",
        "How often a defective pixel has a higher number on its map than a good one.",
        Section.MAPS,
        Unit.NUMBER,
    ),
    MeasureKind(
        "pixel_f1",
        "F1 of pixels",
        "How well defective pixels are told from good ones at the best threshold of these maps: the harmonic mean of "
        "the share found and the share right.",
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
