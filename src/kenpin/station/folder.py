"""The folder of a station: every path in it, once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kenpin.errors import OptionError, RunError

CONSOLE_NODE = "console"
"""As which commands on the machine of the station write a trail."""
UNASSIGNED = "unassigned"
"""Where parts stand that came without a product and are near none, until a person says what they are."""
NO_VERSION = 0
"""In place of the version that judged them."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_HASH = re.compile(r"[0-9a-f]{32}")


def check_name(name: str, what: str) -> str:
    """The name of a node, a product, a source or a sink, which names files too. Raises OptionError."""
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"{what} {name!r} has other characters than a to z, 0 to 9 and -, begins or ends with -, or has more than "
            "40 of them; choose another."
        )
    return name


def check_product(name: str) -> str:
    """The name of a product. Raises OptionError."""
    if name == UNASSIGNED:
        raise OptionError(f"product {name!r} is where parts wait that came without a product; choose another name.")
    return check_name(name, "product")


@dataclass(frozen=True, slots=True)
class StationFolder:
    """Where a station keeps what."""

    path: Path

    @property
    def settings(self) -> Path:
        """What the operator set."""
        return self.path / "station.yaml"

    @property
    def store(self) -> Path:
        """The SQLite database, where no other store is named."""
        return self.path / "store.sqlite"

    @property
    def secret(self) -> Path:
        """The number by which parts are drawn for review."""
        return self.path / "drawing.key"

    @property
    def pictures(self) -> Path:
        """The parts' pictures, by their content."""
        return self.path / "pictures"

    @property
    def trails(self) -> Path:
        """The trails of all nodes."""
        return self.path / "trails"

    @property
    def records(self) -> Path:
        """The records of all nodes."""
        return self.path / "records"

    @property
    def data_sets(self) -> Path:
        """Frozen data sets of reviewed parts."""
        return self.path / "data-sets"

    @property
    def jobs(self) -> Path:
        """Trainings: a folder each with its log and its run."""
        return self.path / "jobs"

    @property
    def asides(self) -> Path:
        """Files from watched folders that are no pictures, a folder for each source."""
        return self.path / "aside"

    def picture(self, picture_hash: str) -> Path:
        """The file of a picture, by its content hash of 32 hexadecimal digits; its content tells its format. Raises
        RunError."""
        if not _HASH.fullmatch(picture_hash):  # a store, or a journal, may have been tampered with
            raise RunError(f"{picture_hash!r:.60}: is no hash of a picture; restore records and store from a copy.")
        return self.pictures / picture_hash[:2] / picture_hash

    def trail(self, node: str) -> Path:
        """The trail of a node."""
        return self.trails / f"{node}.jsonl"

    def records_of(self, node: str, product: str, version: int) -> Path:
        """The folder in which a node's `Line` keeps the records of a version."""
        return self.records / node / f"{product}-{version}"

    def version(self, product: str, version: int) -> Path:
        """The folder of a version: its policy, its runs, and who made it."""
        return self.path / "versions" / product / f"{version}"

    @property
    def holds_unassigned(self) -> bool:
        """Whether any part came without a product and was near none."""
        return next(self.records.glob(f"*/{UNASSIGNED}-{NO_VERSION}"), None) is not None
