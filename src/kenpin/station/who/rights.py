"""Rights: what each role may do, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from kenpin.errors import KenpinError
from kenpin.station.folder import CONSOLE_NODE
from kenpin.words import Language


class Right(StrEnum):
    """What a person or a machine may do."""

    LOOK = "look"
    """See parts, counts and charts."""
    REVIEW = "review"
    """Say what a part is."""
    SUBMIT = "submit"
    """Hand in a part to be judged."""
    UPLOAD = "upload"
    """Hand in sets of pictures to learn from."""
    LEARN = "learn"
    """Freeze data sets, and start trainings."""
    APPROVE = "approve"
    """Let a version judge, or reject it, or go back to an earlier one."""
    SET_POLICY = "set-policy"
    """Change thresholds, costs and other settings of a product."""
    OPERATE = "operate"
    """See the machine with its sources and sinks, try one again, and give up messages."""
    AUDIT = "audit"
    """Read the trail."""
    ADMINISTER = "administer"
    """Add and change accounts and tokens."""


class Role(StrEnum):
    """What an account is for."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ENGINEER = "engineer"
    AUDITOR = "auditor"
    ADMIN = "admin"


_VIEWER = frozenset({Right.LOOK})
_REVIEWER = _VIEWER | {Right.REVIEW}
_ENGINEER = _REVIEWER | {
    Right.SUBMIT,
    Right.UPLOAD,
    Right.LEARN,
    Right.APPROVE,
    Right.SET_POLICY,
    Right.OPERATE,
}
RIGHTS_OF: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.VIEWER: _VIEWER,
        Role.REVIEWER: _REVIEWER,
        Role.ENGINEER: _ENGINEER,
        Role.AUDITOR: _VIEWER | {Right.AUDIT},
        Role.ADMIN: frozenset(Right),
    }
)
"""The rights of each role."""
TOKEN_RIGHTS = frozenset({Right.LOOK, Right.SUBMIT, Right.UPLOAD, Right.AUDIT})
"""The rights that a machine token may have: decisions are people's."""


class NotAllowedError(KenpinError, RuntimeError):
    """A person asked for what their role does not let them do."""


class NotSignedInError(KenpinError, RuntimeError):
    """Nobody is signed in, or no longer."""


class NotConfirmedError(KenpinError, RuntimeError):
    """A change asks for one's own password again, as whoever finds a browser open does not know it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever asks: a person, a machine by its token, the console, or the station itself."""

    name: str
    """As the trail names them: an account, `token NAME`, `console` or `station`."""
    role: Role | None
    """None for a machine, the console and the station."""
    rights: frozenset[Right]
    language: Language | None
    """None where they have not chosen one."""
    display_name: str = field(default="", compare=False)
    """As pages greet them; the trail knows them by their name."""

    def check(self, right: Right) -> None:
        """Raises NotAllowedError where they lack this right."""
        if right not in self.rights:
            raise NotAllowedError(
                f"{self.name} may not do this: it takes the right {right}; ask somebody who administers the station."
            )


CONSOLE = Person(CONSOLE_NODE, None, frozenset(Right), None)
"""Whoever runs commands on the machine of the station: they can read and write all its files anyway."""
STATION = Person("station", None, frozenset(), None)
"""The service, where it decides by itself."""
RESERVED_NAMES = frozenset({CONSOLE.name, STATION.name, "token"})
"""Names that no account has: the trail would not tell who it was."""


def check_approval(approver: Person, asked_by: str, *, four_eyes: bool) -> None:
    """Raises NotAllowedError where they lack the right to approve, or asked for it themselves. asked_by: as the trail
    names them; four_eyes: whether another person must approve."""
    approver.check(Right.APPROVE)
    if four_eyes and approver.name.casefold() == asked_by.casefold():
        raise NotAllowedError(
            f"{approver.name} started this and may not approve it; ask another person with the right {Right.APPROVE}."
        )
