"""What opens transactions: a store, or in tests an engine of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection


class Transactions(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractContextManager[Connection]:
        """One that writes, and is committed at its end."""

    def connect(self) -> AbstractContextManager[Connection]:
        """One that reads."""
