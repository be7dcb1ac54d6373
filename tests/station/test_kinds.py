"""Kinds of sinks and sources: found by their files and by entry points, and loading nothing before it is needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kenpin.errors import MissingExtraError, OptionError
from kenpin.plugins import Kinds
from kenpin.station.kinds import read_kind
from kenpin.station.sinks import contract as sinks
from kenpin.station.sinks.kinds import modbus, mqtt, opcua
from kenpin.station.sources import contract as sources
from tests.station.sinks.told_events import place

PACKAGES = ("paho", "pymodbus", "asyncua", "av", "cv2")


@pytest.mark.parametrize("module", [sinks, sources])
def test_another_package_brings_a_kind(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    known: Kinds = module.KINDS
    own = known.names()
    there = EntryPoint("there", "os:path", known.group)
    taken = EntryPoint("folder", "os:path", known.group)
    broken = EntryPoint("broken", "no_such_package:KIND", known.group)
    brought = {point.name: point for point in (broken, taken, there)}
    monkeypatch.setattr("kenpin.plugins.plugins", lambda group: brought if group == known.group else {})
    assert known.names() == tuple(sorted({*own, "broken", "there"}))
    assert known.get("there").__name__ == "posixpath"
    assert known.get("folder").__name__.startswith("kenpin.")  # none takes the name of what kenpin has
    with pytest.raises(OptionError, match=r"x 'a': \w+ 'broken': no_such_package:KIND cannot be loaded \(Module"):
        read_kind(replace(known, what="x"), "x", "a", {"kind": "broken"})


def test_nothing_is_loaded_before_a_sink_or_a_source_is_opened() -> None:
    code = (
        "import sys\n"
        "from kenpin.station.sinks.contract import KINDS as sinks\n"
        "from kenpin.station.sources.contract import KINDS as sources\n"
        "for kinds in (sinks, sources):\n    assert [kinds.get(name).SUMMARY for name in kinds.names()]\n"
        f"print('loaded:', *({set(PACKAGES)!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["loaded:"]


@pytest.mark.parametrize(
    ("kind", "package", "options"),
    [
        (mqtt, "paho.mqtt.client", {"host": "broker"}),
        (modbus, "pymodbus.client", {"host": "plc"}),
        (opcua, "asyncua", {"url": "opc.tcp://plc", "nodes": {"id": "i=1"}}),
    ],
)
def test_without_its_package_a_sink_names_the_extra(
    kind: Any, package: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    extra = kind.__name__.rpartition(".")[2]
    with pytest.raises(MissingExtraError, match=rf'pip install "kenpin\[{extra}\]"'):
        kind.open(kind.OPTIONS(**options), place(Path()))
