"""Passwords: what is guessed too soon is refused, no time tells who is known, and few are hashed at once."""

from __future__ import annotations

import re
import subprocess
import sys
import threading

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from kenpin.errors import OptionError
from kenpin.station.who.passwords import BusyError, Passwords, check_password
from tests.station.who.made import PASSWORD, CountedHasher


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "has 5 characters"),
        ("x" * 257, "has 257 characters"),
        ("aaaaaaaabbbb", "fewer than 5 different"),
        ("my aoi.tanaka 7", "contains the name"),
        ("MY AOI.TANAKA 7", "contains the name"),
        ("abcdefghijklm", "in their order"),
        ("123456789:;<", "in their order"),
    ],
)
def test_a_password_that_is_guessed_too_soon_is_refused(password: str, why: str) -> None:
    with pytest.raises(OptionError, match=why):
        check_password(password, "aoi.tanaka")


def test_a_password_may_be_of_any_script_and_any_kind_of_characters() -> None:
    for password in ("correct horse battery", "パスワードは長い方がよい。", "0918273645 4", "all small letters"):
        assert check_password(password, "aoi")


def test_keyboards_that_send_the_same_characters_otherwise_are_the_same() -> None:
    passwords = Passwords(CountedHasher())
    composed, decomposed = "caf\u00e9 au lait 7", "cafe\u0301 au lait 7"
    assert passwords.matches(passwords.hash(composed, "aoi"), decomposed)
    assert passwords.matches(passwords.hash("ﾊﾟｽﾜｰﾄﾞ ﾊ ﾅｶﾞｲ ﾎｳｶﾞｲｲ", "aoi"), "パスワード ハ ナガイ ホウガイイ")


@given(st.text(), st.text())
def test_only_the_password_matches(password: str, other: str) -> None:
    """Whatever is sent, halves of surrogate pairs and zeros among it: an answer, and never an error."""
    passwords = Passwords(CountedHasher())
    assert passwords.matches(passwords.hash_again(password), password)
    assert passwords.matches(passwords.hash(PASSWORD, "aoi"), other) is (other == PASSWORD)
    assert not passwords.matches(None, password)
    assert not passwords.matches(None, "the password of nobody")


def test_as_much_is_computed_for_an_unknown_name() -> None:
    hasher = CountedHasher()
    passwords = Passwords(hasher)
    known = passwords.hash(PASSWORD, "aoi")
    for password_hash in (known, None):
        before = hasher.compared
        passwords.matches(password_hash, "something else")
        assert hasher.compared == before + 1


def test_by_default_it_is_argon2id_with_64_mebibytes() -> None:
    hashed = Passwords().hash(PASSWORD, "aoi")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert Passwords(CountedHasher()).is_outdated(hashed)
    assert not Passwords().is_outdated(hashed)


def test_of_many_at_once_some_are_asked_to_come_again() -> None:
    entered, goes_on = threading.Semaphore(0), threading.Event()

    class Waiting(PasswordHasher):
        def __init__(self) -> None:
            super().__init__(time_cost=1, memory_cost=8, parallelism=1)

        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
            entered.release()
            goes_on.wait(10)
            return True

    passwords = Passwords(Waiting())
    outcomes: list[bool | str] = []

    def tries() -> None:
        try:
            outcomes.append(passwords.matches("hash", "password"))
        except BusyError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=tries) for _ in range(30)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        assert entered.acquire(timeout=10)
    assert not entered.acquire(timeout=0.05), "more than two take 64 MiB each"
    goes_on.set()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) >= 10
    assert sum("too many people" in str(one) for one in outcomes) == 30 - outcomes.count(True) > 0
    assert passwords.matches("hash", "password"), "it takes others when they are done"


def test_without_the_package_its_extra_is_named() -> None:
    code = "import sys; sys.modules['argon2'] = None; import kenpin.station.who.passwords"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(r'MissingExtraError: accounts need argon2-cffi: .*pip install "kenpin\[station\]"', done.stderr)
