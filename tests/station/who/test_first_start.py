"""The first start: only who reads the machine's own output makes the first account, once and within an hour."""

from __future__ import annotations

import pytest

from kenpin.errors import OptionError
from kenpin.station.clock import HOUR_US
from kenpin.station.who.accounts import list_accounts
from kenpin.station.who.first_start import (
    LOOPBACK,
    check_first_link,
    listening_host,
    make_first_account,
    new_first_link,
)
from kenpin.station.who.rights import NotAllowedError, Role
from kenpin.station.who.secret import Secret, new_secret
from tests.station.who.made import MadeDoor


def _link(at: MadeDoor) -> Secret | None:
    with at.engine.begin() as connection:
        return new_first_link(connection, at.now_us)


def _make(at: MadeDoor, secret: Secret, name: str = "aoi") -> None:
    hashed = at.door.passwords.hash("correct horse 電池", name)
    with at.engine.begin() as connection:
        make_first_account(connection, at.trail, secret, name, hashed, at.now_us)


def _is_valid(at: MadeDoor, secret: Secret) -> bool:
    with at.engine.begin() as connection:
        try:
            check_first_link(connection, secret, at.now_us)
        except NotAllowedError:
            return False
    return True


def _host(at: MadeDoor) -> str:
    with at.engine.begin() as connection:
        return listening_host(connection, "0.0.0.0")


def test_the_link_makes_an_admin_once_and_the_station_is_then_heard_elsewhere(at: MadeDoor) -> None:
    assert _host(at) == LOOPBACK == "127.0.0.1"
    link = _link(at)
    assert link is not None
    assert _is_valid(at, link)
    _make(at, link)
    assert _host(at) == "0.0.0.0"
    assert at.sign_in("aoi").person.role is Role.ADMIN
    assert at.entries()[0] == ("station", "account-added", {"account": "aoi", "role": "admin"})
    assert not _is_valid(at, link)
    with pytest.raises(NotAllowedError, match="was used"):
        _make(at, link, "mallory")
    assert _link(at) is None, "there is an account"


def test_a_name_that_is_refused_does_not_use_the_link_up(at: MadeDoor) -> None:
    link = _link(at)
    assert link is not None
    with pytest.raises(OptionError, match="not one that"):
        _make(at, link, "a/b")
    _make(at, link)


def test_a_link_is_valid_for_an_hour_and_until_the_next_start(at: MadeDoor) -> None:
    first = _link(at)
    second = _link(at)
    assert first is not None
    assert second is not None
    with pytest.raises(NotAllowedError, match="start the station again"):
        _make(at, first)
    at.now_us += HOUR_US - 1
    assert _is_valid(at, second)
    at.now_us += 1
    assert not _is_valid(at, second)
    with pytest.raises(NotAllowedError):
        _make(at, second)
    at.now_us -= 1000 * HOUR_US
    with pytest.raises(NotAllowedError):
        _make(at, second)  # nor for a thousand hours, where the clock is set back


def test_nobody_guesses_a_link(at: MadeDoor) -> None:
    _link(at)
    for guess in (new_secret(), Secret(""), Secret("\0")):
        with pytest.raises(NotAllowedError):
            _make(at, guess)
    with at.engine.begin() as connection:
        assert list_accounts(connection) == []


def test_a_link_that_was_left_makes_no_second_account(at: MadeDoor) -> None:
    link = _link(at)
    assert link is not None
    at.add("aoi", Role.ADMIN)
    assert not _is_valid(at, link)
    with pytest.raises(NotAllowedError):
        _make(at, link, "mallory")


def test_the_store_holds_no_link(at: MadeDoor) -> None:
    link = _link(at)
    assert link is not None
    with at.engine.begin() as connection:
        row = connection.exec_driver_sql("SELECT * FROM first_link").one()
    assert link.hash in row
    assert link.text not in map(str, row)
