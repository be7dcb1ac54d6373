"""Lock-out: guessing becomes slow from one address and from many, and nobody is locked out for ever by others."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.station.clock import DAY_US, SECOND_US
from kenpin.station.trail import Trail
from kenpin.station.who.accounts import set_password
from kenpin.station.who.door import SignInRefusedError
from kenpin.station.who.rights import CONSOLE
from kenpin.station.who.sessions import Visitor
from kenpin.station.who.tries import BY_ACCOUNT, BY_ADDRESS, LOCK_US, account_key, address_key, count_try, take_back
from tests.station.who.made import BEGIN_US, HERE, CountedHasher, MadeDoor, made_engine

LOCK_S = LOCK_US / SECOND_US


def _wait_s(at: MadeDoor, name: str, visitor: Visitor) -> int | None:
    """Try a wrong password; None where it was looked at, else in how many seconds the next one may be."""
    before = at.hasher.compared
    with pytest.raises(SignInRefusedError) as refused:
        at.sign_in(name, "wrong", visitor)
    assert (at.hasher.compared > before) is (refused.value.retry_after_s is None)
    return refused.value.retry_after_s


def _heard(at: MadeDoor, name: str, visitor: Visitor) -> bool:
    """Try a wrong password; whether it was looked at."""
    return _wait_s(at, name, visitor) is None


def _guesses_in(at: MadeDoor, hours: float, name: str, visitors: list[Visitor]) -> int:
    """How many guesses are looked at in a time, of somebody who tries every ten seconds, from each address in turn."""
    heard = 0
    for number in range(round(hours * 360)):
        heard += _heard(at, name, visitors[number % len(visitors)])
        at.wait(10)
    return heard


def test_guessing_from_one_address_is_slow(at: MadeDoor) -> None:
    at.add("aoi")
    assert _guesses_in(at, 1, "aoi", [HERE]) <= 10 + 4


def test_guessing_from_many_addresses_is_as_slow(at: MadeDoor) -> None:
    at.add("aoi")
    visitors = [Visitor(f"198.51.100.{number}") for number in range(250)]
    assert _guesses_in(at, 1, "aoi", visitors) <= 10 + 4


def test_guessing_at_many_names_from_one_address_is_slow(at: MadeDoor) -> None:
    heard = sum(_heard(at, f"name{number}", HERE) for number in range(500))
    assert heard <= BY_ADDRESS.free + 1
    for number in range(200):
        at.wait(LOCK_S + 1)
        assert _heard(at, f"name{number}", HERE)
        assert not _heard(at, f"other{number}", HERE), "from so many on, one in a lock's time"
        if number > 40:
            break


def test_an_address_has_many_more_tries_than_an_account() -> None:
    """Behind one address there may be a whole plant."""
    assert BY_ADDRESS.free > 5 * BY_ACCOUNT.free
    assert BY_ADDRESS.lock_at >= 5 * BY_ACCOUNT.lock_at


def test_delays_grow_and_then_it_locks(at: MadeDoor) -> None:
    at.add("aoi")
    delays = []
    for number in range(12):
        visitor, delay_s = Visitor(f"198.51.100.{number}"), 0
        while (wait_s := _wait_s(at, "aoi", visitor)) is not None:
            at.wait(wait_s)
            delay_s += wait_s
        delays.append(delay_s)
    assert delays == [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, LOCK_S, LOCK_S]
    locked = [about for _, what, about in at.entries() if what == "locked-out"]
    assert [one["locked"] for one in locked] == ["account"] * 3
    assert locked[0] == {"account": "aoi", "address": "198.51.100.9", "locked": "account"}


def test_others_never_lock_one_out_of_ones_own_browser(at: MadeDoor) -> None:
    at.add("aoi")
    mine = replace(HERE, known_as=at.sign_in("aoi").known_browser)
    elsewhere = [Visitor(f"198.51.100.{number}") for number in range(50)]
    heard = 0
    for number in range(200):
        heard += _heard(at, "aoi", elsewhere[number % 50])
        at.wait(60)
        heard += _heard(at, "aoi", HERE)  # from the same address, too: several sit behind it
        if number % 20 == 0:
            mine = replace(HERE, known_as=at.sign_in("aoi", visitor=mine).known_browser)
    assert heard <= 10 + 200 * 60 / LOCK_S + 1


def test_a_known_browser_is_no_way_around_the_delays(at: MadeDoor) -> None:
    at.add("aoi")
    at.add("mallory")
    aois = replace(HERE, known_as=at.sign_in("aoi").known_browser)
    mallorys = replace(HERE, known_as=at.sign_in("mallory").known_browser)
    assert sum(_heard(at, "aoi", aois) for _ in range(50)) <= BY_ACCOUNT.free + 1
    at.wait(DAY_US / SECOND_US)
    at.wait(1)
    assert sum(_heard(at, "aoi", Visitor(f"198.51.100.{number}")) for number in range(50)) == BY_ACCOUNT.free + 1
    assert not _heard(at, "aoi", mallorys), "it is known for mallory alone"
    assert _heard(at, "aoi", aois)


def test_an_account_of_ones_own_wipes_off_no_failures_of_an_address(at: MadeDoor) -> None:
    at.add("mallory")
    heard = 0
    for number in range(300):
        heard += _heard(at, f"name{number}", HERE)
        try:
            at.sign_in("mallory")
        except SignInRefusedError:
            continue
    assert heard <= BY_ADDRESS.free + 1


def test_who_knows_the_password_is_heard_when_the_delay_is_over(at: MadeDoor) -> None:
    at.add("aoi")
    for number in range(4):
        assert _heard(at, "aoi", Visitor(f"198.51.100.{number}"))
    with pytest.raises(SignInRefusedError, match="too many failed tries; try again in 2 s") as refused:
        at.sign_in("aoi")
    assert refused.value.retry_after_s == 2
    at.wait(2)
    assert at.sign_in("aoi").person.name == "aoi"
    assert [_heard(at, "aoi", HERE) for _ in range(5)] == [True] * 4 + [False], "it begins from the start"


def test_an_unknown_name_is_locked_as_a_known_one_is(at: MadeDoor) -> None:
    at.add("aoi")
    visitors = [Visitor(f"198.51.100.{number}") for number in range(30)]
    assert [_heard(at, "aoi", one) for one in visitors] == [_heard(at, "nobody", one) for one in visitors]


def test_a_new_password_opens_a_lock(at: MadeDoor) -> None:
    at.add("aoi")
    visitors = [Visitor(f"198.51.100.{number}") for number in range(30)]
    assert sum(_heard(at, "aoi", one) for one in visitors) < len(visitors)
    hashed = at.door.passwords.hash("a new long password", "aoi")
    with at.engine.begin() as connection:
        set_password(connection, at.trail, CONSOLE, "aoi", hashed, at.now_us)
    assert at.sign_in("aoi", "a new long password").person.name == "aoi"


def test_locks_outlive_a_restart_and_end_of_themselves(tmp_path: Path) -> None:
    def opened() -> MadeDoor:
        engine = made_engine(f"sqlite:///{tmp_path}/store.sqlite")
        return MadeDoor(engine, Trail(tmp_path / "node-1.jsonl", "node-1"))

    def close(at: MadeDoor) -> None:
        at.trail.close()
        at.engine.dispose()

    at = opened()
    at.add("aoi")
    while _heard(at, "aoi", HERE):
        pass
    close(at)
    at = opened()
    assert not _heard(at, "aoi", HERE)
    at.wait(LOCK_S)
    assert at.sign_in("aoi").person.name == "aoi"
    close(at)


def test_a_clock_that_is_set_back_locks_nobody_out(at: MadeDoor) -> None:
    at.add("aoi")
    at.now_us += 1000 * DAY_US
    while _heard(at, "aoi", HERE):
        pass
    at.now_us = BEGIN_US
    assert at.sign_in("aoi").person.name == "aoi"


def test_what_is_old_is_removed(at: MadeDoor) -> None:
    for number in range(15):
        _heard(at, f"name{number}", HERE)
    at.wait(DAY_US / SECOND_US + 1)
    _heard(at, "last", HERE)
    with at.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM failed_try").scalar_one() == 2


def test_of_many_tries_at_once_few_are_heard(tmp_path: Path) -> None:
    """Each is counted before its password is looked at."""
    engine = made_engine(f"sqlite:///{tmp_path}/store.sqlite")
    at = MadeDoor(engine, Trail(tmp_path / "node-1.jsonl", "node-1"), CountedHasher())
    at.add("aoi")
    begin = threading.Barrier(8)

    def tries() -> None:
        begin.wait(10)
        for _ in range(5):
            with pytest.raises(SignInRefusedError):
                at.sign_in("aoi", "wrong")

    threads = [threading.Thread(target=tries) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert at.hasher.compared == BY_ACCOUNT.free + 1
    at.trail.close()
    engine.dispose()


@given(st.integers(1, 1000))
def test_delays_never_shrink(failures: int) -> None:
    for patience in (BY_ACCOUNT, BY_ADDRESS):
        assert 0 <= patience.delay_us(failures) <= patience.delay_us(failures + 1) <= LOCK_US
        assert (patience.delay_us(failures) == 0) is (failures <= patience.free)


@given(st.text(max_size=80))
def test_a_key_fits_its_column(text: str) -> None:
    assert max(len(account_key(text)), len(address_key(text)), len("change " + account_key(text))) <= 80


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("", "", True),
    ],
)
def test_whoever_has_a_network_has_one_address(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same


def test_a_try_is_taken_back_alone(at: MadeDoor) -> None:
    with at.engine.begin() as connection:
        for _ in range(3):
            count_try(connection, "k", BY_ACCOUNT, BEGIN_US)
        take_back(connection, "k")
        count_try(connection, "k", BY_ACCOUNT, BEGIN_US)
        assert connection.exec_driver_sql("SELECT failures FROM failed_try").scalar_one() == 3
