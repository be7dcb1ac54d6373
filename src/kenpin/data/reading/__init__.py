"""What formats share: one reading with its problems and texts, names, pictures, columns as they are found on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.data.reading.reading import Note, Reading

__all__ = ["Note", "Reading"]

# names and pictures alone need no YAML
__getattr__ = on_first_use(
    __name__,
    {
        "Note": "reading",
        "Reading": "reading",
    },
)
