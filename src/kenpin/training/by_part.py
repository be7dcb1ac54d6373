"""What cannot be trained to judge parts by several pictures, refused with a sentence."""

from __future__ import annotations

from typing import Any

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError
from kenpin.models.contract import Family
from kenpin.models.good_parts import OfGoodParts
from kenpin.targets import Target


def refuse_by_part(name: str, family: Family[Any], options: TrainOptions, dataset: Dataset) -> None:
    """Refuse families whose answers are of single pictures, and options whose promise is one for single pictures.
    name: of the family. Raises OptionError."""
    leave_it = f"leave --by {options.by} out"
    if family.target is not Target.LABEL:
        raise OptionError(
            f"option `by`: {name} predicts {family.target.several} of single pictures, which have no worst view; "
            f"{leave_it}, or train classifier, embedder or mahalanobis."
        )
    if dataset.item_names:
        raise OptionError(f"option `by`: a row of a table is a part already; {leave_it}.")
    if not isinstance(family, OfGoodParts):
        return
    if family.limits_by_law(options):
        raise OptionError(
            "option `by`: a law of the distance is one of single pictures, and the worst of several lies above it more "
            f"often; take --limit costs or quantile, or {leave_it}."
        )
    if family.made_defects(options):
        raise OptionError(
            "option `by`: defects are made in single pictures, and say nothing of the worst of several; leave "
            f"--made-defects out, or {leave_it}."
        )
    if family.trimmed_share(options):
        raise OptionError(
            f"option `by`: --trim leaves single pictures out, and a part lacks a view then; do without, or {leave_it}."
        )
