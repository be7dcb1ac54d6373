"""Files of a run with an object a line, in JSON: its metrics, and what was drawn at each evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kenpin.errors import RunError


def read_rows(file: Path) -> tuple[dict[str, Any], ...]:
    """The objects of a file of JSON lines. Raises RunError, which names the line."""
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RunError(f"{file}, line {number}: {error}. Correct or delete the line.") from error
        if not isinstance(row, dict):
            raise RunError(f"{file}, line {number}: {line:.40} is not an object. Correct or delete the line.")
        rows.append(row)
    return tuple(rows)
