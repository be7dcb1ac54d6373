"""The forecast before a run: exact where it counts, near where it measures, and a remedy that holds what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from kenpin.errors import OptionError
from kenpin.forecast import Forecast, forecast_run
from kenpin.forecast.meter import course_of, live_at, peak_of
from kenpin.forecast.rehearsal import Rehearsal
from kenpin.models import get_family
from kenpin.models.bases import Announced
from kenpin.models.contract import Announces
from kenpin.models.florence2 import Florence2Options
from kenpin.models.paligemma import PaliGemmaOptions
from kenpin.training import train
from kenpin.training.capacity import _free_in_groups, held, refuse_unfit, refuse_unloadable, resident_bytes, room_bytes
from kenpin.training.parts import divide, task_of
from tests.objects import joined, made_objects
from tests.tables import write_table

DATA = joined(made_objects(48), made_objects(4, first=500, split="validation"))
FEW = joined(made_objects(24), made_objects(1, first=500, split="validation"))
_BOXES: dict[str, Any] = {"data": "-", "base": "toy", "precision": "fp32", "max_new_tokens": 40}


def _forecast(family: str, out: Path, **values: Any) -> Forecast:
    """Of the run, but for the seconds of a step and of a loss, which other tests measure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rehearsal, "step_seconds", lambda rehearsal, pictures: (0.1, 0.05))
        return forecast_run(family, dataset=DATA, out=out / "run", **{**_BOXES, **values})


def _rehearsal(family: str, **values: Any) -> tuple[Any, Rehearsal]:
    """An inspector on its toy base with the rehearsal of its run."""
    chosen = get_family(family)
    options: Any = chosen.Options.from_mapping({**_BOXES, "out": "-", **values})
    parts = divide(DATA, chosen.target)
    task, _ = task_of(parts.training, chosen.target, None)
    inspector = chosen.create(options, task)
    return inspector, Rehearsal(inspector, options, task, parts, chosen.target)


