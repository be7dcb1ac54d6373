"""Signing in and out: a session of one's own each time, ended everywhere at once, and nothing told of who is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kenpin.errors import OptionError
from kenpin.station.clock import DAY_US, HOUR_US
from kenpin.station.store.account_tables import accounts
from kenpin.station.who.accounts import set_disabled, set_role, the_account
from kenpin.station.who.door import Door, SignInRefusedError
from kenpin.station.who.entries import ENTRY_KINDS
from kenpin.station.who.links import make_link
from kenpin.station.who.machines import make_token, revoke_token
from kenpin.station.who.passwords import BusyError, Passwords
from kenpin.station.who.rights import CONSOLE, RIGHTS_OF, NotSignedInError, Person, Role
from kenpin.station.who.secret import Secret, csrf_token, is_csrf_token, new_secret
from kenpin.station.who.sessions import CONFIRMED_US, IDLE_US, LONGEST_US, VIEWER_US, Visitor, list_sessions
from tests.station.who.made import BEGIN_US, HERE, PASSWORD, CountedHasher, MadeDoor

SECOND = 1_000_000


def test_who_signs_in_is_known_by_the_session_until_they_sign_out(at: MadeDoor) -> None:
    at.add("Aoi", Role.ENGINEER)
    signed_in = at.sign_in("aoi")
    assert signed_in.person == Person("Aoi", Role.ENGINEER, RIGHTS_OF[Role.ENGINEER], None)
    assert at.door.who_has(signed_in.session) == signed_in.person
    at.door.sign_out(signed_in.session)
    assert at.door.who_has(signed_in.session) is None
    with pytest.raises(NotSignedInError, match="has ended already"):
        at.door.sign_out(signed_in.session)
    assert at.entries()[1:] == [
        ("Aoi", "signed-in", {"address": "192.0.2.7"}),
        ("Aoi", "signed-out", {}),
    ]


def test_a_session_that_ended_has_ended_on_every_node(at: MadeDoor) -> None:
    other = Door(at.engine.begin, at.engine.begin, at.trail, Passwords(CountedHasher()), lambda: at.now_us)
    at.add("aoi")
    session = at.sign_in("aoi").session
    assert other.who_has(session) is not None
    at.door.sign_out(session)
    assert other.who_has(session) is None


def test_a_session_that_somebody_planted_is_not_taken_over(at: MadeDoor) -> None:
    """Fixation: what a browser sent before it signed in opens nothing behind it either."""
    at.add("aoi")
    at.add("mallory")
    planted, mallorys = new_secret(), at.sign_in("mallory").session
    for sent in (planted, mallorys):
        signed_in = at.sign_in("aoi", former=sent)
        assert signed_in.session.text != sent.text
        assert at.door.who_has(signed_in.session).name == "aoi"  # type: ignore[union-attr]
    assert at.door.who_has(planted) is None
    assert at.door.who_has(mallorys) is None, "another person sits at this browser now"


def test_a_new_sign_in_ends_the_session_that_the_browser_had(at: MadeDoor) -> None:
    at.add("aoi")
    first = at.sign_in("aoi").session
    second = at.sign_in("aoi", former=first).session
    assert at.door.who_has(first) is None
    assert at.door.who_has(second) is not None


def test_a_session_ends_when_nothing_is_asked_and_at_the_latest_after_a_shift(at: MadeDoor) -> None:
    at.add("aoi")
    left, kept = at.sign_in("aoi").session, at.sign_in("aoi").session
    for _ in range(IDLE_US // HOUR_US):
        at.wait(3600)
        assert at.door.who_has(kept) is not None
    assert at.door.who_has(left) is None
    while at.now_us < BEGIN_US + LONGEST_US - HOUR_US:
        at.wait(3600)
        assert at.door.who_has(kept) is not None
    at.wait(3600)
    assert at.door.who_has(kept) is None


def test_a_viewers_screen_stays_on_the_wall(at: MadeDoor) -> None:
    at.add("wall", Role.VIEWER)
    session = at.sign_in("wall").session
    at.wait(VIEWER_US / SECOND - 1)
    assert at.door.who_has(session) is not None
    at.wait(2)
    assert at.door.who_has(session) is None


def test_looking_whether_a_session_is_open_does_not_keep_it_open(at: MadeDoor) -> None:
    at.add("aoi")
    session = at.sign_in("aoi").session
    at.wait(IDLE_US / SECOND - 1)
    assert at.door.is_open(session)
    at.wait(2)
    assert not at.door.is_open(session)
    assert at.door.who_has(session) is None


def test_one_sees_and_ends_ones_own_sessions_alone(at: MadeDoor) -> None:
    account = at.add("aoi")
    at.add("mallory")
    here = at.sign_in("aoi").session
    there = at.sign_in("aoi", visitor=Visitor("192.0.2.9", "another\x1b[31m browser")).session
    with at.engine.begin() as connection:
        mine = list_sessions(connection, account.id, at.now_us)
    assert {(one.address, one.browser) for one in mine} == {
        ("192.0.2.7", "a browser"),
        ("192.0.2.9", "another\\x1b[31m browser"),
    }
    assert here.text not in {one.id for one in mine}
    mallory = at.door.who_has(at.sign_in("mallory").session)
    assert mallory is not None
    assert not at.door.end_other(mallory, there.hash)
    assert at.door.who_has(there) is not None
    assert at.door.end_other(account.person, there.hash)
    assert at.door.who_has(there) is None
    assert at.door.who_has(here) is not None
    assert at.entries()[-1] == ("aoi", "signed-out", {"elsewhere": True})


def test_an_account_has_a_bounded_number_of_sessions(at: MadeDoor) -> None:
    account = at.add("aoi")
    opened = []
    for _ in range(25):
        at.wait(1)
        opened.append(at.sign_in("aoi").session)
    with at.engine.begin() as connection:
        assert len(list_sessions(connection, account.id, at.now_us)) == 20
    assert [at.door.who_has(session) is not None for session in opened] == [False] * 5 + [True] * 20


@pytest.mark.parametrize("name", ["aoi", "nobody", "off", "", "\0", "\ud800", "x" * 10_000, "=cmd|' /C calc'!A0"])
def test_all_refusals_sound_and_cost_the_same(at: MadeDoor, name: str) -> None:
    at.add("aoi")
    at.add("off")
    with at.engine.begin() as connection:
        set_disabled(connection, at.trail, CONSOLE, "off", True, BEGIN_US)
    before = at.hasher.compared
    with pytest.raises(SignInRefusedError, match="the name or the password is wrong; type both again") as refused:
        at.sign_in(name, PASSWORD if name == "off" else "something else")
    assert refused.value.retry_after_s is None
    assert at.hasher.compared == before + 1, "an unknown name must take as long as a known one"
    who, what, about = at.entries()[-1]
    assert (who, what, about["address"]) == ("station", "sign-in-failed", "192.0.2.7")
    assert about["why"] == {"aoi": "password", "off": "disabled"}.get(name, "unknown-name")
    assert about["account"] == (name if name in ("aoi", "off") else None), "people type passwords into the wrong field"


def test_rights_are_those_of_today(at: MadeDoor) -> None:
    at.add("aoi", Role.ENGINEER)
    session = at.sign_in("aoi").session
    with at.engine.begin() as connection:
        set_role(connection, at.trail, CONSOLE, "aoi", Role.VIEWER, BEGIN_US)
    assert at.door.who_has(session) is None, "with another role one signs in again"
    assert at.sign_in("aoi").person.rights == RIGHTS_OF[Role.VIEWER]


def test_one_changes_ones_password_and_all_other_sessions_end(at: MadeDoor) -> None:
    at.add("aoi")
    here, there = at.sign_in("aoi"), at.sign_in("aoi")
    with pytest.raises(SignInRefusedError, match="the former password is wrong"):
        at.door.change_password(here.person, "not this one", "another long password", HERE)
    with pytest.raises(OptionError, match="has 5 characters"):
        at.door.change_password(here.person, PASSWORD, "short", HERE)
    assert at.door.who_has(here.session) is not None
    changed = at.door.change_password(here.person, PASSWORD, "another long password", HERE)
    assert [at.door.who_has(one.session) is not None for one in (here, there, changed)] == [False, False, True]
    with pytest.raises(SignInRefusedError):
        at.sign_in("aoi")
    assert at.sign_in("aoi", "another long password").person.name == "aoi"


def test_who_has_a_session_cannot_try_passwords_without_end(at: MadeDoor) -> None:
    at.add("aoi")
    person = at.sign_in("aoi").person
    waited = 0
    for _ in range(50):
        try:
            at.door.change_password(person, "a wrong one", "another long password", HERE)
        except SignInRefusedError as error:
            waited += error.retry_after_s is not None
    assert waited >= 40
    assert at.sign_in("aoi").person == person, "but this does not lock them out"


def test_an_old_hash_becomes_one_of_today(at: MadeDoor) -> None:
    at.add("aoi")
    former = _hash_of(at)
    stronger = Passwords(CountedHasher(time_cost=2))
    door = Door(at.engine.begin, at.engine.begin, at.trail, stronger, lambda: at.now_us)
    session = door.sign_in("aoi", PASSWORD, HERE).session
    assert _hash_of(at) != former
    assert not stronger.is_outdated(_hash_of(at))
    assert door.who_has(session) is not None
    assert door.sign_in("aoi", PASSWORD, HERE).person.name == "aoi"


def _hash_of(at: MadeDoor) -> str:
    with at.engine.begin() as connection:
        return the_account(connection, "aoi").password_hash


def test_a_try_that_finds_no_turn_counts_for_nothing(at: MadeDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    at.add("aoi")

    def busy(*_: object) -> bool:
        raise BusyError("too many")

    with monkeypatch.context() as patched:
        patched.setattr(at.door.passwords, "matches", busy)
        for _ in range(100):
            with pytest.raises(BusyError):
                at.sign_in("aoi", "wrong")
    assert at.sign_in("aoi").person.name == "aoi"


def test_a_password_that_changes_while_it_is_compared_opens_nothing(at: MadeDoor) -> None:
    at.add("aoi")

    class Changes(CountedHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Any:
            with at.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE account SET password_hash = 'another'")
            return super().verify(hash, password)

    door = Door(at.engine.begin, at.engine.begin, at.trail, Passwords(Changes()), lambda: at.now_us)
    with pytest.raises(SignInRefusedError):
        door.sign_in("aoi", PASSWORD, HERE)


def test_a_typed_password_confirms_its_session_for_a_time(at: MadeDoor) -> None:
    at.add("aoi", Role.ADMIN)
    signed_in, other = at.sign_in("aoi"), at.sign_in("aoi")
    at.wait(CONFIRMED_US / SECOND - 1)
    assert at.door.is_confirmed(signed_in.session)
    at.wait(1)
    assert not at.door.is_confirmed(signed_in.session)
    with pytest.raises(SignInRefusedError, match="the password is wrong"):
        at.door.confirm(signed_in.person, "not the password", signed_in.session, HERE)
    assert not at.door.is_confirmed(signed_in.session)
    at.door.confirm(signed_in.person, PASSWORD, signed_in.session, HERE)
    assert at.door.is_confirmed(signed_in.session)
    assert not at.door.is_confirmed(other.session), "another browser may be anybody's"
    at.door.sign_out(signed_in.session)
    assert not at.door.is_confirmed(signed_in.session)
    assert at.entries()[3] == ("aoi", "sign-in-failed", {"address": "192.0.2.7", "why": "password"})


def test_a_password_is_not_guessed_at_a_browser_that_is_open(at: MadeDoor) -> None:
    at.add("aoi", Role.ADMIN)
    signed_in = at.sign_in("aoi")
    compared = at.hasher.compared
    for _ in range(20):
        with pytest.raises(SignInRefusedError):
            at.door.confirm(signed_in.person, "not the password", signed_in.session, HERE)
    assert at.hasher.compared - compared < 5, "each further try waits"


def test_the_page_token_is_the_sessions() -> None:
    mine, other = new_secret(), new_secret()
    assert is_csrf_token(mine, csrf_token(mine))
    for sent in (csrf_token(other), None, "", mine.text, mine.hash, csrf_token(mine)[:-1], "\ud800", "é" * 64):
        assert not is_csrf_token(mine, sent)


def test_secrets_are_long_and_show_nothing_by_accident() -> None:
    made = {new_secret().text for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 43, "256 bits"
    assert "text" not in repr(Secret("text"))


def test_no_secret_is_in_the_trail_or_the_store(at: MadeDoor) -> None:
    """Whatever people do, with every secret that the door has ever handed out or heard."""
    secrets = [PASSWORD, "a wrong password 1", "another long password"]
    at.add("aoi", Role.ADMIN)
    signed_in = at.sign_in("aoi")
    for name in ("aoi", "a wrong password 1"):
        for _ in range(12):
            at.wait(1000)
            with pytest.raises(SignInRefusedError):
                at.sign_in(name, "a wrong password 1")
    at.wait(1000)
    changed = at.door.change_password(signed_in.person, PASSWORD, "another long password", HERE)
    with at.engine.begin() as connection:
        token = make_token(connection, at.trail, signed_in.person, "line", ["submit"], at.now_us)
        link = make_link(connection, at.trail, signed_in.person, "aoi", at.now_us)
        revoke_token(connection, at.trail, signed_in.person, "line", at.now_us)
    at.door.sign_out(changed.session)
    trail = at.trail.path.read_text("utf-8")
    assert {what for _, what, _ in at.entries()} == ENTRY_KINDS
    handed_out = [one.text for one in (signed_in.session, signed_in.known_browser, changed.session, token, link)]
    handed_out.append(csrf_token(changed.session))
    assert not [one for one in (*secrets, *handed_out) if one in trail]
    assert "argon2" not in trail
    assert not [one.hash for one in (signed_in.session, token, link) if one.hash in trail]
    with at.engine.begin() as connection:
        tables = accounts.metadata.sorted_tables
        dump = "\n".join(str(row) for table in tables for row in connection.execute(table.select()))
    assert "argon2id" in dump
    assert not [one for one in (*secrets, *handed_out) if one in dump]


def test_browsers_are_forgotten_after_a_time(at: MadeDoor) -> None:
    at.add("aoi")
    known = at.sign_in("aoi").known_browser
    at.now_us += 91 * DAY_US
    at.sign_in("aoi")
    with at.engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT token_hash FROM known_browser").scalars().all()
    assert known.hash not in rows
    assert len(rows) == 1
    again = at.sign_in("aoi", visitor=replace(HERE, known_as=at.sign_in("aoi").known_browser))
    assert again.known_browser.text != known.text
