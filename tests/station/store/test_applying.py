"""Entries are applied by whoever registered for their kind; packages of the station are found by themselves."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import kenpin.station
from kenpin.errors import MissingExtraError, RunError
from kenpin.station.folder import StationFolder
from kenpin.station.settings import StationSettings
from kenpin.station.store import applying
from kenpin.station.store.applying import ReviewNeed, applies, apply_entry, needs_of, no_needs
from kenpin.station.store.opening import Store
from kenpin.station.trail import Entry
from tests.station.store.made import part

_MODULE = '''
"""Says what its entries mean."""
from kenpin.station.store.applying import ReviewNeed, applies, tells_needs

seen = []
applies("{what}")(lambda connection, entry: seen.append(entry.about["n"]))

@tells_needs
def needs(folder, settings):
    return lambda product, record: ReviewNeed(float(settings.port))
'''


def _entry(what: str) -> Entry:
    return Entry(1, "2026-01-01T00:00:00.000000+00:00", "n1", "ando", what, {"n": 7})


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered meanwhile is gone afterwards."""
    applying._load()  # what is imported now is not imported again
    monkeypatch.setattr(applying, "_APPLIES", dict(applying._APPLIES))
    monkeypatch.setattr(applying, "_NEEDS", [])


@pytest.mark.usefixtures("registry")
def test_a_package_is_found_by_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "wishing"
    package.mkdir()
    (package / "__init__.py").write_text('"""Wishes."""')
    (package / "applied.py").write_text(_MODULE.format(what="made-wish"))
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "__init__.py").write_text('"""Has nothing to apply."""')
    monkeypatch.setattr(kenpin.station, "__path__", [*kenpin.station.__path__, str(tmp_path)])
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store, store.writing() as connection:
        apply_entry(connection, _entry("made-wish"), "here")
        assert sys.modules["kenpin.station.wishing.applied"].seen == [7]
        assert needs_of(StationFolder(tmp_path), StationSettings(port=5))("a", part(1)) == ReviewNeed(5.0)
        with pytest.raises(
            RunError, match="here: is of the kind 'other', which is unknown to this kenpin; use the newer"
        ):
            apply_entry(connection, _entry("other"), "here")
    for name in ("wishing", "wishing.applied", "without"):
        sys.modules.pop(f"kenpin.station.{name}", None)


@pytest.mark.usefixtures("registry")
def test_a_kind_has_one_meaning() -> None:
    applies("made-once")(lambda *_: None)
    with pytest.raises(AssertionError, match="made-once is applied by two"):
        applies("made-once")(lambda *_: None)
    applying.tells_needs(lambda *_: no_needs)
    with pytest.raises(AssertionError, match="needs are told by two"):
        applying.tells_needs(lambda *_: no_needs)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import kenpin.station.store

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'a station needs sqlalchemy: .*pip install "kenpin\[station\]"'):
        importlib.reload(kenpin.station.store)


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        MissingExtraError, match=r'a store in PostgreSQL needs psycopg: .*pip install "kenpin\[station\]"'
    ):
        Store("postgresql://kenpin@127.0.0.1:1/kenpin")
