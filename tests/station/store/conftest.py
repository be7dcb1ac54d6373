"""Stores on both databases, each empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kenpin.station.store.opening import Store
from tests.station.postgresql import MISSING, Server, is_installed, running_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server for this session."""
    if not is_installed():
        pytest.skip(MISSING)
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    server: Server = request.getfixturevalue("postgresql")
    return server.emptied_database()


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """An empty store."""
    with Store(address) as opened:
        yield opened
