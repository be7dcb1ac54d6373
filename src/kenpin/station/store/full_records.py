"""The full record of a part, read from the journal that its row points to."""

from __future__ import annotations

from kenpin.chained import line_at
from kenpin.errors import RunError
from kenpin.inspection.journal import JOURNAL, PART_RECORDS
from kenpin.inspection.record import PartRecord, from_values, part_key
from kenpin.station.folder import StationFolder
from kenpin.station.store.adding import JournalName
from kenpin.station.store.part_tables import key_of


def read_record(folder: StationFolder, journal: JournalName, offset: int, key: str) -> PartRecord:
    """The record at an offset of a journal. key: of its part (`key_of`). Raises RunError where it is of another part or
    the file is gone."""
    path = folder.records_of(journal.node, journal.product, journal.version) / JOURNAL
    try:
        record = from_values(*line_at(path, PART_RECORDS, offset))
    except FileNotFoundError as error:
        raise RunError(f"{path}: is gone; restore it from a copy.") from error
    part = part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)
    if key_of(journal.product, part) != key:
        raise RunError(
            f"{path} byte {offset}: holds another part than the store says; fill the store again by `kenpin station "
            "rebuild`."
        )
    return record
