"""JSON of strangers, read with bounds: bytes, depth, sizes of numbers, and letters that are no text."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

MOST_BYTES = 512 * 1024**2
"""Of a file that kenpin wrote: an evaluation of a million pictures fits."""
_DEPTH = 60
_LARGEST = 2**63  # of whole numbers, as tables and arrays hold them
_BYTES = range(0xDC80, 0xDD00)  # bytes of a file's name that are no UTF-8 (PEP 383)


def read_bounded(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a regular file. Raises OSError, ValueError for one that is larger or no file."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe may never end
        raise ValueError("it is not a file")
    if status.st_size <= most_bytes:
        with open(path, "rb") as file:
            data = file.read(most_bytes + 1)
        if len(data) <= most_bytes:
            return data
    raise ValueError(f"it is larger than {most_bytes:,} bytes")


def parse_json(data: bytes) -> Any:
    """The value that the bytes hold as JSON in UTF-8. Raises ValueError with the reason: not JSON, nested too deeply, a
    whole number of more than 64 bits, half a surrogate pair."""
    try:
        value = json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(f"it is nested more than {_DEPTH} deep") from error
    check_values(value, has_escapes=b"\\u" in data)
    return value


def check_values(value: Any, *, has_escapes: bool = True) -> None:
    """Raises ValueError as `parse_json` does, for lists and mappings of any source.

    has_escapes: whether a text can hold what is no letter.
    """
    # level by level, for the values may be deeper than Python's stack
    level = [value]
    for _ in range(_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
                if has_escapes:
                    below += item
            elif isinstance(item, list):
                below += item
            elif isinstance(item, int):
                if not -_LARGEST <= item < _LARGEST:
                    raise ValueError(f"a number has {len(str(abs(item)))} digits")
            elif has_escapes and isinstance(item, str) and _is_broken(item):
                raise ValueError("a text holds half a surrogate pair, which is no letter")
        if not below:
            return
        level = below
    raise ValueError(f"it is nested more than {_DEPTH} deep")


def _is_broken(text: str) -> bool:
    return any(0xD800 <= ord(letter) <= 0xDFFF and ord(letter) not in _BYTES for letter in text)
