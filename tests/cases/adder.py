"""A process that adds made cases and tells of each, as `kenpin cases add` does; run with a URI and a seed."""

from __future__ import annotations

import random
import sys

from kenpin.cases.library import CaseLibrary
from tests.cases.made import DIMENSION, RUN, case, vectors

CASES = 60


def add_all(uri: str, seed: int) -> None:
    """Add all cases, in an order and in portions drawn by lot, and tend the library now and then."""
    lot = random.Random(seed)
    numbers = lot.sample(range(CASES), CASES)
    library = CaseLibrary.find(uri) or CaseLibrary.create(uri, RUN, DIMENSION)
    while numbers:
        size = lot.randint(1, 12)
        portion, numbers = numbers[:size], numbers[size:]
        library.add([case(number) for number in portion], vectors(portion))
        for number in portion:
            print(number, flush=True)
        if lot.random() < 0.1:
            library.tend()


if __name__ == "__main__":
    add_all(sys.argv[1], int(sys.argv[2]))
