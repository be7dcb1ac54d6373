"""Secrets that the station makes: random numbers, of which the store holds hashes alone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

_BYTES = 32
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that is shown once; printed by accident, it shows nothing."""

    text: str = field(repr=False)

    @property
    def hash(self) -> str:
        """What the store holds of it: SHA-256, 64 hexadecimal digits. Nobody finds 256 random bits again from it, so
        a slow hash, as passwords need, would protect nothing."""
        return hash_of(self.text)


def new_secret(prefix: str = "") -> Secret:
    """256 random bits as text. prefix: what it is, so that scanners find one that lies in the open."""
    return Secret(prefix + secrets.token_urlsafe(_BYTES))


def hash_of(text: str) -> str:
    """The hash of a secret that somebody sent; of one that is longer than any, that of no secret."""
    return hashlib.sha256(text[:_LONGEST].encode("utf-8", "surrogatepass")).hexdigest()


def csrf_token(session: Secret) -> str:
    """The token that a page of this session sends with whatever changes something; another site cannot read it."""
    return hmac.new(session.text.encode(), b"kenpin csrf", hashlib.sha256).hexdigest()


def is_csrf_token(session: Secret, sent: str | None) -> bool:
    """Whether it is this session's; takes the same time whatever was sent."""
    return hmac.compare_digest(csrf_token(session).encode(), (sent or "").encode("utf-8", "surrogatepass"))
