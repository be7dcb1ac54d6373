"""Whether training pictures are enough to learn from, told before a base is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import DatasetError
from kenpin.models.contract import Task
from kenpin.plural import counted

FEWEST_OF_A_CLASS = 2
"""Pictures of each class that classes are told apart by: one alone shows no difference within its class."""


class LearnsAnyNumber:
    """What families of pictures that learn by gradients from any number of them have in common."""

    reads_tables = False

    def in_one_pass(self, options: TrainOptions) -> bool:
        """They take validation pictures."""
        return False

    def check(self, training: Dataset, options: TrainOptions, task: Task, lineage: Lineage) -> None:
        """Any number is enough."""


def check_each_class(training: Dataset, labels: Sequence[str], family: str) -> None:
    """Refuse classes of fewer than `FEWEST_OF_A_CLASS` training pictures. Raises DatasetError, which names each."""
    counts = Counter(training.column("label"))
    few = [label for label in labels if counts[label] < FEWEST_OF_A_CLASS]
    if not few:
        return
    which = f"class {few[0]} has" if len(few) == 1 else f"classes {', '.join(few[:-1])} and {few[-1]} have"
    there = ", ".join(str(counts[label]) for label in few)
    missing = ", ".join(f"{FEWEST_OF_A_CLASS - counts[label]} of {label}" for label in few)
    raise DatasetError(
        f"{training.root or 'the data set'}: {which} {there} of {counted(len(training), 'training picture')}, and "
        f"{family} learns each class from {FEWEST_OF_A_CLASS} at least; add {missing}, or leave out the pictures of "
        f"{'this class' if len(few) == 1 else 'these classes'}."
    )
