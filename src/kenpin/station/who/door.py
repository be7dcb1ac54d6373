"""The door of the station: signing in and out, and who it is that asks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kenpin.errors import KenpinError
from kenpin.station.clock import SECOND_US, Clock, now_us
from kenpin.station.store.account_tables import accounts
from kenpin.station.who.accounts import Account, account_of, find_account, set_password
from kenpin.station.who.entries import LOCKED_OUT, SIGN_IN_FAILED, SIGNED_IN, SIGNED_OUT
from kenpin.station.who.machines import find_token, find_tokens, note_used
from kenpin.station.who.passwords import BusyError, Passwords
from kenpin.station.who.rights import STATION, NotSignedInError, Person
from kenpin.station.who.secret import Secret
from kenpin.station.who.sessions import (
    Visitor,
    drop_session,
    end_session,
    find_session,
    is_confirmed,
    is_known_browser,
    is_worth_noting,
    know_browser,
    note_confirmed,
    note_seen,
    start_session,
)
from kenpin.station.who.tries import (
    BY_ACCOUNT,
    BY_ADDRESS,
    Patience,
    account_key,
    address_key,
    browser_key,
    count_try,
    forget,
    take_back,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from kenpin.station.trail import Trail

Opening = Callable[[], AbstractContextManager["Connection"]]
"""Opens a transaction of the store, which is committed at the end and rolled back by an error."""
_ADDRESS, _ACCOUNT = "address", "account"


class SignInRefusedError(KenpinError, RuntimeError):
    """The name or the password is wrong, or there were too many wrong ones; which of these, it does not tell."""

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Whole seconds until a try will be heard; None where it is heard at once."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, and what their browser keeps."""

    person: Person
    session: Secret = field(repr=False)
    known_browser: Secret = field(repr=False)
    """Kept when the session is over: tries of others do not lock out this browser."""


@dataclass(frozen=True, slots=True)
class _Try:
    """A try that is heard, and the keys under which it was counted as failed."""

    account: Account | None
    keys: tuple[tuple[str, str], ...]
    """What is counted, and its key."""
    locks: tuple[str, ...]
    """Which of these it locks, should it fail."""


