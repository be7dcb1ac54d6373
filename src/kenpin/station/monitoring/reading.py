"""Stretches of a line read from the store: each question reads a bounded number of parts, by an index."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, func, select

from kenpin.records import Verdict
from kenpin.station.monitoring.stretches import MEASURES, Charted, Stretch
from kenpin.station.store.filtering import between
from kenpin.station.store.part_tables import PARTS

_OF_SHARE = {Charted.FAIL: Verdict.FAIL.value, Charted.REVIEW: Verdict.REVIEW.value}
_NAMES = ("seq", "judged_us", "lot", "verdict", *(kind.value for kind in MEASURES), "product", "version")
_COLUMNS = [PARTS.c[name] for name in _NAMES]

PartValues = Row[Any]
"""What is read of a part: the columns of `_NAMES`."""


def stretch_of(rows: Sequence[PartValues]) -> Stretch:
    """Parts of one version as a stretch, in the order in which the store took them up."""
    ordered = sorted(rows, key=itemgetter(0))
    columns = dict(zip(_NAMES, zip(*ordered, strict=True) if ordered else ((),) * len(_NAMES), strict=True))
    verdicts = np.array(columns["verdict"], object)
    values = {kind: np.array(columns[kind], np.float64) for kind in MEASURES}  # None: NaN
    shares = {kind: (verdicts == verdict).astype(np.float64) for kind, verdict in _OF_SHARE.items()}
    seq, judged_us = (np.array(columns[name], np.int64) for name in ("seq", "judged_us"))
    return Stretch(seq, judged_us, columns["lot"], {**values, **shares})


def last_number(connection: Connection) -> int:
    """The number of the part that the store took up last; 0 where it has none."""
    return int(connection.execute(select(func.coalesce(func.max(PARTS.c.seq), 0))).scalar_one())


def parts_between(
    connection: Connection,
    product: str,
    version: int,
    from_us: int,
    to_us: int | None,
    up_to_seq: int,
    *,
    most: int,
) -> Stretch:
    """The first parts that a version judged from a moment on, and before another. up_to_seq: number of the last part
    that counts."""
    wanted = _of(product, version).where(*between(PARTS.c.judged_us, from_us, to_us), PARTS.c.seq <= up_to_seq)
    return stretch_of(connection.execute(wanted.order_by(PARTS.c.judged_us, PARTS.c.seq).limit(most)).all())


def last_parts(
    connection: Connection, product: str, version: int, from_us: int, behind_seq: int, up_to_seq: int, *, most: int
) -> Stretch:
    """The last parts that a version judged from a moment on, with numbers behind one and up to another."""
    wanted = _of(product, version).where(
        PARTS.c.judged_us >= from_us, PARTS.c.seq > behind_seq, PARTS.c.seq <= up_to_seq
    )
    newest = wanted.order_by(PARTS.c.judged_us.desc(), PARTS.c.seq.desc()).limit(most)
    return stretch_of(connection.execute(newest).all())


def added_parts(connection: Connection, behind_seq: int, *, most: int) -> Sequence[PartValues]:
    """The parts of all products that the store took up behind a number."""
    wanted = select(*_COLUMNS).where(PARTS.c.seq > behind_seq)
    return connection.execute(wanted.order_by(PARTS.c.seq).limit(most)).all()


def _of(product: str, version: int) -> Select[Any]:
    return select(*_COLUMNS).where(PARTS.c.product == product, PARTS.c.version == version)


def key_of_number(connection: Connection, seq: int) -> str | None:
    """The key of the part of a number; None where there is none."""
    return connection.execute(select(PARTS.c.key).where(PARTS.c.seq == seq)).scalar_one_or_none()
