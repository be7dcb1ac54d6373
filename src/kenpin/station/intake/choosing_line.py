"""The line of parts that come without a product: each is measured by the unit spaces of all products, and judged by the
nearest one; those that are near none, or to two, are recorded here, for a person to say what they are.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from kenpin.data.streaming import Pending
from kenpin.errors import OptionError, first_line
from kenpin.inspection.isolating import Failed, on_each
from kenpin.inspection.journal import JOURNAL, Journal
from kenpin.inspection.line import Durable, Recorded, keep_identity, record_folder
from kenpin.inspection.measuring import Measured, Ruler, measure, ruler_of
from kenpin.inspection.nearest import choose
from kenpin.inspection.part_pictures import OpenedPart, Part
from kenpin.inspection.pictures import Opened
from kenpin.inspection.read_ahead import ReadAhead
from kenpin.inspection.record import PartKey, PartRecord
from kenpin.inspection.recording import part_record
from kenpin.inspection.runs import PolicyRun
from kenpin.records import Verdict
from kenpin.station.settings import NearestSettings

_log = logging.getLogger(__name__)
_BATCH = 8
RecordNow = Callable[[str, Sequence[Opened]], Sequence[PartRecord]]
"""Judges pictures by a product's line, at once; their records are on disk."""


class Rulers:
    """The unit spaces of the versions that judge, by product; for any thread."""

    def __init__(self) -> None:
        self._found: dict[str, Ruler | str] = {}
        self._changing = Lock()

    def prepare(self, product: str, runs: Mapping[str, PolicyRun]) -> Callable[[], None]:
        """Look for the unit space of a version; by what is returned parts are measured with it from then on. Raises
        RunError."""
        found: Ruler | str
        try:
            found = ruler_of(product, runs)
        except OptionError as error:
            found = f"{error}"
            _log.warning("%s", found)

        def begin() -> None:
            with self._changing:
                self._found = {**self._found, product: found}

        return begin

    def now(self) -> list[Ruler]:
        """Those that measure now."""
        return [one for one in self._found.values() if isinstance(one, Ruler)]

    def lacking(self) -> list[str]:
        """Why the versions of other products cannot measure."""
        return [one for one in self._found.values() if isinstance(one, str)]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Pictures that were measured, and whose records are not on disk yet."""

    keys: tuple[PartKey, ...]
    """Of the pictures, in their order."""
    known: Mapping[PartKey, PartRecord]
    """Records of those that had one."""
    new: tuple[tuple[Opened, str | None], ...]
    """The others, each part once, with its choice; where none could be made, with the reason."""


class ChoosingLine:
    """Chooses products, and keeps the records of parts for which there is none."""

    defects: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    batch_size = _BATCH
    views = None
    known_form = None

    def __init__(self, out: Path, rulers: Rulers, record_now: RecordNow, settings: NearestSettings) -> None:
        """out: folder of the records of parts without a product. Raises RunError, OutputExistsError, OSError."""
        self._rulers, self._record_now, self._settings = rulers, record_now, settings
        with ExitStack() as opening:
            self._out = opening.enter_context(record_folder(out))
            keep_identity(self._out, {"policy": None})
            self._journal = opening.enter_context(closing(Journal(self._out / JOURNAL)))
            self._read_ahead = opening.enter_context(closing(ReadAhead(_BATCH)))
            self._opened = opening.pop_all()
        self._recording = Lock()

    def taken(self, pending: deque[Pending[Part]]) -> Iterator[list[Part]]:
        """Parts whose pictures were read ahead, some at a time. `pending` is emptied."""
        return self._read_ahead.taken(pending)

    def record(self, parts: Sequence[Opened]) -> list[Recorded]:
        """The record of each picture, on disk: of the product that was chosen, or of none. Raises OSError, RunError."""
        return self.keep(self.judged(parts)).recorded

    def judged(self, parts: Sequence[OpenedPart]) -> Chosen:
        """The first half of `record`: of which product each picture is; nothing is on disk yet. Raises RunError."""
        pictures = [part for part in parts if isinstance(part, Opened)]
        assert len(pictures) == len(parts), "a part by several pictures comes with its product"
        keys = [picture.key for picture in pictures]
        known = {key: found for key in keys if (found := self._journal.find(key)) is not None}
        new: dict[PartKey, Opened] = {}
        for key, picture in zip(keys, pictures, strict=True):
            if key not in known:
                new.setdefault(key, picture)
        return Chosen(tuple(keys), known, tuple(self._chosen([*new.values()])))

    def keep(self, chosen: Chosen) -> Durable:
        """The second half: the products judge, and the records are on disk. Raises OSError, RunError."""
        with self._recording:
            new = self._record(chosen.new)
        records = {**chosen.known, **new}
        # where they were added to the journals of several products, whoever follows these looks himself
        return Durable([Recorded(records[key], new.pop(key, None) is not None) for key in chosen.keys], None)

    def close(self) -> None:
        """Release the folder of the records."""
        self._opened.close()

    def _record(self, pictures: Sequence[tuple[Opened, str | None]]) -> dict[PartKey, PartRecord]:
        by_product: dict[str, list[Opened]] = {}
        of_none: list[tuple[Opened, str | None]] = []
        for picture, why in pictures:
            product = None if picture.choice is None else picture.choice.product
            if product is None:
                of_none.append((picture, why))
            else:
                by_product.setdefault(product, []).append(picture)
        records: dict[PartKey, PartRecord] = {}
        for product, some in by_product.items():
            keys = [picture.key for picture in some]
            records |= zip(keys, self._record_now(product, some), strict=True)
        kept = [self._record_of_none(picture, why) for picture, why in of_none]
        if kept:
            self._journal.append(kept)
        return records | {picture.key: record for (picture, _), record in zip(of_none, kept, strict=True)}

    def _record_of_none(self, picture: Opened, why: str | None) -> PartRecord:
        record = part_record(picture, Verdict.REVIEW, [] if why is None else [why], policy=self._policy())
        # it may be of one of the products that could not be measured
        return replace(record, reasons=(*record.reasons, *self._rulers.lacking()))

    def _chosen(self, pictures: Sequence[Opened]) -> Iterator[tuple[Opened, str | None]]:
        """Each picture with its choice; where none could be made, with the reason."""
        rulers, settings = self._rulers.now(), self._settings

        def measured(some: Sequence[Opened]) -> Sequence[Measured]:
            return measure(rulers, some)

        opened = [picture for picture in pictures if picture.image is not None]
        found = iter(on_each(measured, opened) if rulers else [Measured((), {}) for _ in opened])
        for picture in pictures:
            if picture.image is None:
                yield picture, f"{picture.error}"
                continue
            one = next(found)
            if isinstance(one, Failed):
                yield picture, f"It could not be measured: {first_line(one.error)}"
                continue
            choice = choose(one.nearness, settings.limit, settings.margin)
            yield replace(picture, choice=choice, features=one.features), None

    def _policy(self) -> str:
        """Hash of what chooses."""
        versions: Mapping[str, str] = {ruler.product: ruler.run.version for ruler in self._rulers.now()}
        chooses = {"nearest": self._settings.model_dump(mode="json"), "versions": versions}
        return hashlib.blake2b(json.dumps(chooses, sort_keys=True).encode(), digest_size=16).hexdigest()