def _kept_bytes(inspector: Any, batch: dict[str, torch.Tensor]) -> int:
    """Bytes that autograd keeps of a forward pass for the backward one, weights apart."""
    weights = {p.untyped_storage().data_ptr() for p in (*inspector.module.parameters(), *inspector.module.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        inspector.total_loss(inspector.module.train(), batch)
    return sum(kept.values())


@pytest.mark.parametrize(
    ("family", "tuning"),
    [("florence2", "full"), ("florence2", "lora"), ("paligemma", "full"), ("paligemma", "attention")],
)
def test_what_a_step_holds_is_what_autograd_keeps_of_it(family: str, tuning: str) -> None:
    inspector, rehearsal = _rehearsal(family, tuning=tuning)
    courses = rehearsal.courses(16, 10**12)
    for pictures in (1, 3, 6, 16):
        peak = peak_of(live_at(courses, pictures), 0)  # gradients apart
        kept = _kept_bytes(inspector, rehearsal.batch(rehearsal.longest(pictures)))
        assert kept == pytest.approx(peak.working + peak.logits, rel=0.25), pictures


def test_the_line_through_small_steps_meets_the_large_one() -> None:
    inspector, rehearsal = _rehearsal("florence2", tuning="full")
    courses = rehearsal.courses(16, 10**12)
    batch = rehearsal.batch(rehearsal.longest(16))
    learn = partial(rehearsal.step().learn, count=inspector.loss_count(batch))
    large = course_of(learn, inspector.module.train(), batch, 10**12)
    measured = peak_of(live_at({16: large}, 16), None)
    assert sum(peak_of(live_at(courses, 16), None)) == pytest.approx(sum(measured), rel=0.01)
    # the plain line through the peaks of two steps misses it, since gradients weigh more in a small one
    peaks = [sum(peak_of(live_at(courses, n), None)) for n in (1, 2)]
    assert peaks[0] + 15 * (peaks[1] - peaks[0]) < 0.95 * sum(measured)


_CHILD = """
import sys
from pathlib import Path
from tests.forecast.test_forecast import FEW, _BOXES
from tests.training.kill_driver import in_child, load_late
from kenpin.training import train
from kenpin.forecast import forecast_run

values = _BOXES | {"epochs": 1, "batch_size": 24, "tuning": "full", "device": "cpu"}

def forecast():
    memory = forecast_run("florence2", dataset=FEW, out=Path(sys.argv[1]), **values).memory
    print(memory.total, memory.activations + memory.logits, flush=True)

def run():
    train("florence2", dataset=FEW, out=Path(sys.argv[1]), report=False, **values)
    # ru_maxrss would count what the process that started this one held
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), flush=True)

load_late("florence2")
assert [in_child(forecast), in_child(run)] == [0, 0]
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_the_peak_of_a_run_is_near_the_forecast(tmp_path: Path) -> None:
    # in processes of their own: what other tests have loaded would count; and in children of one, which loads once
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", _CHILD, str(tmp_path / "run")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    forecast, step, held_bytes = map(int, done.stdout.split())
    assert step > 0.1 * held_bytes, "the runtime outweighs the step: the test says nothing"
    assert forecast == pytest.approx(held_bytes, rel=0.25)


def test_the_total_counts_what_the_process_holds_already(tmp_path: Path) -> None:
    """And on top of it the step, which other tests compare with what autograd keeps."""
    before = resident_bytes()
    memory = _forecast("florence2", tmp_path, batch_size=1, device="cpu").memory
    assert memory.runtime == pytest.approx(before, rel=0.25)
    assert memory.total > memory.runtime + memory.activations + memory.logits


_TABLE_CHILD = """
import sys
from pathlib import Path
from kenpin.training import train
from kenpin.forecast import forecast_run

data, out = sys.argv[2], Path(sys.argv[3])
if sys.argv[1] == "forecast":
    print(forecast_run("mahalanobis", data=data, out=out).memory.total)
else:
    train("mahalanobis", data=data, out=out, report=False)
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_the_peak_of_a_table_is_near_the_forecast(tmp_path: Path) -> None:
    draw, rows = np.random.default_rng(0), 20_000
    columns = {"id": [str(row) for row in range(rows)], "label": ["ok"] * (rows - 100) + ["ng"] * 100}
    numbers = draw.normal(size=(300, rows))
    numbers[:, -100:] += 3
    data = tmp_path / "parts.parquet"
    pq.write_table(pa.table(columns | {f"item {place}": numbers[place] for place in range(300)}), data)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    found = []
    for what in ("forecast", "run"):
        command = [sys.executable, "-W", "ignore", "-c", _TABLE_CHILD, what, str(data), str(tmp_path / "run")]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        found.append(int(done.stdout))
    assert found[0] == pytest.approx(found[1], rel=0.25)


def test_a_table_that_cannot_fit_is_refused_with_what_helps(tmp_path: Path) -> None:
    found = forecast_run("mahalanobis", data=str(write_table(tmp_path / "parts.csv")), out=tmp_path / "run", room=1000)
    assert not found.fits
    assert "take fewer rows, or fewer columns" in str(found.refusal)


def test_it_grows_with_the_batch(tmp_path: Path) -> None:
    found = [_forecast("florence2", tmp_path, batch_size=size).memory for size in (1, 4, 16)]
    needed = [memory.total - memory.runtime for memory in found]
    assert sorted(set(needed)) == needed
    assert needed[2] > 2 * needed[1]


def test_gradients_and_states_are_those_of_the_optimiser() -> None:
    counted = {}
    for tuning in ("full", "attention", "lora"):
        inspector, rehearsal = _rehearsal("florence2", tuning=tuning)
        counted[tuning] = of = held(inspector.module, "adamw")
        trained = [parameter for parameter in inspector.module.parameters() if parameter.requires_grad]
        step, batch = rehearsal.step(), rehearsal.batch([0])
        step.learn(batch, inspector.loss_count(batch))
        assert sum(parameter.grad.nbytes for parameter in trained if parameter.grad is not None) == of.gradients_bytes
        step.change(0.0)
        states = sum(v.nbytes for state in step.optimiser.state.values() for v in state.values() if v.numel() > 1)
        assert states == pytest.approx(of.optimiser_bytes, rel=0.001)  # of a single number it is no more than a count
        assert held(inspector.module, "sgd").optimiser_bytes == 0
    sums = [counted[name].gradients_bytes + counted[name].optimiser_bytes for name in ("full", "attention", "lora")]
    assert sums[0] > sums[1] > sums[2] > 0


def _apart_from_runtime(found: Forecast) -> int:
    return found.memory.total - found.memory.runtime


@pytest.mark.parametrize(
    ("spare", "batch_size", "options"),
    [
        (-0.1, 16, {"batch_size", "accumulate"}),
        (-0.3, 1, {"tuning"}),
        pytest.param(-0.9, 24, {"tuning", "batch_size", "accumulate"}, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_cannot_fit_fits_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: float, batch_size: int, options: set[str]
) -> None:
    # what the process itself holds would grow from one forecast to the next
    monkeypatch.setattr("kenpin.forecast.forecasting.resident_bytes", lambda: 100_000_000)
    values: dict[str, Any] = {"batch_size": batch_size, "tuning": "full", "device": "cpu"}
    wanted = _forecast("florence2", tmp_path, **values)
    assert wanted.fits
    assert wanted.refusal is None
    room = wanted.memory.total + round(spare * _apart_from_runtime(wanted))
    refused = _forecast("florence2", tmp_path, room=room, **values)
    assert not refused.fits
    assert refused.times is None
    assert refused.remedy is not None
    assert refused.remedy.options.keys() == options
    assert refused.refusal is not None
    assert str(refused.remedy) in refused.refusal
    mended = _forecast("florence2", tmp_path, room=room, **values | dict(refused.remedy.options))
    assert mended.fits
    assert mended.memory.total == pytest.approx(refused.remedy.total_bytes, rel=0.01)
    assert (
        refused.remedy.options.get("batch_size", batch_size) * refused.remedy.options.get("accumulate", 1) == batch_size
    )


def test_long_answers_are_the_last_to_be_cut() -> None:
    options = PaliGemmaOptions.from_mapping({**_BOXES, "out": "-", "tuning": "attention"})
    choices = list(options.memory_savings("bf16", 30))
    assert choices == [
        {"precision": "auto"},
        {"frozen_dtype": "bfloat16"}, {"tuning": "lora"}, {"tuning": "qlora"}, {"max_length": 15},
    ]  # fmt: skip
    single = PaliGemmaOptions.from_mapping({**_BOXES, "out": "-", "tuning": "qlora", "precision": "fp32"})
    assert list(single.memory_savings("fp16", 15)) == [{"precision": "auto"}], "an answer of 7 tokens says nothing"


def test_nothing_that_fits_is_said_too(tmp_path: Path) -> None:
    refused = _forecast("florence2", tmp_path, room=1000)
    assert refused.at_least
    assert refused.remedy is None
    assert "take a smaller --base" in str(refused.refusal)


def test_a_full_gpu_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(Rehearsal, "scoring", full)
    assert "more than" in str(_forecast("florence2", tmp_path).refusal)


def test_a_step_is_broken_off_where_nothing_is_left() -> None:
    inspector, rehearsal = _rehearsal("florence2", tuning="full")
    (whole,) = rehearsal.courses(1, 10**12).values()
    forward = int(whole.live_bytes[:, 2].argmax())
    peaks = whole.live_bytes.sum(1)
    assert peaks.max() > peaks[: forward // 2].max()
    for limit in (int(peaks.max() // 4), int(peaks.max()) - 1):
        (broken,) = rehearsal.courses(3, limit).values()
        assert not broken.whole
        assert limit < broken.live_bytes.sum(1).max() <= peaks.max()
        assert np.array_equal(broken.live_bytes, whole.live_bytes[: len(broken.live_bytes)])
    assert all(parameter.grad is None for parameter in inspector.module.parameters())


def test_features_are_counted_apart_where_the_vision_is_frozen(tmp_path: Path) -> None:
    frozen, whole, varied = (
        _forecast("paligemma", tmp_path, tuning=tuning, brightness=brightness)
        for tuning, brightness in (("attention", 0.0), ("full", 0.0), ("attention", 0.1))
    )
    assert frozen.times is not None
    assert frozen.times.features > 0
    assert whole.times is not None
    assert varied.times is not None
    assert whole.times.features == varied.times.features == 0
    assert whole.memory.activations > frozen.memory.activations


def test_steps_are_those_of_the_run(parts: Path, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "data": str(parts), "base": "toy", "tuning": "full", "epochs": 1.5, "batch_size": 7, "accumulate": 3,
        "evaluate_every": 2, "report": False,
    }  # fmt: skip
    times = forecast_run("classifier", out=tmp_path / "run", **values).times
    run = train("classifier", out=tmp_path / "run", **values)
    assert times is not None
    assert f"{times.steps} of {times.steps} steps were trained" in " ".join(
        json.loads((run / "run.json").read_text())["notes"]
    )
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    evaluated = {row["step"] for row in rows if "eval_loss" in row}
    assert times.evaluations == len(evaluated)
    assert times.checkpoints == times.evaluations
    assert times.saving > 0
    each = times.step * times.steps + times.evaluations * (times.evaluation + times.saving)
    assert times.total == pytest.approx(each + times.features + times.scoring + times.closing)


@pytest.mark.parametrize("family", ["classifier", "mahalanobis"])
def test_a_fit_is_its_features(parts: Path, tmp_path: Path, family: str) -> None:
    found = forecast_run(family, data=str(parts), out=tmp_path / "run", base="toy")
    assert (found.trainable, found.memory.gradients, found.memory.optimiser) == (0, 0, 0)
    assert found.fits
    assert found.memory.activations > 0
    assert found.times is not None
    assert found.times.total == found.times.features > 0
    refused = forecast_run(family, data=str(parts), out=tmp_path / "run", base="toy", room=1000)
    assert "smaller --base" in str(refused.refusal)


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    assert _forecast("paligemma", tmp_path, tuning="attention").fits
    assert list(tmp_path.iterdir()) == []


def test_a_rehearsal_leaves_the_weights_as_they_were() -> None:
    inspector, rehearsal = _rehearsal("paligemma", tuning="full")
    before = {name: values.clone() for name, values in inspector.module.state_dict().items()}
    rehearsal.scoring()
    rehearsal.courses(2, 10**12)
    rehearsal.step_seconds(2)
    after = inspector.module.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    assert not inspector.module.training


def test_a_run_that_surely_cannot_fit_is_refused_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspector, _ = _rehearsal("florence2", tuning="full")
    total = held(inspector.module, "adamw").total_bytes
    refuse_unfit(inspector.module, "adamw", torch.device("cpu"), total)
    with pytest.raises(OptionError, match=r"alone take .* another --tuning"):
        refuse_unfit(inspector.module, "adamw", torch.device("cpu"), total - 1)
    refuse_unfit(inspector.module, "sgd", torch.device("cpu"), total - 1)
    monkeypatch.setattr("kenpin.training.capacity.room_bytes", lambda device: total - 1)
    with pytest.raises(OptionError, match="--dry-run"):
        train("florence2", dataset=DATA, out=tmp_path / "run", **{**_BOXES, "tuning": "full", "device": "cpu"})
    assert list(tmp_path.iterdir()) == []


def test_a_base_too_large_to_load_is_told_by_its_configuration(tmp_path: Path) -> None:
    inspector, _ = _rehearsal("florence2")
    config = inspector.network.config
    count = sum(parameter.numel() for parameter in inspector.network.parameters())
    config.architectures = [type(inspector.network).__name__]
    config.save_pretrained(tmp_path / "base")  # and no weights: they are not looked for
    options = Florence2Options.from_mapping({**_BOXES, "base": str(tmp_path / "base"), "out": str(tmp_path / "run")})
    announced = announced_by_family("florence2", options)
    refuse_unloadable(announced, count * 4)
    with pytest.raises(OptionError, match=r"million weights alone take 8 MB .* --base of less than"):
        refuse_unloadable(announced, count * 4 - 1)
    half = options.model_copy(update={"frozen_dtype": "bfloat16"})
    refuse_unloadable(announced_by_family("florence2", half), count * 2)
    npz = PaliGemmaOptions(data="-", out=tmp_path / "run", base=str(tmp_path / "base.npz"))
    assert announced_by_family("paligemma", npz) is None, "not there: loading says so"
    (tmp_path / "base.npz").write_bytes(bytes(11))
    with pytest.raises(OptionError, match="--base"):
        refuse_unloadable(announced_by_family("paligemma", npz), 10)


def announced_by_family(name: str, options: Any) -> Announced | None:
    family = get_family(name)
    assert isinstance(family, Announces)
    return family.announced(options)


@pytest.mark.parametrize(
    ("groups", "files", "free"),
    [
        (
            "0::/job/step",
            {"job/memory.max": "900", "job/memory.current": "500", "job/memory.stat": "inactive_file 40"},
            440,
        ),
        ("0::/job", {"job/memory.max": "max", "job/memory.current": "500", "job/memory.stat": "anon 1"}, None),
        (
            "4:cpu:/x\n3:memory:/box",
            {
                "memory/box/memory.limit_in_bytes": "900",
                "memory/box/memory.usage_in_bytes": "300",
                "memory/box/memory.stat": "cache 9\ntotal_inactive_file 100",
            },
            700,
        ),
        ("0::/elsewhere", {}, None),
    ],
)
def test_limits_of_containers_count(tmp_path: Path, groups: str, files: dict[str, str], free: int | None) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"{groups}\n")
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    assert list(_free_in_groups(tmp_path)) == ([] if free is None else [free])


def test_room_is_less_than_the_machine_and_more_than_is_held() -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 10**8 < room_bytes(torch.device("cpu")) < 1.05 * whole


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_holds_what_is_forecast(tmp_path: Path) -> None:
    found = _forecast("florence2", tmp_path, batch_size=16, tuning="full", device="cuda:0")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    train(
        "florence2", dataset=DATA, out=tmp_path / "run", report=False,
        **{**_BOXES, "batch_size": 16, "tuning": "full", "epochs": 1, "device": "cuda:0"},
    )  # fmt: skip
    assert torch.cuda.max_memory_allocated() - before == pytest.approx(found.memory.total, rel=0.25)


class TestCommandLine:
    """`kenpin train … --dry-run`."""

    @pytest.fixture(autouse=True)
    def _in_an_empty_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def _run(self, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
        from kenpin.cli import main

        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    def test_prints_what_it_takes_and_ends_with_0(self, parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = ("train", "classifier", "--data", parts, "--out", "run", "--base", "toy", "--tuning", "full")
        status, out, _ = self._run(capsys, *command, "--dry-run")
        assert status == 0
        for word in ("parameters train", "weights", "gradients", "optimiser", "activations", "step", "steps in all"):
            assert word in out
        assert list(Path().iterdir()) == []

    def test_refuses_with_2_and_the_remedy(
        self, parts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        command = ("train", "classifier", "--data", parts, "--out", "run", "--base", "toy", "--tuning", "full")
        found = forecast_run("classifier", data=str(parts), out=Path("run"), base="toy", tuning="full")
        monkeypatch.setattr("kenpin.forecast.forecasting.resident_bytes", lambda: 0)
        room = _apart_from_runtime(found) * 3 // 4
        monkeypatch.setattr("kenpin.forecast.forecasting.room_bytes", lambda device: room)
        status, out, err = self._run(capsys, *command, "--dry-run")
        assert status == 2
        assert "activations" in out
        assert "Time" not in out
        assert err.splitlines()[-1].startswith("kenpin: this run needs")
        assert re.search(r"; with (--tuning lora )?--batch-size \d+ --accumulate \d+ it needs", err)
        assert list(Path().iterdir()) == []


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Forecast:
    """Of one process."""
    folder = tmp_path_factory.mktemp("one")
    return _forecast("paligemma", folder, tuning="full", batch_size=6, device="cpu", room=10**11)


@pytest.mark.parametrize(("processes", "shard"), [(1, False), (2, False), (2, True), (5, True)])
def test_processes_share_pictures_and_in_shards_what_is_held(
    one: Forecast, tmp_path: Path, processes: int, shard: bool
) -> None:
    here = _forecast(
        "paligemma", tmp_path, tuning="full", batch_size=6, device="cpu", room=10**11, processes=processes, shard=shard
    )
    n = processes if shard else 1
    for name in ("weights", "gradients", "optimiser"):
        assert getattr(here.memory, name) == -(-getattr(one.memory, name) // n)
    assert (here.memory.gathered > 0) == shard
    assert here.processes == processes
    if processes > 1:  # fewer pictures at a time
        assert here.memory.activations < one.memory.activations
    assert here.times is not None
    weights = one.memory.weights
    moved = (2 * weights + one.memory.gradients if shard else 2 * one.memory.gradients) * (processes - 1) / processes
    assert here.times.exchange == pytest.approx(moved / 2**30, rel=1e-6)  # at the 1 GiB/s that is assumed of a CPU
    assert here.times.total >= here.times.steps * here.times.exchange


def test_a_network_that_fits_in_shards_alone_is_not_forecast_and_whole_ones_get_shards_as_a_remedy(
    tmp_path: Path,
) -> None:
    how = {"tuning": "full", "batch_size": 4, "device": "cpu", "processes": 4}
    whole = _forecast("paligemma", tmp_path, room=10**11, **how)
    held_bytes = whole.memory.weights + whole.memory.gradients + whole.memory.optimiser
    with pytest.raises(OptionError, match="tries steps on the whole network, whose weights and gradients take"):
        _forecast("paligemma", tmp_path, room=4 * int(0.45 * held_bytes), shard=True, **how)
