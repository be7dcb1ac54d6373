"""The number of a station by which parts are drawn for review: nobody on the line can tell which will be."""

from __future__ import annotations

import secrets
from contextlib import suppress

from kenpin.errors import RunError
from kenpin.files import new_file
from kenpin.station.folder import StationFolder

_BYTES = 32


def drawing_key(folder: StationFolder) -> bytes:
    """The station's number, made at its first start; a copy of the folder draws the same parts. Raises RunError,
    OutputError."""
    file = folder.secret
    if not file.exists():
        with new_file(file) as unfinished:
            unfinished.touch(0o600)
            unfinished.write_text(secrets.token_hex(_BYTES), "ascii")
    with suppress(ValueError):
        key = bytes.fromhex(file.read_text("ascii"))
        if len(key) == _BYTES:
            return key
    raise RunError(f"{file}: is not what a station wrote; restore it from a copy.")
