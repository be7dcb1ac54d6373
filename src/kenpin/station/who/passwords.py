"""Passwords: which are taken, and their slow hashes, a few at a time."""

from __future__ import annotations

import unicodedata
from contextlib import contextmanager
from itertools import pairwise
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from kenpin.errors import KenpinError, MissingExtraError, OptionError
from kenpin.installing import installing
from kenpin.plural import counted

try:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError
except ImportError as error:
    raise MissingExtraError(f"accounts need argon2-cffi: {installing('station')}") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST, _LONGEST = 12, 256
_DISTINCT = 5
_AT_ONCE, _WAITING = 2, 8


class BusyError(KenpinError, RuntimeError):
    """Too many people sign in at this moment; the password was not looked at."""


def check_password(password: str, name: str) -> str:
    """The password in the form that is hashed, whichever keyboard it comes from. Raises OptionError for one that is
    guessed too soon. name: of its account."""
    normal = _normal(password)
    if not _SHORTEST <= len(normal) <= _LONGEST:
        raise OptionError(
            f"the password has {counted(len(normal), 'character')}; choose one of {_SHORTEST} to {_LONGEST}."
        )
    # NIST SP 800-63B asks for no mixture of kinds; it asks that what is guessed first is refused
    if len(set(normal)) < _DISTINCT:
        raise OptionError(f"the password has fewer than {_DISTINCT} different characters; choose another.")
    if len(name) >= _DISTINCT and name.casefold() in normal.casefold():
        raise OptionError("the password contains the name of the account; choose another.")
    if any(ord(after) - ord(before) != 1 for before, after in pairwise(normal)):
        return normal
    raise OptionError("the password is a row of characters in their order; choose another.")


class Passwords:
    """Makes and compares hashes, for any thread. Each takes 64 MiB, so only a few are made at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """hasher: by default Argon2id with the second parameters of RFC 9106."""
        self._hasher = hasher or PasswordHasher()
        self._computing = BoundedSemaphore(_AT_ONCE)
        self._coming, self._count = Lock(), 0
        self._nobodys = self._hasher.hash("the password of nobody")

    def hash(self, password: str, name: str) -> str:
        """The hash of a new password. Raises OptionError for one that is guessed too soon, BusyError."""
        normal = check_password(password, name)
        with self._turn():
            return self._hasher.hash(_bytes(normal))

    def hash_again(self, password: str) -> str:
        """A hash with today's parameters of a password that an account has. Raises BusyError."""
        with self._turn():
            return self._hasher.hash(_bytes(_normal(password)))

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password; takes the same time where there is no account. Raises BusyError.

        password_hash: None where there is no account.
        """
        given = _bytes(_normal(password[: 4 * _LONGEST]))
        with self._turn():
            try:
                is_it: bool = self._hasher.verify(password_hash or self._nobodys, given)
            except (VerificationError, InvalidHashError):
                is_it = False
        return is_it and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._coming:
            if self._count >= _AT_ONCE + _WAITING:
                raise BusyError("too many people are signing in at this moment; try again in a few seconds.")
            self._count += 1
        try:
            with self._computing:
                yield
        finally:
            with self._coming:
                self._count -= 1


def _normal(password: str) -> str:
    """One form for what keyboards of several systems send for the same characters (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def _bytes(normal: str) -> bytes:
    return normal.encode("utf-8", "surrogatepass")
