"""Runs, policies and journals from somebody else: whatever their files claim ends in a sentence, and opens nothing."""

from __future__ import annotations

import copy
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from random import Random
from shutil import copytree
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from kenpin.chained import line_of
from kenpin.errors import KenpinError, OptionError, RunError
from kenpin.files import read_json, sole_writer, write_json
from kenpin.inspection.journal import Journal, read_records
from kenpin.inspection.policy import read_policy
from kenpin.inspection.record import to_values
from kenpin.report.charts import training_figures
from kenpin.report.content import read_content
from kenpin.report.evolution import read_evolution, render_evolution, write_evolution
from kenpin.report.page import render_report
from kenpin.run.evolution import record_snapshot, record_truth
from kenpin.run.record import RunRecord, read_record, record_hash, write_record
from kenpin.run.rows import read_rows
from kenpin.run.seal import check_seal, seal
from kenpin.run.thumbnails import read_thumbnails
from kenpin.strict_json import parse_json
from kenpin.yaml_file import read_yaml
from tests.commands import Run
from tests.inspection.made import record
from tests.toy_runs import ToyRun

MUTATIONS = 240
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 2**63, 1e300, float("inf"), float("nan"), "", "\ud800", "\udce9", "é\x1b\n", "x" * 9_999,
    [], {}, [[]], {"a": 1}, "inf",
)  # fmt: skip


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _positions(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in [*value.items()] if isinstance(value, dict) else [*enumerate(value)]:
        yield value, key
        if isinstance(item, dict | list):
            yield from _positions(item)


def mutated(value: Any, random: Random) -> Any:
    """The value with one part of it left out, doubled, exchanged for another part, or for something odd."""
    value = copy.deepcopy(value)
    positions = [*_positions(value)]
    (holder, key), (other, name) = random.choice(positions), random.choice(positions)
    match random.randrange(5):
        case 0:
            del holder[key]
        case 1:
            holder[key] = random.choice(ODD)
        case 2:
            holder[key] = _nested(random.choice((30, 61, 400)))
        case 3:
            holder[key] = copy.deepcopy(other[name])
        case _:
            if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            else:
                holder[f"{key}\n"] = holder[key]
    return value


@pytest.fixture
def run(toy_run: ToyRun, tmp_path: Path) -> Path:
    """A finished run."""
    return toy_run("classifier", tmp_path / "run")


def _resealed(folder: Path, values: dict[str, Any]) -> None:
    canonical = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    sealed = blake2b(canonical.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    (folder / "run.json").write_text(json.dumps(values | {"seal": sealed}))


def _tried(attempt: Callable[[], object]) -> bool:
    """Whether it ended in a sentence of its own; every other error fails the test."""
    try:
        attempt()
    except KenpinError:
        return True
    return False


def test_mutated_files_of_a_run_end_in_a_sentence(run: Path) -> None:
    whole = {name: read_json(run / name) for name in ("run.json", "evaluation.json")}
    del whole["run.json"]["seal"]
    whole["doctor.json"] = {"findings": [{"severity": "error", "where": "a", "what": "b", "remedy": "c"}]}
    told = 0
    for seed in range(MUTATIONS // 2):
        random = Random(seed)
        name = random.choice([*whole])
        values = whole | {name: mutated(whole[name], random)}
        _resealed(run, values["run.json"])
        for other in ("evaluation.json", "doctor.json"):
            (run / other).write_text(json.dumps(values[other]))

        def attempt(is_drawn: bool = seed % 40 == 0) -> None:
            record_hash(read_record(run))
            content = read_content(run)
            if is_drawn:
                render_report(content)

        told += _tried(attempt)
    assert MUTATIONS / 8 < told < MUTATIONS / 2


def test_mutated_drawings_of_a_training_end_in_a_sentence(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8))
    record_truth(tmp_path, ["a", "b"], [picture, picture])
    for step in (0, 10, 20):
        record_snapshot(tmp_path, step, step / 10, {"loss": 0.5, "accuracy": None}, [picture, picture])
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 0.7}\n{"step": 2, "eval_loss": 0.5, "eval_f1": 0.8}\n')
    names = ("evolution/truth.jsonl", "evolution/snapshots.jsonl", "metrics.jsonl")
    whole = {name: [json.loads(line) for line in (tmp_path / name).read_text().splitlines()] for name in names}
    told = 0
    for seed in range(MUTATIONS // 2):
        random = Random(seed)
        changed = random.choice(names)
        for name, rows in whole.items():
            written = mutated(rows, random) if name == changed else rows
            (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in written))

        def attempt(is_resumed: bool = seed % 10 == 0) -> None:
            render_evolution(read_evolution(tmp_path), "run")
            training_figures(read_rows(tmp_path / "metrics.jsonl"))
            if is_resumed:
                record_snapshot(tmp_path, 15, 1.5, {}, [picture, picture])

        told += _tried(attempt)
    assert MUTATIONS / 8 < told < MUTATIONS / 2


def test_mutated_journals_end_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    whole = json.loads(line_of(to_values(record(1)), blake2b(digest_size=16).hexdigest()))
    told = 0
    for seed in range(MUTATIONS):
        values = mutated(whole, Random(seed))
        path.write_text(json.dumps(values) + "\n")

        def attempt() -> None:
            list(read_records(path))
            with closing(Journal(path)) as journal:
                list(journal.set_aside())

        told += _tried(attempt)
    assert MUTATIONS / 4 < told < MUTATIONS


def test_mutated_policies_end_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    whole = {
        "runs": {"look": "run", "far": {"run": "other", "fail_from": 2.5, "review_from": 1}},
        "rules": ["FAIL if look FAIL", "PASS if look PASS and far PASS"],
        "maps": {"of": ["look"]},
        "cases": {"library": "cases", "run": "look", "nearest": 2},
        "lot": "7",
        "settle_s": 0.5,
    }
    told = 0
    for seed in range(MUTATIONS // 2):
        path.write_text(json.dumps(mutated(whole, Random(seed))))  # every JSON is YAML
        told += _tried(lambda: read_policy(path))
    assert MUTATIONS / 8 < told < MUTATIONS / 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"n{n}: &n{n} [*b, *b]\n" for n in range(9)), None),
        (
            "l0: &l0 [x, x]\n" + "".join(f"l{n}: &l{n} [*l{n - 1}, *l{n - 1}]\n" for n in range(1, 60)),
            "more than 20,000",
        ),
        ("a: &a [*a]\n", "more than 20,000"),
        ("a: " + "[" * 5_000 + "]" * 5_000, "nested more than 50 deep"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 50 deep"),
        ("a: 0x_\n", "YAML"),
        ("a: 2024-13-45\n", "YAML"),
        ("a: " + "9" * 30 + "\n", "30 digits"),
        ('a: "\\ud800"\n', "surrogate"),
        ("a: 1\n" * 500_000, "larger than"),
    ],
    ids=range(10),
)
def test_yaml_is_read_with_bounds(tmp_path: Path, text: str, why: str | None) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    if why is None:
        assert read_yaml(path)
    else:
        with pytest.raises(OptionError, match=why):
            read_yaml(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "deep"),
        ("[" * 61 + "]" * 61, "deep"),
        ('{"a":' * 200 + "1" + "}" * 200, "deep"),
        ("9" * 30, "30 digits"),
        ("9" * 5_000, "digits"),
        (r'{"\ud800": 1}', "surrogate"),
        ('{"a": 1', "Expecting"),
    ],
)
def test_json_is_read_with_bounds(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_json(text.encode())
    assert parse_json(("[" * 50 + "]" * 50).encode())


def test_a_file_without_end_is_refused_at_once(tmp_path: Path) -> None:
    sparse, pipe = tmp_path / "sparse.json", tmp_path / "pipe.json"
    with open(sparse, "wb") as file:
        file.truncate(60 * 1024**3)
    os.mkfifo(pipe)
    for path in (sparse, pipe):
        with pytest.raises(RunError, match=f"{path.name}: cannot be read"):
            read_json(path)


def test_names_that_are_no_utf8_come_back_from_json(tmp_path: Path) -> None:
    names = {"names": ["caf\udce9.png", "良品", "a\nb"]}
    write_json(tmp_path / "names.json", names)
    assert read_json(tmp_path / "names.json") == names


def test_a_linked_folder_breaks_the_seal(run: Path, tmp_path: Path) -> None:
    sealed = read_record(run).files
    check_seal(run, sealed)
    moved = (run / "model").rename(tmp_path / "elsewhere")
    (run / "model").symlink_to(moved)
    with pytest.raises(RunError, match="model: is a link to another folder"):
        check_seal(run, sealed, deciding_alone=True)
    (run / "model").unlink()
    copytree(moved, run / "model")
    os.mkfifo(run / "model" / "more.safetensors")
    with pytest.raises(RunError, match=r"more\.safetensors: was not written by the training"):
        check_seal(run, sealed)


def test_the_report_names_what_is_not_sealed(kenpin: Run, run: Path) -> None:
    assert read_content(run).unsealed == ()
    (run / "evaluation-lot 8.json").write_bytes((run / "evaluation.json").read_bytes())
    write_json(run / "doctor.json", {"findings": []})
    assert read_content(run).unsealed == ("doctor.json", "evaluation-lot 8.json")
    kenpin("report", run, "--out", "page.html")
    assert "would not be noticed: doctor.json, evaluation-lot 8.json." in Path("page.html").read_text()


def _encoded(size: int, format: str) -> bytes:
    memory = io.BytesIO()
    Image.new("RGB", (size, size)).save(memory, format)
    return memory.getvalue()


@pytest.mark.parametrize(
    "data", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", _encoded(64, "PNG"), _encoded(1_025, "JPEG"), b""]
)
def test_thumbnails_are_small_jpegs(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "thumbnails.parquet"
    schema = pa.schema([("id", pa.string()), ("jpeg", pa.binary())])
    for jpeg in (_encoded(128, "JPEG"), data):
        pq.write_table(pa.Table.from_pylist([{"id": "a", "jpeg": jpeg}], schema=schema), path)
        if jpeg is not data:
            assert read_thumbnails(path) == {"a": jpeg}
            continue
        with pytest.raises(RunError, match="'a' has no small JPEG in it"):
            read_thumbnails(path)


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.jpg", "linked.jpg", "text.jpg", "large.jpg", 7])
def test_the_evolution_embeds_pictures_of_its_own_folder_alone(tmp_path: Path, name: object) -> None:
    run, secret = tmp_path / "run", tmp_path / "run" / "secret.jpg"
    picture = Image.new("RGB", (8, 8))
    record_truth(run, ["a"], [picture])
    record_snapshot(run, 0, 0.0, {}, [picture])
    write_evolution(run, tmp_path / "before.html")
    drawings = run / "evolution"
    picture.save(secret)
    (drawings / "linked.jpg").symlink_to(secret)
    (drawings / "text.jpg").write_text("secret")
    with open(drawings / "large.jpg", "wb") as file:
        file.truncate(10**10)
    (drawings / "truth.jsonl").write_text(json.dumps({"name": "a", "picture": name}) + "\n")
    with pytest.raises(RunError, match="evolution"):
        write_evolution(run, tmp_path / "page.html")


def test_a_lock_empties_nothing_and_follows_no_link(tmp_path: Path) -> None:
    victim, lock = tmp_path / "victim", tmp_path / "out.lock"
    victim.write_text("kept")
    lock.symlink_to(victim)
    with pytest.raises(RunError, match=r"out\.lock: is a link"), sole_writer(tmp_path / "out"):
        pass
    lock.unlink()
    lock.hardlink_to(victim)
    with sole_writer(tmp_path / "out"):
        pass
    assert victim.read_text() == "kept"


def test_a_new_run_is_sealed_over_names_of_any_bytes(run: Path) -> None:
    record: RunRecord = read_record(run).model_copy(update={"dataset": {"path": "caf\udce9"}, "files": seal(run)})
    write_record(run, record)
    assert read_record(run) == record
