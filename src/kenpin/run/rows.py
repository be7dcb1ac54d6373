"""Files of a run with an object a line, in JSON: its metrics, and what was drawn at each evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kenpin.errors import RunError
from kenpin.strict_json import parse_json, read_bounded


def read_rows(file: Path) -> tuple[dict[str, Any], ...]:
    """The objects of a file of JSON lines. Raises RunError, which names the line."""
    rows = []
    try:
        lines = read_bounded(file).removesuffix(b"\n").split(b"\n")
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: cannot be read ({error}). Restore it from a copy or train again.") from error
    for number, line in enumerate(lines if lines != [b""] else [], 1):
        try:
            row = parse_json(line)
        except ValueError as error:
            raise RunError(f"{file}, line {number}: {error}. Correct or delete the line.") from error
        if not isinstance(row, dict):
            shown = line[:40].decode(errors="replace")
            raise RunError(f"{file}, line {number}: {shown} is not an object. Correct or delete the line.")
        rows.append(row)
    return tuple(rows)
