"""Ports of this machine."""

from __future__ import annotations

import socket
from contextlib import closing


def free_port() -> int:
    """A port that nobody listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
    return port
