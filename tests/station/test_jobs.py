"""Jobs: processes that a service may lose sight of, and that are told apart by files and the process table alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kenpin.errors import OptionError, OutputError
from kenpin.files import read_json, write_json
from kenpin.run.record import is_run
from kenpin.station.folder import StationFolder
from kenpin.station.learning import process_table
from kenpin.station.learning.commands import OF_THE_JOB, training_command
from kenpin.station.learning.jobs import Job, JobOrder, Jobs, JobState, forecast
from kenpin.station.learning.process_table import ProcessMark, end, is_alive, mark_of
from tests.pictures import write_parts

FINISHES = (
    "import pathlib; print('epoch 2 of 4'); p = pathlib.Path('run'); p.mkdir(); (p / 'run.json').write_text('{}')"
)
FAILS = "import sys; print('computing features: 3 of 3'); sys.exit('kenpin: parts: no picture is in it; add some.')"
RUNS = "import time; print('epoch 1 of 4   training loss 0.5', flush=True); time.sleep(60)"
IS_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    found = Jobs(StationFolder(tmp_path), "node-1", grace_s=0.3)
    yield found
    for job in found.all():
        if (job.folder / "begun.json").is_file():
            end(_process(job), at_once=True)
    _reaped(found)


def _reaped(jobs: Jobs) -> None:
    """Nothing is left of the children of this very process."""
    for child in jobs._children:
        child.wait()


def _order(program: str, **changed: Any) -> JobOrder:
    values: dict[str, Any] = {
        "node": "node-1",
        "product": "cells",
        "command": (sys.executable, "-c", program),
        "out": "run",
        "data_set": "1",
        "who": "ann",
        "ordered_us": 5,
    }
    return JobOrder(**values | changed)


def _process(job: Job) -> ProcessMark:
    return ProcessMark(**read_json(job.folder / "begun.json")["process"])


def _soon(holds: Callable[[], object], within_s: float = 30.0) -> None:
    ends = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.02)


def _begun(jobs: Jobs, program: str) -> int:
    number = jobs.order(_order(program))
    assert jobs.tend() == (number,)
    return number


def test_a_job_waits_runs_and_finishes(jobs: Jobs) -> None:
    number = jobs.order(_order(FINISHES))
    assert (number, jobs.find(number).state) == (1, JobState.WAITING)
    assert jobs.tend() == (1,)
    _soon(lambda: jobs.find(1).state is JobState.FINISHED)
    job = jobs.find(1)
    assert is_run(job.run)
    assert (job.attempt, job.can_resume, job.order.who) == (1, False, "ann")
    assert job.log.read_text() == "epoch 2 of 4\n"


def test_a_job_that_fails_says_why(jobs: Jobs) -> None:
    number = _begun(jobs, FAILS)
    _soon(lambda: jobs.find(number).state is JobState.FAILED)
    assert jobs.find(number).sentence == "parts: no picture is in it; add some."
    assert jobs.find(number).can_resume


def test_an_end_without_a_run_is_a_failure(jobs: Jobs) -> None:
    number = _begun(jobs, "print('nothing')")
    _soon(lambda: jobs.find(number).state is JobState.FAILED)


def test_another_service_finds_the_job_of_one_that_is_gone(jobs: Jobs, tmp_path: Path) -> None:
    """A service that is killed takes no job with it, and the next one knows all of it."""
    starts = (
        "import sys; from pathlib import Path; from tests.station.test_jobs import RUNS, _order\n"
        "from kenpin.station.folder import StationFolder; from kenpin.station.learning.jobs import Jobs\n"
        "import os, signal; jobs = Jobs(StationFolder(Path(sys.argv[1])), 'node-1'); jobs.order(_order(RUNS))\n"
        "jobs.tend(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    gone = subprocess.run([sys.executable, "-c", starts, str(tmp_path)], check=False, cwd=Path(__file__).parents[2])
    assert gone.returncode == -signal.SIGKILL
    _soon(lambda: jobs.find(1).progress is not None)
    job = jobs.find(1)
    assert job.state is JobState.RUNNING
    assert job.progress is not None
    assert (job.progress.doing, job.progress.done, job.progress.total) == ("training", 1, 4)
    assert os.getsid(_process(job).pid) == _process(job).pid
    jobs.cancel(1, "bo")
    _soon(lambda: jobs.find(1).state is JobState.CANCELLED)


def test_a_process_that_is_killed_has_died(jobs: Jobs) -> None:
    number = _begun(jobs, RUNS)
    _soon(lambda: jobs.find(number).progress is not None)
    os.killpg(_process(jobs.find(number)).pid, signal.SIGKILL)
    _soon(lambda: jobs.find(number).state is JobState.DIED)
    assert jobs.find(number).can_resume


def test_the_number_of_a_process_that_another_has_now_deceives_nobody(jobs: Jobs) -> None:
    number = _begun(jobs, RUNS)
    job = jobs.find(number)
    assert job.state is JobState.RUNNING
    begun = read_json(job.folder / "begun.json")
    real = _process(job)
    other = mark_of(os.getpid())
    for mark in (f"{other.mark}0", other.mark.replace(other.mark[:8], "00000000")):  # another start, another boot
        write_json(job.folder / "begun.json", begun | {"process": {"pid": other.pid, "mark": mark}})
        assert jobs.find(number).state is JobState.DIED
        end(_process(jobs.find(number)))  # must not end this very test
    write_json(job.folder / "begun.json", begun | {"process": {"pid": real.pid, "mark": real.mark}})
    assert jobs.find(number).state is JobState.RUNNING


def test_what_the_first_process_of_a_job_left_running_still_runs(jobs: Jobs) -> None:
    number = _begun(jobs, RUNS)
    _soon(lambda: jobs.find(number).progress is not None)
    process = _process(jobs.find(number))
    os.kill(process.pid, signal.SIGKILL)  # the shell alone
    _soon(lambda: process_table._mark(process.pid) is None or jobs.find(number).state is not None)
    assert jobs.find(number).state is JobState.RUNNING
    jobs.cancel(number, "bo")
    _soon(lambda: jobs.find(number).state is JobState.CANCELLED)


def test_a_service_that_dies_before_it_has_written_leaves_nothing_running(tmp_path: Path) -> None:
    """The command begins when it is written down which process it is, and not before."""
    marker = tmp_path / "it-ran"
    starts = (
        "import sys; from pathlib import Path; from tests.station.test_jobs import _order\n"
        "from kenpin.station.folder import StationFolder; from kenpin.station.learning import jobs\n"
        "def die(*_, **__): import os; os._exit(9)\n"
        "found = jobs.Jobs(StationFolder(Path(sys.argv[1])), 'node-1')\n"
        "found.order(_order(f'open({sys.argv[2]!r}, \"w\")')); jobs.write_json = die; found.tend()"
    )
    words = [sys.executable, "-c", starts, str(tmp_path), str(marker)]
    assert subprocess.run(words, check=False, cwd=Path(__file__).parents[2]).returncode == 9
    time.sleep(0.3)
    assert not marker.exists()
    jobs = Jobs(StationFolder(tmp_path), "node-1")
    assert jobs.find(1).state is JobState.WAITING
    assert jobs.tend() == (1,)
    _soon(marker.exists)
    _soon(lambda: jobs.find(1).state is JobState.FAILED)
    _reaped(jobs)


def test_one_job_runs_at_a_time_in_their_order(jobs: Jobs) -> None:
    first, second, third = (jobs.order(_order(program)) for program in (RUNS, FINISHES, FINISHES))
    assert jobs.tend() == (first,)
    assert jobs.tend() == ()
    assert jobs.find(second).state is JobState.WAITING
    jobs.cancel(second, "bo")
    assert jobs.find(second).state is JobState.CANCELLED
    jobs.cancel(first, "bo")
    _soon(lambda: jobs.find(first).state is JobState.CANCELLED)
    assert jobs.find(first).cancelled_by == "bo"
    assert jobs.tend() == (third,)
    _soon(lambda: jobs.find(third).state is JobState.FINISHED)
    with pytest.raises(OptionError, match="finished and cannot be cancelled"):
        jobs.cancel(third, "bo")


def test_a_job_is_begun_once_whoever_tends(jobs: Jobs) -> None:
    numbers = [jobs.order(_order(RUNS)) for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        begun = [number for found in pool.map(lambda _: jobs.tend(), range(24)) for number in found]
    assert begun == numbers[:1]
    assert [jobs.find(number).state for number in numbers] == [JobState.RUNNING, JobState.WAITING, JobState.WAITING]


def test_who_does_not_end_is_killed_after_a_time(jobs: Jobs) -> None:
    number = _begun(jobs, IS_STUBBORN)
    _soon(lambda: jobs.find(number).sentence == "here")
    jobs.cancel(number, "bo")
    time.sleep(0.1)
    assert jobs.find(number).state is JobState.RUNNING
    jobs.tend()
    time.sleep(0.3)
    jobs.tend()
    _soon(lambda: jobs.find(number).state is JobState.CANCELLED)


def test_jobs_of_another_node_are_left_to_it(jobs: Jobs, tmp_path: Path) -> None:
    number = jobs.order(_order(RUNS, node="node-2"))
    assert jobs.tend() == ()
    other = Jobs(StationFolder(tmp_path), "node-2", grace_s=0.1)
    assert other.tend() == (number,)
    assert jobs.find(number).state is JobState.RUNNING
    jobs.cancel(number, "bo")
    assert other.find(number).state is JobState.RUNNING
    other.tend()
    _soon(lambda: other.find(number).state is JobState.CANCELLED)
    _reaped(other)


def test_a_job_goes_on_from_where_it_was(jobs: Jobs) -> None:
    number = _begun(jobs, FAILS)
    _soon(lambda: jobs.find(number).state is JobState.FAILED)
    job = jobs.find(number)
    partial = job.folder / ".run.partial"
    partial.mkdir()
    (partial / "options.json").write_text("{}")
    assert jobs.resume(number).state is JobState.WAITING
    jobs.tend()
    _soon(lambda: jobs.find(number).state is JobState.FAILED)
    assert jobs.find(number).attempt == 2
    begun = [
        read_json(file)["command"][-1] for file in (job.folder / "attempts/1/begun.json", job.folder / "begun.json")
    ]
    assert begun == [FAILS, "--resume"]
    with pytest.raises(OptionError, match="nothing to resume"):
        jobs.resume(jobs.order(_order(RUNS)))


def test_a_run_that_was_written_counts_whatever_died_after_it(jobs: Jobs) -> None:
    number = _begun(jobs, FINISHES)
    _soon(lambda: jobs.find(number).state is JobState.FINISHED)
    (jobs.find(number).folder / "ended.json").unlink()
    assert jobs.find(number).state is JobState.FINISHED


def test_what_is_not_there_or_has_no_room_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no job"):
        jobs.find(7)
    with pytest.raises(OutputError, match="free some"):
        jobs.order(_order(RUNS), free_bytes=10**18)
    assert jobs.all() == ()
    (tmp_path / "jobs/3").mkdir()  # of a service that was killed while it ordered
    assert jobs.all() == ()
    assert jobs.order(_order(RUNS)) == 4


def test_no_value_becomes_an_option(tmp_path: Path) -> None:
    words = training_command(
        "mahalanobis", tmp_path, Path("run"), {"base": "--out=/etc/run", "select_items": True, "layers": [5, 6]}
    )
    assert "--base=--out=/etc/run" in words
    assert [word for word in words if word.startswith("--out=")] == ["--out=run"]
    assert {"--select-items", "--layers=5", "--layers=6"} <= set(words)
    for name in OF_THE_JOB:
        with pytest.raises(OptionError, match="the station sets it"):
            training_command("mahalanobis", tmp_path, Path("run"), {name: "x"})
    with pytest.raises(OptionError, match="did you mean"):
        training_command("mahalanobis", tmp_path, Path("run"), {"bass": "toy"})
    with pytest.raises(OptionError, match="did you mean"):
        training_command("mahalanobi", tmp_path, Path("run"), {})


@pytest.mark.slow
def test_a_real_training_is_a_job(jobs: Jobs, tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts", count=12)
    command = training_command("mahalanobis", parts, Path("run"), {"base": "toy", "seed": 3})
    number = jobs.order(_order("", command=command))
    jobs.tend()
    _soon(lambda: jobs.find(number).state is not JobState.RUNNING, within_s=60)
    job = jobs.find(number)
    assert job.state is JobState.FINISHED, job.log.read_text()
    assert read_json(job.run / "run.json")["options"]["seed"] == 3
    assert "Report:" in job.log.read_text()


def test_a_forecast_that_is_refused_says_why(tmp_path: Path) -> None:
    refuses = "import sys; print('kenpin: it needs 9 GB; take --tuning head.', file=sys.stderr); sys.exit(2)"
    with pytest.raises(OptionError, match=r"it needs 9 GB; take --tuning head\."):
        forecast((sys.executable, "-c", refuses))
    assert forecast((sys.executable, "-c", "print('a  1'); print(); print('b')")) == ("a  1", "b")
    with pytest.raises(OptionError, match=r"more than 0\.1 s"):
        forecast((sys.executable, "-c", RUNS), timeout_s=0.1)


def test_a_dead_process_is_told_from_one_that_nobody_asked_for(tmp_path: Path) -> None:
    child = subprocess.Popen(["/bin/true"], start_new_session=True)
    mark = mark_of(child.pid)
    _soon(lambda: not is_alive(mark))  # it is a zombie until it is asked for
    child.wait()
    assert not is_alive(mark)
