"""`moments.npz`: the moments of a run's good parts, by which it takes others, and the contents of these parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kenpin.errors import RunError, first_line
from kenpin.files import new_file
from kenpin.run.arrays import read_run_arrays
from kenpin.run.layout import MOMENTS
from kenpin.run.seal import REMEDY
from kenpin.taguchi import PairMoments

_CONTENTS = "contents"


@dataclass(frozen=True)
class RunMoments:
    """The good parts that a run was fitted to, without the parts."""

    moments: PairMoments
    contents: frozenset[str]
    """Content hashes of their pictures, or of their rows of a table."""


def write_moments(folder: Path, moments: PairMoments, contents: Iterable[str]) -> None:
    """Write them into the folder of a run. Raises OutputError."""
    with new_file(folder / MOMENTS) as file:
        np.savez(file, contents=np.array(sorted(set(contents)), dtype="S32"), **moments.to_arrays())  # type: ignore[arg-type]


def read_moments(run: Path) -> RunMoments | None:
    """The parts that a run knows; None where it kept no moments. Raises RunError for damaged ones."""
    file = run / MOMENTS
    if not file.is_file():
        return None
    arrays = read_run_arrays(file, (_CONTENTS,))
    contents = frozenset(arrays.pop(_CONTENTS).astype(str).tolist())
    try:
        return RunMoments(PairMoments.from_arrays(arrays), contents)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise RunError(f"{file}: holds no moments ({first_line(error)}); {REMEDY}.") from error
