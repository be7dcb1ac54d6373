"""Machine tokens: shown once, with rights of their own that are never a person's, and ended for ever when revoked."""

from __future__ import annotations

import pytest

from kenpin.errors import OptionError
from kenpin.station.who.machines import PREFIX, check_token_rights, find_token, list_tokens, make_token, revoke_token
from kenpin.station.who.rights import CONSOLE, TOKEN_RIGHTS, NotAllowedError, Person, Right
from kenpin.station.who.secret import Secret, new_secret
from tests.station.who.made import BEGIN_US, MadeDoor


def _made(at: MadeDoor, name: str = "line-3", rights: tuple[str, ...] = ("submit", "look")) -> Secret:
    with at.engine.begin() as connection:
        return make_token(connection, at.trail, CONSOLE, name, rights, BEGIN_US)


def test_a_machine_is_known_by_its_token_until_it_is_revoked(at: MadeDoor) -> None:
    secret = _made(at)
    assert secret.text.startswith(PREFIX)
    machine = Person("token line-3", None, frozenset({Right.SUBMIT, Right.LOOK}), None)
    assert at.door.which_machine(secret) == machine
    with at.engine.begin() as connection:
        revoke_token(connection, at.trail, CONSOLE, "LINE-3", BEGIN_US + 7)
        revoke_token(connection, at.trail, CONSOLE, "line-3", BEGIN_US + 9)
        assert find_token(connection, secret) is None
        assert [(one.name, one.revoked_us) for one in list_tokens(connection)] == [("line-3", BEGIN_US + 7)]
    assert at.door.which_machine(secret) is None
    assert at.entries() == [
        ("console", "token-made", {"token": "line-3", "rights": ["look", "submit"]}),
        ("console", "token-revoked", {"token": "line-3"}),
    ]


def test_a_name_is_used_once_also_when_it_was_revoked(at: MadeDoor) -> None:
    former = _made(at)
    with at.engine.begin() as connection:
        revoke_token(connection, at.trail, CONSOLE, "line-3", BEGIN_US)
    with pytest.raises(OptionError, match="there is or was a token Line-3"):
        _made(at, "Line-3")
    assert at.door.which_machine(former) is None
    with at.engine.begin() as connection, pytest.raises(OptionError, match="no token 'line-4'; did you mean `line-3`"):
        revoke_token(connection, at.trail, CONSOLE, "line-4", BEGIN_US)


@pytest.mark.parametrize("sent", ["", "kenpin_", "x" * 100_000, "\ud800", "\0"])
def test_what_is_no_token_is_nobody(at: MadeDoor, sent: str) -> None:
    _made(at)
    assert at.door.which_machine(Secret(sent)) is None
    assert at.door.which_machine(new_secret(PREFIX)) is None


def test_use_is_noted_to_the_minute(at: MadeDoor) -> None:
    secret = _made(at)

    def used_us() -> int | None:
        with at.engine.begin() as connection:
            return list_tokens(connection)[0].used_us

    assert used_us() is None
    at.door.which_machine(secret)
    assert used_us() == BEGIN_US
    at.wait(59)
    at.door.which_machine(secret)
    assert used_us() == BEGIN_US
    at.wait(1)
    at.door.which_machine(secret)
    assert used_us() == BEGIN_US + 60_000_000


@pytest.mark.parametrize("right", [right for right in Right if right not in TOKEN_RIGHTS])
def test_decisions_are_peoples(right: Right) -> None:
    with pytest.raises(OptionError, match="decisions are people's"):
        check_token_rights(["look", right])


def test_rights_are_named_and_not_none() -> None:
    with pytest.raises(OptionError, match="there is no right 'submti'; did you mean `submit`"):
        check_token_rights(["submti"])
    with pytest.raises(OptionError, match="has no rights"):
        check_token_rights([])


def test_nobody_gives_a_right_that_they_lack(at: MadeDoor) -> None:
    by = Person("aoi", None, frozenset({Right.ADMINISTER, Right.LOOK}), None)
    with at.engine.begin() as connection, pytest.raises(NotAllowedError, match="takes the right submit"):
        make_token(connection, at.trail, by, "line", ["submit"], BEGIN_US)


def test_no_token_has_the_name_of_something_else(at: MadeDoor) -> None:
    for name in ("console", "station", "token", "a b", "葵", ""):
        with pytest.raises(OptionError, match="not one that"):
            _made(at, name)
