"""Accounts: names are unique, rights are checked, the last admin stays, and each change is an entry of the trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, select

from kenpin.errors import OptionError
from kenpin.station.store.account_tables import accounts, sessions
from kenpin.station.trail import Trail
from kenpin.station.who.accounts import (
    Account,
    NewAccount,
    add_account,
    check_language,
    check_role,
    end_sessions,
    end_wait,
    find_account,
    list_accounts,
    set_disabled,
    set_display_name,
    set_language,
    set_password,
    set_role,
    the_account,
)
from kenpin.station.who.links import make_link
from kenpin.station.who.machines import make_token, revoke_token
from kenpin.station.who.rights import CONSOLE, RIGHTS_OF, NotAllowedError, Person, Right, Role
from tests.station.who.made import BEGIN_US, MadeDoor


def test_an_account_is_found_by_its_name_whatever_its_case(at: MadeDoor) -> None:
    made = at.add("Aoi.Tanaka", Role.ENGINEER)
    with at.engine.begin() as connection:
        for name in ("Aoi.Tanaka", "aoi.tanaka", "AOI.TANAKA"):
            assert find_account(connection, name) == made
        assert find_account(connection, "aoi") is None
        assert list_accounts(connection) == [made]
        with pytest.raises(OptionError, match=r"there is no account 'aoi\.tanka'; did you mean `Aoi\.Tanaka`"):
            the_account(connection, "aoi.tanka")
    assert made.person == Person("Aoi.Tanaka", Role.ENGINEER, RIGHTS_OF[Role.ENGINEER], None)
    assert at.entries() == [("console", "account-added", {"account": "Aoi.Tanaka", "role": "engineer"})]


def test_a_name_is_given_once_and_the_transaction_goes_on(at: MadeDoor) -> None:
    at.add("aoi")
    with at.engine.begin() as connection:
        with pytest.raises(OptionError, match="there is an account AOI already"):
            add_account(connection, at.trail, CONSOLE, NewAccount("AOI", Role.ADMIN, "hash"), BEGIN_US)
        add_account(connection, at.trail, CONSOLE, NewAccount("ren", Role.ADMIN, "hash"), BEGIN_US)
    with at.engine.begin() as connection:
        assert [one.name for one in list_accounts(connection)] == ["aoi", "ren"]


@pytest.mark.parametrize(
    "name",
    [
        *("", " aoi", "aoi ", ".aoi", "aoi.", "a/b", "../a", "a\nb", "a\0b", "葵", "=1+1", "x" * 65, "<b>", "token x"),
        *("console", "Station", "TOKEN", "\ud800", "a\u202eb"),
    ],
)
def test_a_name_that_no_trail_can_tell_is_refused(at: MadeDoor, name: str) -> None:
    with pytest.raises(OptionError, match="not one that an account can have"):
        at.add(name)
    with at.engine.begin() as connection:
        assert find_account(connection, name) is None
    assert not at.entries()


@pytest.mark.parametrize("text", ["x" * 101, "a\nb", "a\u202eb", "\x1b[31m", " \t"])
def test_a_display_name_is_seen_as_it_is(at: MadeDoor, text: str) -> None:
    at.add("aoi")
    with at.engine.begin() as connection, pytest.raises(OptionError, match="display name"):
        set_display_name(connection, at.trail, CONSOLE, "aoi", text, BEGIN_US)


def test_roles_and_languages_name_the_nearest() -> None:
    assert (check_role("admin"), check_language(None), check_language("ja")) == (Role.ADMIN, None, "ja")
    with pytest.raises(OptionError, match="there is no role 'enginer'; did you mean `engineer`"):
        check_role("enginer")
    with pytest.raises(OptionError, match="there is no language 'de'; there are en, ja, zh"):
        check_language("de")


def test_each_change_is_an_entry_without_a_secret(at: MadeDoor) -> None:
    at.add("aoi")
    at.add("ren", Role.ADMIN)
    with at.engine.begin() as connection:
        ren = the_account(connection, "ren").person
        set_role(connection, at.trail, ren, "aoi", Role.ENGINEER, BEGIN_US + 1)
        set_display_name(connection, at.trail, ren, "aoi", "田中 葵", BEGIN_US + 2)
        set_language(connection, at.trail, ren, "aoi", "ja", BEGIN_US + 3)
        set_password(connection, at.trail, ren, "aoi", "another hash", BEGIN_US + 4)
        changed = set_disabled(connection, at.trail, ren, "aoi", True, BEGIN_US + 5)
    assert changed == Account(changed.id, "aoi", "田中 葵", Role.ENGINEER, "ja", True, "another hash")
    assert at.entries()[2:] == [
        ("ren", "account-changed", {"account": "aoi", "role": "engineer", "from": "reviewer"}),
        ("ren", "account-changed", {"account": "aoi", "display_name": "田中 葵", "from": "aoi"}),
        ("ren", "account-changed", {"account": "aoi", "language": "ja", "from": None}),
        ("ren", "account-changed", {"account": "aoi", "password": "changed"}),
        ("ren", "account-changed", {"account": "aoi", "disabled": True}),
    ]


def test_what_the_trail_does_not_take_is_not_done(at: MadeDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    at.add("aoi")
    monkeypatch.setattr(at.trail, "append", _full)

    def demote() -> None:
        with at.engine.begin() as connection:
            set_role(connection, at.trail, CONSOLE, "aoi", Role.ADMIN, BEGIN_US)

    with pytest.raises(OSError, match="no room"):
        demote()
    with at.engine.begin() as connection:
        assert the_account(connection, "aoi").role is Role.REVIEWER


def _full(*_: object) -> None:
    raise OSError("no room")


Change = Callable[[Connection, Trail, Person], Any]
ADMINISTERED: dict[str, Change] = {
    "add": lambda c, t, by: add_account(c, t, by, NewAccount("new", Role.ADMIN, "hash"), BEGIN_US),
    "own role": lambda c, t, by: set_role(c, t, by, by.name, Role.ADMIN, BEGIN_US),
    "another's role": lambda c, t, by: set_role(c, t, by, "ren", Role.VIEWER, BEGIN_US),
    "disable": lambda c, t, by: set_disabled(c, t, by, "ren", True, BEGIN_US),
    "enable": lambda c, t, by: set_disabled(c, t, by, "off", False, BEGIN_US),
    "another's password": lambda c, t, by: set_password(c, t, by, "ren", "hash", BEGIN_US),
    "another's language": lambda c, t, by: set_language(c, t, by, "ren", "ja", BEGIN_US),
    "another's display name": lambda c, t, by: set_display_name(c, t, by, "ren", "The Boss", BEGIN_US),
    "another's sessions": lambda c, t, by: end_sessions(c, t, by, "ren"),
    "another's wait": lambda c, t, by: end_wait(c, t, by, "ren"),
    "link": lambda c, t, by: make_link(c, t, by, "ren", BEGIN_US),
    "token": lambda c, t, by: make_token(c, t, by, "mine", ["submit"], BEGIN_US),
    "revoke": lambda c, t, by: revoke_token(c, t, by, "line", BEGIN_US),
}


@pytest.mark.parametrize("role", [role for role in Role if Right.ADMINISTER not in RIGHTS_OF[role]])
@pytest.mark.parametrize("change", ADMINISTERED)
def test_nobody_jumps_to_what_an_admin_does(at: MadeDoor, role: Role, change: str) -> None:
    at.add("ren", Role.ADMIN)
    at.add("zoe", Role.ADMIN)
    at.add("off")
    person = at.add("aoi", role).person
    with at.engine.begin() as connection:
        set_disabled(connection, at.trail, CONSOLE, "off", True, BEGIN_US)
        make_token(connection, at.trail, CONSOLE, "line", ["submit"], BEGIN_US)
        before, entries = list_accounts(connection), len(at.trail)
        with pytest.raises(NotAllowedError, match="takes the right administer"):
            ADMINISTERED[change](connection, at.trail, person)
        assert (list_accounts(connection), len(at.trail)) == (before, entries)
        ADMINISTERED[change](connection, at.trail, the_account(connection, "ren").person)  # else this shows nothing


def test_the_last_admin_stays(at: MadeDoor) -> None:
    at.add("aoi", Role.ADMIN)
    at.add("off", Role.ADMIN)
    at.add("ren")

    def refused(change: Callable[[Connection], Any]) -> None:
        with at.engine.begin() as connection, pytest.raises(OptionError, match="aoi is the last account with the role"):
            change(connection)

    with at.engine.begin() as connection:
        set_disabled(connection, at.trail, CONSOLE, "off", True, BEGIN_US)  # one that is disabled administers nothing
    refused(lambda c: set_role(c, at.trail, CONSOLE, "aoi", Role.ENGINEER, BEGIN_US))
    refused(lambda c: set_disabled(c, at.trail, CONSOLE, "aoi", True, BEGIN_US))
    with at.engine.begin() as connection:
        set_role(connection, at.trail, CONSOLE, "aoi", Role.ADMIN, BEGIN_US)  # no demotion
        set_role(connection, at.trail, CONSOLE, "off", Role.VIEWER, BEGIN_US)  # counts no more
        set_role(connection, at.trail, CONSOLE, "ren", Role.ADMIN, BEGIN_US)
        set_role(connection, at.trail, CONSOLE, "aoi", Role.VIEWER, BEGIN_US)
    with at.engine.begin() as connection:
        assert {one.name: one.role for one in list_accounts(connection)}["ren"] is Role.ADMIN


@pytest.mark.parametrize("change", ["role", "disabled", "password"])
def test_sessions_end_with_what_they_stood_on(at: MadeDoor, change: str) -> None:
    at.add("ren")
    at.add("aoi")
    sessions_of = {name: at.sign_in(name).session for name in ("aoi", "ren")}
    with at.engine.begin() as connection:
        if change == "role":
            set_role(connection, at.trail, CONSOLE, "aoi", Role.ENGINEER, BEGIN_US)
        elif change == "disabled":
            set_disabled(connection, at.trail, CONSOLE, "aoi", True, BEGIN_US)
        else:
            set_password(connection, at.trail, CONSOLE, "aoi", "hash", BEGIN_US)
    assert at.door.who_has(sessions_of["aoi"]) is None
    assert at.door.who_has(sessions_of["ren"]) is not None
    with at.engine.begin() as connection:
        assert len(connection.execute(select(sessions)).all()) == 1


def test_a_disabled_account_has_no_session_even_if_one_was_left(at: MadeDoor) -> None:
    at.add("aoi")
    session = at.sign_in("aoi").session
    with at.engine.begin() as connection:
        connection.execute(accounts.update().values(disabled=True))
    assert at.door.who_has(session) is None
