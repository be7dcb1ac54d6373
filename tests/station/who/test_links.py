"""Links to accounts: each works once, for three days, for an account that may sign in, and only an admin makes one."""

from __future__ import annotations

import pytest

from kenpin.errors import OptionError
from kenpin.station.who.accounts import Account, set_disabled, set_password, set_role
from kenpin.station.who.door import SignInRefusedError
from kenpin.station.who.links import LINK_US, account_of_link, make_link, use_link
from kenpin.station.who.rights import CONSOLE, RIGHTS_OF, NotAllowedError, Person, Role
from kenpin.station.who.secret import Secret, new_secret
from tests.station.who.made import PASSWORD, MadeDoor

CHOSEN = "a password of their own"


def _link(at: MadeDoor, name: str = "aoi") -> Secret:
    with at.engine.begin() as connection:
        return make_link(connection, at.trail, CONSOLE, name, at.now_us)


def _use(at: MadeDoor, link: Secret) -> Account:
    hashed = at.door.passwords.hash(CHOSEN, "aoi")
    with at.engine.begin() as connection:
        return use_link(connection, at.trail, link, hashed, at.now_us)


def _works(at: MadeDoor, link: Secret) -> bool:
    with at.engine.begin() as connection:
        try:
            return account_of_link(connection, link, at.now_us).name == "aoi"
        except NotAllowedError:
            return False


def test_who_has_the_link_chooses_the_password_once(at: MadeDoor) -> None:
    at.add("aoi", Role.ENGINEER)
    session = at.sign_in("aoi").session
    link = _link(at)
    assert at.door.who_has(session) is not None, "what the account has stays until the link is used"
    assert _use(at, link).role is Role.ENGINEER
    assert at.door.who_has(session) is None
    assert at.sign_in("aoi", CHOSEN).person.name == "aoi"
    with pytest.raises(SignInRefusedError):
        at.sign_in("aoi", PASSWORD)
    with pytest.raises(NotAllowedError, match="was used"):
        _use(at, link)
    assert at.entries()[2:4] == [
        ("console", "link-made", {"account": "aoi"}),
        ("aoi", "account-changed", {"account": "aoi", "password": "changed"}),
    ]
    assert link.text not in at.trail.path.read_text("utf-8")


def test_a_link_ends_by_time_by_another_and_by_what_ends_sessions_for_good(at: MadeDoor) -> None:
    at.add("aoi")
    first = _link(at)
    assert _works(at, first)
    second = _link(at)
    assert (_works(at, first), _works(at, second), _works(at, new_secret())) == (False, True, False)
    at.now_us += LINK_US - 1
    assert _works(at, second)
    at.now_us += 1
    assert not _works(at, second)
    third = _link(at)
    at.now_us -= 10 * LINK_US
    assert not _works(at, third), "the clock was set back"
    for change in ("password", "disabled"):
        link = _link(at)
        with at.engine.begin() as connection:
            set_role(connection, at.trail, CONSOLE, "aoi", Role.VIEWER, at.now_us)
        assert _works(at, link), "another role leaves the link"
        with at.engine.begin() as connection:
            if change == "password":
                set_password(connection, at.trail, CONSOLE, "aoi", "hash", at.now_us)
            else:
                set_disabled(connection, at.trail, CONSOLE, "aoi", True, at.now_us)
                set_disabled(connection, at.trail, CONSOLE, "aoi", False, at.now_us)
        assert not _works(at, link), change


def test_only_who_administers_makes_one_and_only_for_an_account_that_may_sign_in(at: MadeDoor) -> None:
    at.add("aoi")
    for role in Role:
        person = Person("ren", role, RIGHTS_OF[role], None)
        with at.engine.begin() as connection:
            if role is Role.ADMIN:
                make_link(connection, at.trail, person, "aoi", at.now_us)
            else:
                with pytest.raises(NotAllowedError, match="takes the right administer"):
                    make_link(connection, at.trail, person, "aoi", at.now_us)
    with at.engine.begin() as connection:
        set_disabled(connection, at.trail, CONSOLE, "aoi", True, at.now_us)
    for name, why in (("aoi", "is disabled"), ("nobody", "there is no account")):
        with pytest.raises(OptionError, match=why):
            _link(at, name)
