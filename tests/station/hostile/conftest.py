"""One station that all attempts are made against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kenpin.export import export_package
from tests.station.hostile.attacked import Hostile, attacked, with_classes
from tests.station.hostile.texts import CLASSES
from tests.toy_runs import trained


@pytest.fixture(scope="session")
def station(tmp_path_factory: pytest.TempPathFactory, few_parts: Path) -> Iterator[Hostile]:
    """A station that runs, whose package was learned from classes with hostile names."""
    folder = tmp_path_factory.mktemp("policy")
    named = with_classes(few_parts, folder / "parts", CLASSES)
    export_package(trained("classifier", folder / "run", named, ok_labels=CLASSES[:1]), folder / "package", to="onnx")
    (folder / "policy.yaml").write_text("runs: {toy: {run: package, fail_from: 0.5}}\n")
    pictures = [path.read_bytes() for path in sorted(few_parts.glob("*/*"))]
    with attacked(tmp_path_factory.mktemp("hostile") / "station", folder / "policy.yaml", pictures) as opened:
        yield opened


@pytest.fixture
def unharmed(station: Hostile) -> Iterator[Hostile]:
    """The station, which afterwards holds what it held before, and still judges."""
    before = station.stored()
    yield station
    after = station.stored()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == set()
    assert station.machine().ask("GET", "/readyz").json["status"] == "ready"
