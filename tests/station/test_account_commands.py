"""The commands `station account …`: accounts from the console, with passwords that stand in no argument."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import cyclopts
import pytest
from sqlalchemy import create_engine

from kenpin.cli import _show
from kenpin.cli._misuse import sentence
from kenpin.cli.station_accounts import app
from kenpin.errors import KenpinError, OptionError
from kenpin.station.folder import StationFolder
from kenpin.station.settings import StationSettings
from kenpin.station.trail import read_entries
from kenpin.station.who.accounts import find_account
from kenpin.station.who.console import console_trail
from kenpin.station.who.door import Door
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import Role
from kenpin.station.who.sessions import Visitor
from tests.station.who.made import PASSWORD, CountedHasher

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in a station's folder, as `main` does; returns status, output and errors."""
    monkeypatch.chdir(tmp_path)
    Path("trails").mkdir()
    Path("password").write_text(f"{PASSWORD}\nanother line\n", "utf-8")
    monkeypatch.setattr("kenpin.station.who.passwords.PasswordHasher", CountedHasher)

    def call(*words: object) -> tuple[int, str, str]:
        status = 0
        try:
            app([*map(str, words)], exit_on_error=False, print_error=False, result_action="return_value")
        except KenpinError as error:
            _show.say(f"kenpin: {error}")
            status = 2
        except cyclopts.CycloptsError as error:
            _show.say(f"kenpin: {sentence(error)}")
            status = 2
        out, err = capsys.readouterr()
        return status, out, err

    return call


def _add(account: Call, name: str, role: str = "engineer") -> tuple[int, str, str]:
    return account("add", name, "--role", role, "--password-file", "password")


def _signs_in(name: str, password: str = PASSWORD) -> bool:
    engine = create_engine(f"sqlite:///{Path('store.sqlite').absolute()}")
    with console_trail(StationFolder(Path())) as trail:
        door = Door(engine.begin, engine.begin, trail, Passwords(CountedHasher()))
        try:
            door.sign_in(name, password, Visitor(""))
        except KenpinError:
            return False
        finally:
            engine.dispose()
    return True


def test_an_account_is_added_and_listed(account: Call) -> None:
    assert account("list") == (0, "", "there is no account; add one with the role admin.\n")
    assert _add(account, "aoi") == (0, "", "aoi: is an account with the role engineer.\n")
    words = ("--role", "viewer", "--display-name", "壁", "--language", "ja", "--password-file", "password")
    assert account("add", "wall", *words)[0] == 0
    assert account("list") == (0, "aoi\tengineer\tenabled\taoi\nwall\tviewer\tenabled\t壁\n", "")
    assert _signs_in("aoi")
    assert not _signs_in("aoi", "another line")
    entries = [*read_entries(Path("trails/console.jsonl"))]
    assert (entries[0].who, entries[0].what, entries[0].node) == ("console", "account-added", "console")


def test_an_account_is_changed(account: Call) -> None:
    _add(account, "aoi")
    _add(account, "ren", "admin")
    assert account("role", "AOI", "reviewer") == (0, "", "aoi: has the role reviewer.\n")
    assert account("disable", "aoi") == (0, "", "aoi: is disabled.\n")
    assert not _signs_in("aoi")
    assert account("list")[1].splitlines()[0] == "aoi\treviewer\tdisabled\taoi"
    assert account("enable", "aoi") == (0, "", "aoi: is enabled.\n")
    assert _signs_in("aoi")
    Path("new").write_bytes("\ufeffanother long password\r\n".encode())
    assert account("password", "aoi", "--password-file", "new") == (0, "", "aoi: has another password.\n")
    assert _signs_in("aoi", "another long password")


def test_a_password_is_typed_twice_and_not_shown(account: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter([PASSWORD, "something else", PASSWORD, PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    status, out, err = account("add", "aoi", "--role", "admin")
    assert (status, out, err) == (2, "", "kenpin: the two passwords differ; repeat the command.\n")
    assert account("add", "aoi", "--role", "admin")[0] == 0
    assert _signs_in("aoi")


def test_no_password_is_an_argument(account: Call) -> None:
    status, _, err = account("add", "aoi", "--role", "admin", "--password", PASSWORD)
    assert status == 2
    assert "unknown option --password" in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add", "a/b", "--role", "admin"), "not one that an account can have"),
        (("add", "aoi"), "is missing"),
        (("add", "aoi", "--role", "bos"), "is 'bos'"),
        (("add", "aoi", "--role", "admin"), "no terminal to type the password at; name a file with --password-file"),
        (("add", "aoi", "--role", "admin", "--password-file", "short"), "has 5 characters"),
        (("add", "aoi", "--role", "admin", "--password-file", "binary"), "binary: is not text in UTF-8"),
        (("add", "ren", "--role", "admin", "--password-file", "password"), "there is an account ren already"),
        (("role", "rem", "admin"), "there is no account 'rem'; did you mean `ren`?"),
        (("role", "ren", "viewer"), "ren is the last account with the role admin"),
        (("disable", "ren"), "ren is the last account with the role admin"),
        (("password", "nobody", "--password-file", "password"), "there is no account 'nobody'"),
        (("list", "--folder", "elsewhere"), "elsewhere: is not the folder of a station; name it with --folder"),
    ],
)
def test_misuse_is_one_sentence_and_changes_nothing(
    account: Call, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], why: str
) -> None:
    _add(account, "ren", "admin")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    Path("short").write_text("short")
    Path("binary").write_bytes(b"\xff\xfe\x00")
    before = account("list"), Path("trails/console.jsonl").read_bytes()
    status, out, err = account(*words)
    assert (status, out) == (2, "")
    assert why in err
    assert err.count("\n") == 1
    assert (account("list"), Path("trails/console.jsonl").read_bytes()) == before
    assert not Path("elsewhere").exists()


def test_the_store_of_the_settings_is_taken(account: Call) -> None:
    Path("station.yaml").write_text(f"store: sqlite:///{Path('other.sqlite').absolute()}\n")
    _add(account, "aoi", "admin")
    assert not Path("store.sqlite").exists()
    engine = create_engine("sqlite:///other.sqlite")
    with engine.begin() as connection:
        found = find_account(connection, "aoi")
    engine.dispose()
    assert found is not None
    assert found.role is Role.ADMIN


def test_one_command_waits_for_the_other(tmp_path: Path) -> None:
    """Both write the trail of the console."""
    folder = StationFolder(tmp_path)
    entered = threading.Event()

    def second() -> None:
        with console_trail(folder) as trail:
            entered.set()
            trail.append("console", "account-added", {})

    thread = threading.Thread(target=second)
    with console_trail(folder) as trail:
        thread.start()
        assert not entered.wait(0.2)
        trail.append("console", "account-added", {})
    thread.join(5)
    assert [one.number for one in read_entries(folder.trail("console"))] == [1, 2]


def test_no_node_writes_the_trail_of_the_console() -> None:
    with pytest.raises(OptionError, match="node 'console' is the console, whose commands write a trail too"):
        StationSettings.from_mapping({"node": "console"})
