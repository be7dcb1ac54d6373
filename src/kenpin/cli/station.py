"""Commands on a station: `station rebuild`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import OUTPUT
from kenpin.errors import OptionError
from kenpin.plural import counted, was_were

app = cyclopts.App(name="station")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """Which store is filled."""

    store: Annotated[
        str | None,
        Parameter(
            group=OUTPUT,
            help="URL of the store, such as postgresql://kenpin@db/kenpin; by default that of the station's settings.",
        ),
    ] = None


@app.command
def rebuild(folder: Path, /, *, options: RebuildOptions = RebuildOptions()) -> None:
    """Fill a station's store again from its records and trails; accounts in it stay.

    The station must be stopped. A lost store is made new, and then asks for new accounts.

    Parameters
    ----------
    folder:
        Folder of the station.
    """
    from kenpin.station.folder import StationFolder
    from kenpin.station.settings import read_settings
    from kenpin.station.store.applying import needs_of
    from kenpin.station.store.following import rebuild as rebuild_store
    from kenpin.station.store.opening import open_store

    station = StationFolder(folder)
    if not (station.records.is_dir() or station.trails.is_dir()):
        raise OptionError(f"{folder}: holds no records of a station; name the folder of one.")
    settings = read_settings(station.settings)
    with open_store(station, options.store or settings.store) as store:
        found = rebuild_store(store, station, needs_of(station, settings))
        parts = counted(found.parts, "part")
        entries = counted(found.entries, "entry of the trails", "entries of the trails")
        _show.say(f"{store.told}: {parts} and {entries} {was_were(found.parts + found.entries)} taken up.")