class Door:
    """Signing in and out, for any thread and any number of nodes."""

    def __init__(
        self, reading: Opening, writing: Opening, trail: Trail, passwords: Passwords, clock: Clock = now_us
    ) -> None:
        self._reading, self._writing, self._trail, self._clock = reading, writing, trail, clock
        self.passwords = passwords

    # ---- signing in and out ----

    def sign_in(self, name: str, password: str, visitor: Visitor, former: Secret | None = None) -> SignedIn:
        """Begin a session with a token of its own. former: the session that the browser sent, which ends.

        Raises SignInRefusedError, which sounds the same whether there is such an account or not, BusyError.
        """
        tried = self._count(name, visitor)
        account = tried.account
        try:
            matches = self.passwords.matches(None if account is None else account.password_hash, password)
        except BusyError:
            self._take_back(tried)
            raise
        if account is None or not matches or account.disabled:
            why = "unknown-name" if account is None else "password" if not matches else "disabled"
            raise self._refused(tried, visitor, why)
        newer = self._newer_hash(account, password)
        now = self._clock()
        with self._writing() as connection:
            today = find_account(connection, account.name)
            if today is None or today.disabled or today.password_hash != account.password_hash:
                raise self._refused(tried, visitor, "changed")
            if newer is not None:
                change = accounts.update().where(accounts.c.id == account.id).values(password_hash=newer)
                connection.execute(change)
            _forgive(connection, tried)
            if former is not None:  # whosever it was: another person sits at this browser now
                drop_session(connection, former)
            signed_in = self._welcomed(connection, today, visitor, now)
            self._trail.append(today.name, SIGNED_IN, {"address": visitor.address})
        return signed_in

    def sign_out(self, session: Secret) -> None:
        """End a session on every node. Raises NotSignedInError where it has ended already."""
        now = self._clock()
        with self._writing() as connection:
            row = find_session(connection, session, now)
            if row is None or not end_session(connection, row.id, session.hash):
                raise NotSignedInError("this session has ended already.")
            self._trail.append(row.name, SIGNED_OUT, {})

    def end_other(self, person: Person, session_id: str) -> bool:
        """End a session of one's own by its id; False where there is none."""
        with self._writing() as connection:
            account = find_account(connection, person.name)
            if account is None or not end_session(connection, account.id, session_id):
                return False
            self._trail.append(person.name, SIGNED_OUT, {"elsewhere": True})
        return True

    def change_password(self, person: Person, former: str, new: str, visitor: Visitor) -> SignedIn:
        """Change one's own password. All sessions end, and one with a new token begins.

        Raises SignInRefusedError where the former one is wrong, OptionError where the new one is guessed too soon,
        BusyError.
        """
        account = self._own_account(person, former, "former password", visitor)
        hashed = self.passwords.hash(new, account.name)
        now = self._clock()
        with self._writing() as connection:
            forget(connection, _own_key(person))
            changed = set_password(connection, self._trail, person, account.name, hashed, now)
            return self._welcomed(connection, changed, visitor, now)

    def confirm(self, person: Person, password: str, session: Secret, visitor: Visitor) -> None:
        """Hear one's own password once more, which changes of accounts need. Raises SignInRefusedError, BusyError."""
        self._own_account(person, password, "password", visitor)
        now = self._clock()
        with self._writing() as connection:
            forget(connection, _own_key(person))
            note_confirmed(connection, session, now)

    def is_confirmed(self, session: Secret) -> bool:
        """Whether the person of a session typed their password lately."""
        with self._reading() as connection:
            return is_confirmed(connection, session, self._clock())

    # ---- who asks ----

    def who_has(self, session: Secret) -> Person | None:
        """Whose session it is, with their rights of today; None where it ended."""
        now = self._clock()
        with self._reading() as connection:
            row = find_session(connection, session, now)
        if row is None:
            return None
        if is_worth_noting(row.seen_us, now):
            with self._writing() as connection:
                note_seen(connection, session, now)
        return account_of(row).person

    def is_open(self, session: Secret) -> bool:
        """Whether a session has not ended; asking this does not keep it open."""
        with self._reading() as connection:
            return find_session(connection, session, self._clock()) is not None

    def is_token(self, token: Secret) -> bool:
        """Whether a machine token was not revoked; asking this does not use it."""
        with self._reading() as connection:
            return find_token(connection, token) is not None

    def which_machine(self, token: Secret) -> Person | None:
        """Whose machine token it is; None where there is none, or it was revoked."""
        return self.which_machines([token]).get(token)

    def which_machines(self, tokens: Collection[Secret]) -> dict[Secret, Person]:
        """Whose machine tokens they are, without those that there are not, or that were revoked."""
        now = self._clock()
        with self._reading() as connection:
            found = find_tokens(connection, tokens)
        unnoted = [one for one, its in found.items() if its.used_us is None or is_worth_noting(its.used_us, now)]
        if unnoted:
            with self._writing() as connection:
                for token in unnoted:
                    note_used(connection, token, now)
        return {token: one.machine for token, one in found.items()}

    # ---- tries ----

    def _own_account(self, person: Person, password: str, what: str, visitor: Visitor) -> Account:
        """The account of who is signed in, whose password they typed. what: its name in the refusal. Raises
        SignInRefusedError, BusyError."""
        with self._writing() as connection:
            account = find_account(connection, person.name)
            self._heard(connection, _own_key(person), BY_ACCOUNT)
        if account is None or not self.passwords.matches(account.password_hash, password):
            why = what.replace(" ", "-")
            self._trail.append(person.name, SIGN_IN_FAILED, {"address": visitor.address, "why": why})
            raise SignInRefusedError(f"the {what} is wrong; type it again.")
        return account

    def _newer_hash(self, account: Account, password: str) -> str | None:
        """The hash with today's parameters where the account has one with others; another time where many sign in."""
        if not self.passwords.is_outdated(account.password_hash):
            return None
        with suppress(BusyError):
            return self.passwords.hash_again(password)
        return None

    def _count(self, name: str, visitor: Visitor) -> _Try:
        with self._writing() as connection:
            account = find_account(connection, name)
            keys = [(_ADDRESS, address_key(visitor.address), BY_ADDRESS), (_ACCOUNT, account_key(name), BY_ACCOUNT)]
            if account is not None and visitor.known_as and is_known_browser(connection, account.id, visitor):
                keys = [(_ACCOUNT, browser_key(visitor.known_as.hash), BY_ACCOUNT)]
            locks = [what for what, key, patience in keys if self._heard(connection, key, patience)]
        return _Try(account, tuple((what, key) for what, key, _ in keys), tuple(locks))

    def _heard(self, connection: Connection, key: str, patience: Patience) -> bool:
        """Count a try; whether it locks, should it fail. Raises SignInRefusedError where it comes too soon."""
        counted = count_try(connection, key, patience, self._clock())
        if counted.wait_us:
            wait_s = -(-counted.wait_us // SECOND_US)
            raise SignInRefusedError(f"there were too many failed tries; try again in {wait_s} s.", wait_s)
        return counted.locks

    def _take_back(self, tried: _Try) -> None:
        with self._writing() as connection:
            for _, key in tried.keys:
                take_back(connection, key)

    def _refused(self, tried: _Try, visitor: Visitor, why: str) -> SignInRefusedError:
        # a name that no account has is not written down: people type passwords into the wrong field
        about: dict[str, Any] = {"account": None if tried.account is None else tried.account.name}
        about["address"] = visitor.address
        self._trail.append(STATION.name, SIGN_IN_FAILED, {**about, "why": why})
        for what in tried.locks:
            self._trail.append(STATION.name, LOCKED_OUT, {**about, "locked": what})
        return SignInRefusedError("the name or the password is wrong; type both again.")

    def _welcomed(self, connection: Connection, account: Account, visitor: Visitor, now: int) -> SignedIn:
        session = start_session(connection, account.id, account.role, visitor, now)
        return SignedIn(account.person, session, know_browser(connection, account.id, visitor, now))


def _own_key(person: Person) -> str:
    """Key of the tries of whoever sits at a browser that is signed in."""
    return "change " + account_key(person.name)


def _forgive(connection: Connection, tried: _Try) -> None:
    for what, key in tried.keys:
        if what == _ACCOUNT:
            forget(connection, key)
        else:
            take_back(connection, key)
