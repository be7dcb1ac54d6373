"""The station's store at 10,000 and at 1,000,000 parts, SQLite and PostgreSQL: every list, filter, count and chart."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import Figures, in_fresh_process, seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from kenpin.station.store.opening import Store

_REPETITIONS = 7
_BLOCK = 10_000
_HOUR_US = 3_600_000_000
_BEGAN_US = 1_767_225_600_000_000
_EVERY_US = 3_000_000  # a part each three seconds, day and night
_OF_A_LOT = 1_000
_OF_A_VERSION = 300_000
_GOAL_MS = 300
_SECRET = b"of the draw"


def section(scale: Scale, folder: Path) -> str:
    """Median time of each question, by the size of the store."""
    from tests.station.postgresql import MISSING, is_installed, running_server

    folder.mkdir()
    taken: dict[str, list[Figures]] = {"SQLite": [], "PostgreSQL": []}
    for parts in scale.stored:
        address = f"sqlite:///{folder / f'{parts}.sqlite'}"
        taken["SQLite"].append(in_fresh_process(ask, address=address, parts=parts))
    if is_installed():
        with running_server() as server:
            for parts in scale.stored:
                taken["PostgreSQL"].append(in_fresh_process(ask, address=server.new_database(), parts=parts))
    stores = [name for name, figures in taken.items() if figures]
    head = ("question", *(f"{name} {parts:,}, ms" for name in stores for parts in scale.stored))
    cells = [figures for name in stores for figures in taken[name]]
    rows = [(what, *(figure(1e3 * median(one[what])) for one in cells)) for what in cells[0] if what != "bytes a part"]
    slowest = max(1e3 * median(one[what]) for one in cells for what in one if what != "bytes a part")
    sizes = ", ".join(f"{name} {figure(taken[name][-1]['bytes a part'][0])}" for name in stores)
    lacking = "" if is_installed() else f" {MISSING}, so its figures are left out."
    return (
        f"## Station's store\n\nParts of two products, {_OF_A_LOT:,} in a lot, a few of each hundred with a fault, one "
        f"in fifty reviewed. Median of {_REPETITIONS} times in ms, SQLite in memory, PostgreSQL on disk; the goal is "
        f"{_GOAL_MS}, the slowest of all takes {figure(slowest)}. Bytes a part, indexes included: {sizes}.{lacking}\n\n"
        + table(head, rows)
    )


def ask(address: str, parts: int) -> Figures:
    """In the child: fill a store, and ask each question."""
    from kenpin.station.store.opening import Store

    with Store(address) as store:
        fill(store, parts)
        figures = {what: seconds_of(question, _REPETITIONS) for what, question in questions(store, parts).items()}
        return figures | {"bytes a part": [_size_bytes(store) / parts]}


def questions(store: Store, parts: int) -> dict[str, Callable[[], object]]:
    """Each question by its name."""
    from kenpin.records import Verdict
    from kenpin.station.monitoring.watching import Watching
    from kenpin.station.reviewing.costs import PERIODS, costs_over_time, periods
    from kenpin.station.reviewing.drawn import drawn_parts
    from kenpin.station.reviewing.gage import review_gage
    from kenpin.station.reviewing.rates import line_rates
    from kenpin.station.settings import ProductSettings
    from kenpin.station.standstills import last_arrivals
    from kenpin.station.store import queries
    from kenpin.station.store.exporting import csv_pieces
    from kenpin.station.store.filtering import PartFilter
    from kenpin.station.store.marks import marks_in
    from kenpin.station.store.views import views_in

    middle_us = _BEGAN_US + parts // 2 * _EVERY_US
    behind = queries.Cursor(middle_us, parts)
    lot = f"lot {parts // 2 // _OF_A_LOT}"
    escape = PartFilter("housing", verdict=Verdict.PASS, settled=Verdict.FAIL)
    filters = {
        "newest": PartFilter("housing"),
        "newest of all products": PartFilter(),
        "a lot": PartFilter("housing", lot=lot),
        "an hour": PartFilter("housing", from_us=middle_us, to_us=middle_us + _HOUR_US),
        "FAIL": PartFilter("housing", verdict=Verdict.FAIL),
        "a class": PartFilter("housing", label="crack"),
        "a rare class": PartFilter("housing", label="rare"),
        "a class that passed": PartFilter("housing", verdict=Verdict.PASS, label="crack"),
        "highest scores": PartFilter("housing", score_from=0.9999),
        "scores that none has": PartFilter("housing", score_from=2.0),
        "scores of a rare product": PartFilter("cover", score_from=0.9, score_to=0.95),
        "a reviewer": PartFilter("housing", reviewer="ando"),
        "a reviewer and a class": PartFilter("housing", reviewer="ando", label="crack"),
        "settled": PartFilter("housing", is_settled=True),
        "passed, settled FAIL": escape,
        "an id": PartFilter("housing", id=f"{parts // 2:08}.png"),
        "an id that none has": PartFilter("housing", id="none.png"),
        "a version with a verdict": PartFilter("housing", version=1, verdict=Verdict.REVIEW),
    }

    def reading(question: Callable[[Any], object]) -> Callable[[], object]:
        def asked() -> object:
            with store.reading() as connection:
                return question(connection)

        return asked

    def listed(asked: PartFilter, **more: Any) -> Callable[[], object]:
        return reading(lambda connection: queries.page(connection, asked, **more))

    def counted(asked: PartFilter) -> Callable[[], object]:
        return reading(lambda connection: queries.count(connection, asked))

    def first_row(asked: PartFilter) -> Callable[[], object]:
        pieces = partial(csv_pieces, marks_of=marks_in(store), views_of=views_in(store))
        return lambda: [*zip(range(2), pieces(queries.stream(store, asked)), strict=False)]

    product = ProductSettings()
    watching = Watching(store, lambda _: product)

    def quality(question: Callable[..., object]) -> Callable[[], object]:
        asked = PartFilter("housing")
        return reading(lambda connection: question(connection, asked, lambda: drawn_parts(connection, asked, _SECRET)))

    def charts_of_new_parts() -> object:
        state = watching._state
        if state.mark is not None:
            state.mark -= 10
        return watching.of("housing")

    day = PartFilter("housing", from_us=middle_us, to_us=middle_us + 24 * _HOUR_US)
    return (
        {f"list: {name}": listed(asked) for name, asked in filters.items()}
        | {"list: from the middle on": listed(PartFilter("housing"), behind=behind)}
        | {f"count: {name}": counted(asked) for name, asked in filters.items()}
        | {
            "lots": reading(lambda connection: queries.lots(connection, "housing")),
            "chart: verdicts by hour": reading(
                lambda connection: queries.tallied(connection, PartFilter("housing"), ("hour", "verdict"))
            ),
            "chart: verdicts by hour of a day": reading(
                lambda connection: queries.tallied(connection, day, ("hour", "verdict"))
            ),
            "chart: classes by lot": reading(
                lambda connection: queries.tallied(connection, PartFilter("housing"), ("lot", "label"))
            ),
            "verdicts beside settled ones": reading(
                lambda connection: queries.confusion(connection, PartFilter("housing"))
            ),
            "quality: rates of the whole time": quality(
                lambda connection, asked, drawn: line_rates(connection, asked, drawn(), product)
            ),
            "quality: gage of the whole time": quality(
                lambda connection, asked, drawn: review_gage(connection, asked, drawn(), _SECRET, product)
            ),
            "quality: cost over time": quality(
                lambda connection, asked, drawn: costs_over_time(
                    connection, asked, periods(_BEGAN_US + parts * _EVERY_US, *PERIODS[365]), drawn(), product
                )
            ),
            "line: its last arrivals": reading(lambda connection: last_arrivals(connection, "housing")),
            "line: last arrivals of a rare product": reading(lambda connection: last_arrivals(connection, "cover")),
            "charts: with 10 new parts": charts_of_new_parts,
            "charts: first look of a station that starts": lambda: Watching(store, lambda _: product).of("housing"),
            "CSV's first row": first_row(PartFilter("housing")),
            "CSV's first row of FAIL": first_row(PartFilter("housing", verdict=Verdict.FAIL)),
            "CSV's first row of passed, settled FAIL": first_row(escape),
        }
    )


def fill(store: Store, parts: int) -> None:
    """Fill a store, as journals and reviews of so many parts would."""
    from sqlalchemy import func, insert, literal, select, text

    from kenpin.station.store.adding import HOUR_US
    from kenpin.station.store.part_tables import LOTS, NONE, PARTS, REVIEWERS, TALLIES
    from kenpin.station.store.review_tables import REVIEWS
    from kenpin.station.store.tables import is_postgresql
    from kenpin.station.store.version_tables import SWITCHES

    for block in _blocks(parts):
        with store.writing() as connection:
            if is_postgresql(connection):
                _copy(connection, block)
            else:
                connection.execute(PARTS.insert(), block)
    columns = PARTS.c
    or_none = [func.coalesce(columns[name], NONE) for name in ("lot", "label", "settled_verdict")]
    kinds = [columns.product, columns.judged_us // HOUR_US, columns.version, or_none[0], columns.verdict, *or_none[1:]]
    tallies = select(*kinds, func.count()).group_by(*kinds)
    of = [func.sum((columns.verdict == verdict).cast(TALLIES.c.hour.type)) for verdict in ("PASS", "FAIL", "REVIEW")]
    times = func.min(columns.judged_us), func.max(columns.judged_us)
    lots = select(columns.product, or_none[0], *of, *times).group_by(columns.product, or_none[0])
    reviewed = select(literal("ando"), columns.judged_us, columns.seq, columns.product).where(
        columns.settled_verdict.is_not(None)
    )
    looks = [
        select(
            literal(node),
            columns.seq,
            columns.key,
            literal(who),
            columns.settled_verdict,
            columns.judged_us,
            literal(value=False),
            literal(value=False),
        ).where(columns.settled_verdict.is_not(None), columns.seq % every == 0)
        for node, who, every in (("node-1", "ando", 1), ("node-2", "baba", 10))
    ]
    names = [REVIEWS.c[name] for name in ("node", "number", "key", "who", "verdict", "at_us", "undone", "marks_hold")]
    with store.writing() as connection:
        connection.execute(insert(TALLIES).from_select([*TALLIES.c], tallies))
        connection.execute(insert(LOTS).from_select([*LOTS.c], lots))
        connection.execute(
            insert(REVIEWERS).from_select([*REVIEWERS.c], reviewed.where(columns.settled_verdict.is_not(None)))
        )
    with store.writing() as connection:
        for look in looks:
            connection.execute(insert(REVIEWS).from_select(names, look))
        for version in range(1, 2 + parts // _OF_A_VERSION):
            at_us = _BEGAN_US + (version - 1) * _OF_A_VERSION * _EVERY_US
            row = {"product": "housing", "number": version, "version": version, "who": "ando", "at_us": at_us}
            connection.execute(insert(SWITCHES).values(row))
    with store._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # PostgreSQL does so by itself after a while
        connection.execute(text("VACUUM ANALYZE" if is_postgresql(connection) else "PRAGMA optimize"))


def _copy(connection: Connection, block: list[dict[str, Any]]) -> None:
    """As an INSERT, in a fraction of its time."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY parts ({', '.join(block[0])}) FROM STDIN") as copy:
        for row in block:
            copy.write_row([*row.values()])


