"""Which stretch of a line is the reference: the level beginning of the version, or what a person chose."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.station.clock import Clock, now_us
from kenpin.station.monitoring.stretches import LEAST_PARTS
from kenpin.station.store.entering import Entering
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import PARTS
from kenpin.station.store.queries import count
from kenpin.station.store.reference_tables import REFERENCE_STRETCHES
from kenpin.station.store.version_tables import SWITCHES
from kenpin.station.who.rights import Person, Right

REFERENCE_SET = "reference-set"
MOST_PARTS = 20_000
"""Parts of a reference, at most."""
_LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class ChosenStretch:
    """A stretch that a person chose."""

    from_us: int
    to_us: int
    """Judged before that."""
    who: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tenure:
    """The time since which a version judges, and its reference where a person chose one."""

    version: int
    began_us: int
    chosen: ChosenStretch | None


def tenures(connection: Connection) -> dict[str, Tenure]:
    """What judges of each product, and since when."""
    switched = connection.execute(select(SWITCHES).order_by(SWITCHES.c.number)).all()
    running = {row.product: row for row in switched}
    chosen = {
        (row.product, row.version): row
        for row in connection.execute(select(REFERENCE_STRETCHES).order_by(REFERENCE_STRETCHES.c.number))
    }
    found = {}
    for product, row in running.items():
        own = chosen.get((product, row.version))
        stretch = None if own is None or own.from_us is None else ChosenStretch(*own[3:])
        found[product] = Tenure(row.version, row.at_us, stretch)
    return found


class LineReferences:
    """The references of a station's products, as people choose them; for any thread."""

    def __init__(self, store: Store, entering: Entering, clock: Clock = now_us) -> None:
        self._store, self._entering, self._clock = store, entering, clock

    def choose(self, who: Person, product: str, from_us: int, to_us: int, reason: str) -> None:
        """Chart against the parts that the running version judged from a moment on and before another. Raises
        NotAllowedError, OptionError, StoreError."""
        who.check(Right.SET_POLICY)
        _check_reason(reason)
        with self._store.reading() as connection:
            version = _version(connection, product)
            found = count(
                connection, PartFilter(product, version=version, from_us=from_us, to_us=to_us), most=MOST_PARTS
            ).parts
        if not from_us < to_us <= self._clock():
            raise OptionError("a reference lies in the past, from its beginning to its end; choose such moments.")
        if not LEAST_PARTS <= found <= MOST_PARTS:
            raise OptionError(
                f"version {version} judged {counted(found, 'part')} in that time; a reference has {LEAST_PARTS} to "
                f"{MOST_PARTS:,}. Choose another time."
            )
        self._enter(who, product, version, from_us, to_us, reason)

    def choose_last(self, who: Person, product: str, parts: int, reason: str) -> None:
        """Chart against the last parts that the running version judged. Raises as `choose`."""
        if not LEAST_PARTS <= parts <= MOST_PARTS:
            raise OptionError(f"a reference has {LEAST_PARTS} to {MOST_PARTS:,} parts, and not {parts:,}.")
        with self._store.reading() as connection:
            of = (PARTS.c.product == product, PARTS.c.version == _version(connection, product))
            newest = select(PARTS.c.judged_us).where(*of).order_by(PARTS.c.judged_us.desc(), PARTS.c.seq.desc())
            moments = connection.execute(newest.limit(parts)).scalars().all()
        if len(moments) < parts:
            raise OptionError(f"the running version has judged {counted(len(moments), 'part')}; choose fewer, or wait.")
        self.choose(who, product, moments[-1], min(moments[0] + 1, self._clock()), reason)

    def clear(self, who: Person, product: str, reason: str) -> None:
        """Chart against the beginning of the version again. Raises as `choose`."""
        who.check(Right.SET_POLICY)
        _check_reason(reason)
        with self._store.reading() as connection:
            version = _version(connection, product)
        self._enter(who, product, version, None, None, reason)

    def _enter(
        self, who: Person, product: str, version: int, from_us: int | None, to_us: int | None, reason: str
    ) -> None:
        about = {"product": product, "version": version, "from_us": from_us, "to_us": to_us, "reason": reason}
        self._entering.enter(who.name, REFERENCE_SET, about)


def _version(connection: Connection, product: str) -> int:
    found = tenures(connection).get(product)
    if found is None:
        raise OptionError(f"{product}: no version of it judges, so that there is nothing to chart.")
    return found.version


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise OptionError("a reference needs a reason; write why the line was as it should be then.")
    if len(reason) > _LONGEST_REASON:
        raise OptionError(f"a reason has at most {_LONGEST_REASON:,} letters; shorten it.")
