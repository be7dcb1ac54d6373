"""Files that a browser keeps, named by what they hold and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import StreamingResponse


def download(pieces: Iterator[Any], name: str, media_type: str, ending: str) -> StreamingResponse:
    """The answer that a browser keeps as a file."""
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    headers = {"Content-Disposition": f'attachment; filename="{name}-{now}.{ending}"'}
    return StreamingResponse(pieces, media_type=media_type, headers=headers)
