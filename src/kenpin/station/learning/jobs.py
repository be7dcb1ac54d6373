"""Trainings as jobs: processes of their own, whose state is read from files and the process table by any service.

`job.json` says what is wanted, `begun.json` which process does it, `cancelled.json` who stopped it, and `ended.json`
how it ended. The service may be restarted, or killed, at any moment: the job goes on, and whoever asks next is told.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Literal

from kenpin.errors import OptionError, OutputError, RunError
from kenpin.files import cannot_write, partial_folder, read_json, sole_writer, write_json
from kenpin.records_json import from_json, to_json
from kenpin.run.layout import EVOLUTION_PAGE, OPTIONS
from kenpin.run.record import is_run
from kenpin.station.clock import now_us
from kenpin.station.folder import StationFolder
from kenpin.station.learning.process_table import ProcessMark, end, is_alive, mark_of

SCHEMA: Literal[1] = 1
GRACE_S = 20.0
"""From being asked to end to being killed."""
_FREE_BYTES = 1024**3
_LARGEST_NUMBER = 10**9
_LAST_BYTES = 64 * 1024
"""Of a log that are looked at."""
_SHELL = """read -r begun || exit 1
nice -n 10 "$@" < /dev/null
printf '{"status": %d}' "$?" > "$0.new" && mv "$0.new" "$0"
"""
"""Waits until it is written down that it runs, and ends where nobody does. Then runs a command so that the line comes
first, and writes how that ended. A shell takes no memory beside it."""
_OF = re.compile(r"(?P<doing>[a-z][^:]*): (?P<done>[\d,]+) of (?P<total>[\d,]+)")
_EPOCH = re.compile(r"epoch +(?P<done>[\d.e+]+) of (?P<total>[\d.e+]+)")


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DIED = "died"
    """Its process is gone without a word: killed, or the machine was."""


_OVER = (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED, JobState.DIED)


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What is wanted: `job.json`."""

    node: str
    """Which process of the station does it."""
    product: str
    command: tuple[str, ...]
    """The words of the command line; it runs in the folder of the job."""
    out: str
    """The run that it writes, below the folder of the job."""
    data_set: str
    """The frozen data set that it learns from, by the name of its folder."""
    who: str
    ordered_us: int
    """UTC, microseconds since 1970."""
    forecast: tuple[str, ...] = ()
    """Memory and time as they were forecast, in lines."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come, as its log tells."""

    doing: str
    done: float
    total: float

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None where nothing is to be counted."""
        return self.done / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Job:
    """A job and where it stands."""

    number: int
    folder: Path
    order: JobOrder
    state: JobState
    attempt: int
    """How often it was begun."""
    progress: Progress | None
    sentence: str
    """The last that it said; of a failed job why."""
    cancelled_by: str | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in _OVER

    @property
    def run(self) -> Path:
        """The run that it writes; complete where it has finished."""
        return self.folder / self.order.out

    @property
    def log(self) -> Path:
        """All that it said."""
        return self.folder / "log.txt"

    @property
    def evolution(self) -> Path | None:
        """The page of predictions during the training, if there is one yet."""
        pages = (self.run / EVOLUTION_PAGE, partial_folder(self.run) / EVOLUTION_PAGE)
        return next((page for page in pages if page.is_file()), None)

    @property
    def can_resume(self) -> bool:
        """Whether it ended without its run, and may begin again from where it was."""
        return self.is_over and self.state is not JobState.FINISHED


class Jobs:
    """The jobs of a station, for one of its nodes and any of that node's threads."""

    def __init__(self, folder: StationFolder, node: str, *, at_once: int = 1, grace_s: float = GRACE_S) -> None:
        self._folder, self._node = folder.jobs, node
        self._at_once, self._grace_s = at_once, grace_s
        self._children: list[subprocess.Popen[bytes]] = []
        self._tending = Lock()

    def order(self, order: JobOrder, *, free_bytes: int = _FREE_BYTES) -> int:
        """Put a job at the end of the queue, and return its number.

        Raises OutputError where the disk has fewer free bytes, or nothing can be written.
        """
        with cannot_write(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            if (free := shutil.disk_usage(self._folder).free) < free_bytes:
                raise OutputError(
                    f"{self._folder}: its disk has {free / 1e9:.1f} GB left, and a training needs "
                    f"{free_bytes / 1e9:.1f} GB; free some."
                )
            number = max(self._numbers(), default=0) + 1
            while True:
                try:
                    (self._folder / f"{number}").mkdir()
                    break
                except FileExistsError:  # another node took it
                    number += 1
        write_json(self._folder / f"{number}" / "job.json", {"schema": SCHEMA, **to_json(order)})
        return number

    def find(self, number: int) -> Job:
        """A job as it stands now. Raises OptionError where there is none, RunError."""
        if not 0 < number <= _LARGEST_NUMBER:  # what stands in an address may be longer than any file's name
            raise OptionError("there is no such job; its number is one of the list.")
        folder = self._folder / f"{number}"
        file = folder / "job.json"
        if not file.is_file():
            raise OptionError(f"there is no job {number}; take one of the list.")
        values = read_json(file)
        if values.pop("schema", None) != SCHEMA:
            raise RunError(f"{file}: is of another version of kenpin; remove the folder of the job.")
        return self._standing(number, folder, from_json(JobOrder, values, str(file)))

    def all(self) -> tuple[Job, ...]:
        """All jobs that were ordered, by their numbers."""
        return tuple(self.find(number) for number in self._numbers() if (self._folder / f"{number}/job.json").is_file())

    def tend(self) -> tuple[int, ...]:
        """What a service does every few seconds: kill what was cancelled and does not end, and begin what waits, in its
        order. Returns the numbers of the jobs that it began. Raises OutputError."""
        with self._tending:
            return self._tend()

    def _tend(self) -> tuple[int, ...]:
        self._children = [child for child in self._children if child.poll() is None]
        jobs = [job for job in self.all() if job.order.node == self._node]
        for job in jobs:
            if job.cancelled_by is not None and job.state is JobState.RUNNING:
                asked_us = int(read_json(job.folder / "cancelled.json")["at_us"])
                end(_process(job.folder), at_once=now_us() - asked_us > 1e6 * self._grace_s)
        waiting = [job for job in jobs if job.state is JobState.WAITING]
        free = self._at_once - sum(job.state is JobState.RUNNING for job in jobs)
        if not waiting or free < 1:
            return ()
        begun: list[int] = []
        with suppress(RunError), sole_writer(self._folder / self._node):  # else another process is at it
            for job in waiting[:free]:
                if self.find(job.number).state is JobState.WAITING:
                    self._children.append(_begin(job))
                    begun.append(job.number)
        return tuple(begun)

    def cancel(self, number: int, who: str) -> Job:
        """Ask a job to end; `tend` kills it where it does not. What it has learned can be resumed. Raises OptionError
        where it is over."""
        job = self.find(number)
        if job.is_over:
            raise OptionError(f"job {number}: is {job.state.value} and cannot be cancelled.")
        if job.cancelled_by is None:
            write_json(job.folder / "cancelled.json", {"who": who, "at_us": now_us()})
        if job.state is JobState.RUNNING and job.order.node == self._node:
            end(_process(job.folder))
        return self.find(number)

    def resume(self, number: int) -> Job:
        """Put a job that ended without its run back into the queue; it goes on from its last checkpoint, where it has
        one. Raises OptionError where it is not over, or has its run."""
        job = self.find(number)
        if not job.can_resume:
            raise OptionError(f"job {number}: is {job.state.value}, and there is nothing to resume.")
        attempts = job.folder / "attempts" / f"{job.attempt}"
        with cannot_write(attempts):
            attempts.mkdir(parents=True, exist_ok=True)
            # begun.json last: without the others and with it the job is one that died, and can be resumed again
            for name in ("cancelled.json", "ended.json", "begun.json"):
                if (job.folder / name).is_file():
                    (job.folder / name).replace(attempts / name)
        return self.find(number)

    def _numbers(self) -> list[int]:
        names = [entry.name for entry in self._folder.iterdir()] if self._folder.is_dir() else []
        return sorted(int(name) for name in names if name.isdecimal() and not name.startswith("0"))

    def _standing(self, number: int, folder: Path, order: JobOrder) -> Job:
        cancelled = folder / "cancelled.json"
        said = _last_lines(folder / "log.txt")
        attempts = folder / "attempts"
        earlier = len(list(attempts.iterdir())) if attempts.is_dir() else 0
        state = self._state(folder, order)
        return Job(
            number=number,
            folder=folder,
            order=order,
            state=state,
            attempt=earlier + (folder / "begun.json").is_file(),
            progress=_progress(said) if state is JobState.RUNNING else None,
            sentence=said[-1].removeprefix("kenpin: ") if said else "",
            cancelled_by=str(read_json(cancelled)["who"]) if cancelled.is_file() else None,
        )

    def _state(self, folder: Path, order: JobOrder) -> JobState:
        is_cancelled = (folder / "cancelled.json").is_file()
        if not (folder / "begun.json").is_file():
            return JobState.CANCELLED if is_cancelled else JobState.WAITING
        # in this order: a process writes how it ended before it is gone
        alive = order.node != self._node or is_alive(_process(folder))
        if (folder / "ended.json").is_file():
            status = read_json(folder / "ended.json").get("status")
            if status == 0 and is_run(folder / order.out):
                return JobState.FINISHED
            return JobState.CANCELLED if is_cancelled else JobState.FAILED
        if alive:
            return JobState.RUNNING
        if is_run(folder / order.out):  # the machine died after the run was written
            return JobState.FINISHED
        return JobState.CANCELLED if is_cancelled else JobState.DIED


def forecast(command: Sequence[str], *, timeout_s: float = 600.0) -> tuple[str, ...]:
    """Memory and time of a training, in lines, by a process that tries its first steps. Raises OptionError where it
    would not fit, with what would make it fit."""
    try:
        asked = subprocess.run(
            [*command, "--dry-run"],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OptionError(
            f"the forecast took more than {timeout_s:g} s; take a smaller base or fewer pictures."
        ) from error
    if asked.returncode:
        told = [line for line in asked.stderr.splitlines() if line.strip()]
        raise OptionError(told[-1].removeprefix("kenpin: ") if told else "the forecast ended without a word.")
    return tuple(line.rstrip() for line in asked.stdout.splitlines() if line.strip())


def _begin(job: Job) -> subprocess.Popen[bytes]:
    """Start its process as a session of its own, and write down which it is. Raises OutputError."""
    words = [*job.order.command]
    if (partial_folder(job.run) / OPTIONS).is_file():
        words.append("--resume")
    with cannot_write(job.folder), job.log.open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _SHELL, str(job.folder / "ended.json"), *words],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=job.folder,
            start_new_session=True,
        )
        assert process.stdin is not None
        with process.stdin:  # closed without a word, where this process dies or cannot write
            begun = {"process": to_json(mark_of(process.pid)), "command": words, "at_us": now_us()}
            write_json(job.folder / "begun.json", begun)
            process.stdin.write(b"begun\n")
    return process


def _process(folder: Path) -> ProcessMark:
    file = folder / "begun.json"
    return from_json(ProcessMark, read_json(file).get("process"), str(file))


def _last_lines(log: Path) -> list[str]:
    """The last lines of a log, without empty ones."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LAST_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]


def _progress(said: Sequence[str]) -> Progress | None:
    for line in reversed(said):
        if (found := _EPOCH.match(line)) is not None:
            return Progress("training", float(found["done"]), float(found["total"]))
        if (found := _OF.match(line)) is not None:
            done, total = (float(found[name].replace(",", "")) for name in ("done", "total"))
            return Progress(found["doing"], done, total)
    return None
