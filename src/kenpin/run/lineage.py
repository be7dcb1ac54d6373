"""The lineage in a run or an exported network: content hashes of the pictures that it learned from or was chosen by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kenpin.arrays import read_npy, read_npz
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.errors import RunError
from kenpin.files import new_file, partial_folder
from kenpin.run.layout import EXPORTED, LINEAGE
from kenpin.run.record import is_run
from kenpin.run.seal import REMEDY

_TRAINED_ON = "trained_on.npy"  # in its place in the first edition: of the last training's pictures alone


def write_lineage(path: Path, lineage: Lineage, network: Lineage | None = None) -> None:
    """Write it into a run's folder, or beside an exported network: into its folder, or next to its file.

    network: the lineage of the run's network, and so of its embeddings; None: the same. Heads, unit spaces and
    thresholds are not part of the network: runs on top of this run do not use them.
    """
    contents = sorted(lineage.contents)
    of_network = lineage.contents if network is None else network.contents
    with new_file(_lineage_file(path)) as file:
        np.savez(
            file,
            contents=np.array(contents, dtype="S32"),
            learned=np.array([content in lineage.learned for content in contents], dtype=bool),
            chosen=np.array([content in lineage.chosen for content in contents], dtype=bool),
            network=np.array([content in of_network for content in contents], dtype=bool),
            names=np.array(lineage.names, dtype=np.str_),
        )


def read_lineage(path: Path, *, of_network: bool = False) -> Lineage:
    """The lineage of a run, or of a network exported from one, at any depth; of_network: of its network alone. It is
    incomplete in runs of the first edition, which recorded only a run's own training pictures.

    Raises RunError.
    """
    file = _lineage_file(path)
    try:
        if not file.is_file() and (path / _TRAINED_ON).is_file():
            hashes = read_npy(path / _TRAINED_ON)
            return Lineage(frozenset(hashes.astype(str).tolist()), complete=False)
        kept = read_npz(file)
        contents, within = kept["contents"].astype(str), kept["network"] if of_network else True
        learned, chosen = (frozenset(contents[kept[role] & within].tolist()) for role in ("learned", "chosen"))
        return Lineage(learned, chosen, tuple(kept["names"].tolist()))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise RunError(f"{file}: is missing or damaged; {REMEDY}.") from error


def lineage_of(name: str | Path) -> Lineage:
    """The lineage of the network of a run, or of one exported from a run, at this path, its own name last: a run on top
    of it has the same lineage. Empty where kenpin did not train it.

    Raises RunError.
    """
    path = Path(name).expanduser()
    if not path.exists() and partial_folder(path).is_dir():
        path = partial_folder(path)  # a checkpoint of an interrupted run can be used
    if is_run(path) or _lineage_file(path).is_file():
        learned = read_lineage(path, of_network=True)
        return learned | Lineage(names=(str(name),)) if learned else NOTHING_SEEN
    if (path / EXPORTED).is_file():
        return Lineage(names=(str(name),), complete=False)
    return NOTHING_SEEN


def _lineage_file(path: Path) -> Path:
    return path.with_suffix(f".{LINEAGE}") if path.is_file() else path / LINEAGE