def _blocks(parts: int) -> Iterator[list[dict[str, Any]]]:
    """Rows of parts, some at a time."""
    chance = random.Random(0)
    for start in range(0, parts, _BLOCK):
        yield [_row(number, chance) for number in range(start, min(start + _BLOCK, parts))]


def _row(number: int, chance: random.Random) -> dict[str, Any]:
    key = hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest()
    score = chance.random()
    verdict = "FAIL" if score > 0.97 else "REVIEW" if score > 0.96 else "PASS"
    label = "rare" if number % 50_000 == 7 else "crack" if score > 0.98 else "scratch" if score > 0.96 else "ok"
    settled = None
    if chance.random() < 0.02:
        settled = chance.choices([verdict, "FAIL" if verdict == "PASS" else "PASS"], (0.98, 0.02))[0]
    return {
        "key": key,
        "product": "cover" if number % 200 == 0 else "housing",
        "id": f"{number:08}.png",
        "content": key[::-1],
        "picture_hash": key[::-1],
        "lot": f"lot {number // _OF_A_LOT}",
        "node": "node-1",
        "version": 1 + number // _OF_A_VERSION,
        "offset_bytes": number * 1_500,
        "verdict": verdict,
        "label": label,
        "score": score,
        "distance": 1 + score,
        "brightness": chance.gauss(128, 2),
        "contrast": chance.gauss(40, 1),
        "sharpness": chance.gauss(9, 0.5),
        "reason": f"classifier: the score {score:.3f} lies on that side of the threshold 0.970.",
        "has_map": verdict != "PASS",
        "judged_us": _BEGAN_US + number * _EVERY_US,
        "latency_s": 0.05,
        "picture_bytes": 200_000,
        "width_px": 640,
        "height_px": 480,
        "priority": score if verdict == "REVIEW" else None,
        "sampled": 0.02 if settled is not None else None,
        "settled_verdict": settled,
        "settled_label": None,
    }


def _size_bytes(store: Store) -> float:
    """Size of the whole database."""
    from sqlalchemy import text

    from kenpin.station.store.tables import is_postgresql

    with store.reading(None) as connection:
        if is_postgresql(connection):
            return float(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        return float(pages * connection.execute(text("PRAGMA page_size")).scalar_one())
