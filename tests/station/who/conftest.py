"""What the tests of the door share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.station.who.made import MadeDoor, made_door


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeDoor]:
    """A door without accounts."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of entries would take seconds
    made = made_door(tmp_path)
    yield made
    made.trail.close()
    made.engine.dispose()
