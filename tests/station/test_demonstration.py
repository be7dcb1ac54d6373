"""The demonstration: it starts by itself, fills a queue of reviews, says that all is made up, and ends with Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kenpin.errors import OptionError
from kenpin.station.demonstration.feeding import part_named
from kenpin.station.demonstration.made_parts import DISCS, FOREIGN, PLATES, MadePart
from kenpin.station.demonstration.people import Browser, task_on
from kenpin.station.demonstration.preparing import Credentials, prepare
from kenpin.station.demonstration.running import run_demonstration
from kenpin.station.folder import UNASSIGNED, StationFolder
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.opening import open_store
from kenpin.station.store.queries import count, tallied
from kenpin.station.trail import read_entries
from tests.tree import ROOT


def test_a_made_part_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    for product in (PLATES, DISCS, FOREIGN):
        assert MadePart(product, None, 1).png == MadePart(product, None, 1).png != MadePart(product, None, 2).png
    assert MadePart(PLATES, None, 1).png != MadePart(PLATES, "scratch", 1).png
    parts = [part_named(f"lot/{number}.png") for number in range(400)]
    assert parts[7] == part_named("lot/7.png") != parts[8]
    assert {part.product for part in parts} == {PLATES, DISCS, FOREIGN}
    assert 0.08 < sum(part.defect is not None for part in parts) / len(parts) < 0.2


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for renew in (False, True):
        with pytest.raises(OptionError, match="holds something else than a demonstration"):
            prepare(tmp_path, print, renew=renew)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    with pytest.raises(OptionError, match="at least one part"):
        run_demonstration(tmp_path / "new", print, parts=0)
    assert not (tmp_path / "new").exists()


def _start(folder: Path, log: Path, parts: int) -> tuple[subprocess.Popen[str], list[str]]:
    """The process, and what it said until the made people were done."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore"}
    words = ["station", "demo", "--folder", str(folder), "--port", "0", "--parts", str(parts), "--pace", "0.5"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "kenpin", *words], stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
        )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "wait for yours" in line:
            break
    return process, said


@pytest.mark.slow
def test_it_starts_fills_the_queue_and_ends_with_ctrl_c_and_goes_on(tmp_path: Path) -> None:
    folder, log = tmp_path / "demo", tmp_path / "log.txt"
    passwords = set()
    for start, parts in enumerate((200, 20)):
        process, said = _start(folder, log, parts)
        try:
            text = "".join(said)
            address = re.search(r"Station: (http://127\.0\.0\.1:\d+)", text)
            account = re.search(r"Account: (\S+), password (\S+)", text)
            assert address is not None, (text, log.read_text())
            assert account is not None
            assert "/first/" not in text
            assert text.count("Training") == (0 if start else 3)
            passwords.add(account[2])
            visitor = Browser(address[1], Credentials(account[1], account[2]))
            page = visitor.get("/line")
            assert "Demonstration: parts, people and what they said are made up." in page
            for product in (PLATES, DISCS, UNASSIGNED):
                assert task_on(visitor.get(f"/review?product={product}")) is not None, product
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, log.read_text()
            assert process.stdout is not None
            process.stdout.close()
        with open_store(StationFolder(folder), None) as store, store.reading() as connection:
            judged = count(connection, PartFilter()).parts
            settled = tallied(connection, PartFilter(is_settled=True), ("product",))
            nodes = {*tallied(connection, PartFilter(), ("lot",))}
        assert judged >= 200 + 20 * start
        assert settled[PLATES,] > 0
        assert settled[DISCS,] > 0
        assert all(lot.startswith("demo-") for (lot,) in nodes)
    assert len(passwords) == 2, "each start gives another"
    reviews = [
        one for path in StationFolder(folder).trails.glob("*.jsonl") for one in read_entries(path)
        if one.what == "part-reviewed"
    ]  # fmt: skip
    assert {one.who for one in reviews} == {"ann", "bo"}
    assert "Traceback" not in log.read_text()
    assert json.loads((folder / "demonstration.json").read_text())["whole"] is True
