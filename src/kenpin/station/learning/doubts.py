"""What is doubtful in a frozen data set: the doctor's findings, and labels that the other parts contradict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kenpin.data.doctor import examine_dataset
from kenpin.errors import DatasetError
from kenpin.records import Finding
from kenpin.station.learning.data_sets import load_frozen, read_frozen


@dataclass(frozen=True, slots=True)
class Doubt:
    """A finding, and the parts that it is about."""

    finding: Finding
    part_ids: tuple[str, ...]
    """Empty where it is about the data set as a whole."""


def doubts(folder: Path, *, base: str = "lite0", device: str | None = None) -> tuple[Doubt, ...]:
    """The doctor's findings on a frozen data set, errors first, and then the labels that are more likely wrong than
    right by the other pictures, the most doubtful first.

    base: network of the features by which labels are compared; without two classes of two parts they are not. Raises
    RunError where the data set is not as it was frozen, OptionError.
    """
    dataset, frozen = load_frozen(folder), read_frozen(folder)
    part_of = {file: part.id for part in frozen.parts for file in (part.file, *(view.file for view in part.views))}
    findings = [*examine_dataset(dataset, dataset.findings).findings]
    from kenpin.suspects import find_suspects  # which loads torch

    try:
        suspects = [one for one in find_suspects(dataset, base=base, device=device) if one.is_likely]
    except DatasetError:  # nothing to compare a label with
        suspects = []
    findings += [suspect.finding(rank) for rank, suspect in enumerate(suspects, start=1)]
    return tuple(Doubt(one, tuple(part_of[id] for id in one.pictures if id in part_of)) for one in findings)
