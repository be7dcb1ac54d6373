"""Commands on the accounts of a station, for the console of its machine: `station account add`, `list` and others."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import DATA, REQUIRED
from kenpin.errors import OptionError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from kenpin.station.trail import Trail

RoleName = Literal["viewer", "reviewer", "engineer", "auditor", "admin"]
Folder = Annotated[Path, Parameter(group=DATA, help="Folder of the station.")]
PasswordFile = Annotated[
    Path | None,
    Parameter(group=DATA, help="File with the password in its first line; without it, it is asked for and not shown."),
]

app = cyclopts.App(name="account", help="Add and change the accounts of a station.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOptions:
    """Which station."""

    folder: Folder = Path()


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordOptions(PlaceOptions):
    """Which station, and where the password comes from."""

    password_file: PasswordFile = None


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions(PasswordOptions):
    """What the account is for, and what its pages are like."""

    role: Annotated[RoleName, Parameter(group=REQUIRED, help="What the account is for.")]
    display_name: Annotated[str, Parameter(group=DATA, help="Name that pages show; without it the account's.")] = ""
    language: Annotated[
        Literal["en", "ja", "zh"] | None, Parameter(group=DATA, help="Language of its pages; without it the station's.")
    ] = None


@app.command
def add(name: str, /, *, options: AccountOptions) -> None:
    """Add an account.

    Parameters
    ----------
    name:
        Name to sign in with.
    """
    from kenpin.station.who.accounts import NewAccount, add_account, check_account_name, check_role
    from kenpin.station.who.rights import CONSOLE

    check_account_name(name)
    with _store(options.folder):  # else a password was typed for nothing
        pass
    hashed = _hashed_password(name, options.password_file)
    new = NewAccount(name, check_role(options.role), hashed, options.display_name, options.language)
    with _changing(options.folder) as (connection, trail, now_us):
        add_account(connection, trail, CONSOLE, new, now_us)
    _show.say(f"{name}: is an account with the role {options.role}.")


@app.command(name="list")
def list_(*, options: PlaceOptions = PlaceOptions()) -> None:
    """List the accounts: name, role, state, display name."""
    from kenpin.station.who.accounts import list_accounts

    with _store(options.folder) as writing, writing() as connection:
        found = list_accounts(connection)
    for one in found:
        _show.row(one.name, one.role, "disabled" if one.disabled else "enabled", one.display_name)
    if not found:
        _show.say("there is no account; add one with the role admin.")


@app.command
def disable(name: str, /, *, options: PlaceOptions = PlaceOptions()) -> None:
    """Disable an account; its sessions end.

    Parameters
    ----------
    name:
        Name of the account.
    """
    _set_disabled(name, options.folder, disabled=True)


@app.command
def enable(name: str, /, *, options: PlaceOptions = PlaceOptions()) -> None:
    """Enable an account again.

    Parameters
    ----------
    name:
        Name of the account.
    """
    _set_disabled(name, options.folder, disabled=False)


@app.command
def password(name: str, /, *, options: PasswordOptions = PasswordOptions()) -> None:
    """Give an account another password; its sessions and its lock end.

    Parameters
    ----------
    name:
        Name of the account.
    """
    from kenpin.station.who.accounts import set_password, the_account
    from kenpin.station.who.rights import CONSOLE

    with _store(options.folder) as writing, writing() as connection:
        account = the_account(connection, name)
    hashed = _hashed_password(account.name, options.password_file)
    with _changing(options.folder) as (connection, trail, now_us):
        set_password(connection, trail, CONSOLE, account.name, hashed, now_us)
    _show.say(f"{account.name}: has another password.")


@app.command
def role(name: str, role: RoleName, /, *, options: PlaceOptions = PlaceOptions()) -> None:
    """Give an account another role; its sessions end.

    Parameters
    ----------
    name:
        Name of the account.
    role:
        What it is for.
    """
    from kenpin.station.who.accounts import check_role, set_role
    from kenpin.station.who.rights import CONSOLE

    with _changing(options.folder) as (connection, trail, now_us):
        account = set_role(connection, trail, CONSOLE, name, check_role(role), now_us)
    _show.say(f"{account.name}: has the role {account.role}.")


# ---- what they share ----

_Writing = Callable[[], AbstractContextManager["Connection"]]


def _set_disabled(name: str, folder: Path, *, disabled: bool) -> None:
    from kenpin.station.who.accounts import set_disabled
    from kenpin.station.who.rights import CONSOLE

    with _changing(folder) as (connection, trail, now_us):
        account = set_disabled(connection, trail, CONSOLE, name, disabled, now_us)
    _show.say(f"{account.name}: is {'disabled' if disabled else 'enabled'}.")


@contextmanager
def _changing(path: Path) -> Iterator[tuple[Connection, Trail, int]]:
    """A transaction of the station's store, the console's trail, and the time in microseconds. Raises as `_store`
    does, RunError where the trail is damaged."""
    with _store(path) as writing:
        from kenpin.station.clock import now_us
        from kenpin.station.folder import StationFolder
        from kenpin.station.who.console import console_trail

        with console_trail(StationFolder(path)) as trail, writing() as connection:
            yield connection, trail, now_us()


@contextmanager
def _store(path: Path) -> Iterator[_Writing]:
    """Transactions of the station's store. Raises OptionError where the folder is not that of a station, StoreError,
    MissingExtraError."""
    from kenpin.station.folder import StationFolder
    from kenpin.station.settings import read_settings
    from kenpin.station.store.opening import open_store

    folder = StationFolder(path)
    if not folder.settings.exists() and not folder.trails.exists():
        raise OptionError(f"{path}: is not the folder of a station; name it with --folder.")
    with open_store(folder, read_settings(folder.settings).store) as store:
        yield store.writing


def _hashed_password(name: str, file: Path | None) -> str:
    """The hash of a new password, from a file or asked for twice. Raises OptionError."""
    from kenpin.station.who.passwords import Passwords

    if file is not None:
        try:
            line = file.read_text("utf-8-sig").partition("\n")[0].rstrip("\r")
        except UnicodeDecodeError as error:
            raise OptionError(f"{file}: is not text in UTF-8; write the password as its first line.") from error
        return Passwords().hash(line, name)
    if not sys.stdin.isatty():
        raise OptionError("there is no terminal to type the password at; name a file with --password-file.")
    typed = getpass.getpass(f"Password of {name}: ")
    if typed != getpass.getpass("The same again: "):
        raise OptionError("the two passwords differ; repeat the command.")
    return Passwords().hash(typed, name)
