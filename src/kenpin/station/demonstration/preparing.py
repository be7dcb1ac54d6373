"""What the demonstration stands on: made pictures, runs that learned from them, policies, settings, accounts."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kenpin.errors import OptionError
from kenpin.files import read_json, write_json, write_text
from kenpin.station.clock import now_us
from kenpin.station.demonstration.made_parts import DISCS, PLATES, write_defective, write_good
from kenpin.station.folder import StationFolder
from kenpin.station.settings import StationSettings, read_settings
from kenpin.station.store.opening import open_store
from kenpin.station.who.accounts import NewAccount, add_account, find_account, set_password
from kenpin.station.who.console import console_trail
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import CONSOLE, Role
from kenpin.training import train

BELT, SOURCE = "belt", "belt"
"""Folder into which parts come, and the source that watches it."""
VISITOR = "demo"
PEOPLE = {"ann": "Ann (made up)", "bo": "Bo (made up)"}
"""Accounts of the made people, with the names that pages show."""
_MARK = "demonstration.json"
_SCHEMA = 1
_GOOD, _DEFECTIVE = 60, 18  # pictures to learn from: of good parts, and of each class of defects
_SETTINGS: dict[str, Any] = {
    "demonstration": True,
    "node": "demo",
    "choose_product": "nearest",
    "nearest": {"limit": 115},  # a scratched plate lies up to 107 times as far as a good one, a nut from 124 on
    "products": {
        PLATES: {"policy": "policies/plates.yaml", "title": "Plates", "reviewed_passes": 0.3, "reviewed_fails": 0.5,
                 "second_reviews": 0.3, "escape_cost": 50},
        DISCS: {"policy": "policies/discs.yaml", "title": "Discs", "reviewed_passes": 0.3, "reviewed_fails": 0.5,
                "second_reviews": 0.3, "escape_cost": 20},
    },
    "sources": {SOURCE: {"kind": "folder", "folder": BELT, "path": "{lot}/*.png"}},
}  # fmt: skip
_POLICIES: dict[str, dict[str, Any]] = {
    PLATES: {"runs": {"distance": "../runs/plates"}, "maps": {"of": "distance", "layers": True}},
    DISCS: {
        "runs": {"distance": "../runs/discs", "classes": "../runs/discs-classes"},
        "maps": {"of": "distance", "layers": True},
    },
}
_RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "plates": ("mahalanobis", PLATES, {}),
    "discs": ("mahalanobis", DISCS, {}),
    "discs-classes": ("classifier", DISCS, {"tuning": "head"}),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs in."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A demonstration that can start."""

    folder: Path
    settings: StationSettings
    visitor: Credentials
    people: tuple[Credentials, ...]


def prepare(folder: Path, say: Callable[[str], None], *, renew: bool) -> Prepared:
    """Make what is missing of a demonstration, and give its accounts new passwords. renew: begin anew. Raises
    OptionError where the folder holds anything else, MissingExtraError, RunError, StoreError, OSError."""
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.is_file():
        raise OptionError(f"{folder}: holds something else than a demonstration; choose another --folder.")
    is_whole = mark.is_file() and read_json(mark) == {"schema": _SCHEMA, "whole": True}
    if renew or not is_whole:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        write_json(mark, {"schema": _SCHEMA, "whole": False})
        _make(folder, say)
        write_json(mark, {"schema": _SCHEMA, "whole": True})
    if (folder / BELT).exists():  # what was not judged before it ended was made up anyway
        shutil.rmtree(folder / BELT)
    (folder / BELT).mkdir()
    settings = read_settings(StationFolder(folder).settings)
    visitor, *people = _accounts(folder, settings)
    return Prepared(folder, settings, visitor, tuple(people))


def _make(folder: Path, say: Callable[[str], None]) -> None:
    """Pictures, runs, policies and settings."""
    say("Drawing parts …")
    for place, product in enumerate((PLATES, DISCS)):
        data, seed = folder / "pictures-to-learn-from" / product, 1_000_000 * (place + 1)
        write_good(data, product, _GOOD, seed)
        write_defective(data, product, _DEFECTIVE, seed + 500_000)
    for name, (family, product, values) in _RUNS.items():
        say(f"Training {name} ({family}) …")
        data = folder / "pictures-to-learn-from" / product
        train(family, data=str(data), out=folder / "runs" / name, ok_labels=("ok",), report=False, **values)
    (folder / "policies").mkdir()
    for product, policy in _POLICIES.items():
        write_text(folder / "policies" / f"{product}.yaml", yaml.safe_dump(policy, sort_keys=False))
    write_text(StationFolder(folder).settings, yaml.safe_dump(_SETTINGS, sort_keys=False))


def _accounts(folder: Path, settings: StationSettings) -> list[Credentials]:
    """The visitor's account and those of the made people, each with a new password."""
    hashes, found = Passwords(), []
    station = StationFolder(folder)
    wanted = [(VISITOR, Role.ADMIN, ""), *((name, Role.REVIEWER, shown) for name, shown in PEOPLE.items())]
    with open_store(station, settings.store) as store, console_trail(station) as trail:
        for name, role, shown in wanted:
            password = secrets.token_urlsafe(12)
            hashed = hashes.hash(password, name)
            with store.writing() as connection:
                if find_account(connection, name) is None:
                    add_account(connection, trail, CONSOLE, NewAccount(name, role, hashed, shown), now_us())
                else:
                    set_password(connection, trail, CONSOLE, name, hashed, now_us())
            found.append(Credentials(name, password))
    return found
