"""Starts the processes of a training, or joins those of a launcher, and tells in one sentence which of them ended."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from signal import Signals
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import IO, Any

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from kenpin.config import GradientOptions
from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError, RunError
from kenpin.files import partial_folder
from kenpin.models.contract import Trainable
from kenpin.predictor import best_device
from kenpin.training.learning import has_learned
from kenpin.training.processes import Processes, device_for, join, started_by_launcher
from kenpin.training.start import Start

_HOST = "127.0.0.1"
READY = b"ready\n"
"""What a process that was started says when it has read what is to be learned."""
_ENDING_S, _LOOKED_S = 20.0, 0.5


@dataclass(frozen=True)
class Errand:
    """What a started process is told."""

    family: str
    options: GradientOptions
    dataset: Dataset | None
    rank: int
    port: int
    threads: int


@contextmanager
def processes_of(start: Start) -> Iterator[Processes]:
    """The processes of a training, this one among them: as many as its options say, or as a launcher has started.

    Within, a process that is lost ends all of them. Raises OptionError, RunError.
    """
    options, launched = start.options, started_by_launcher()
    wanted = options.processes if isinstance(options, GradientOptions) else 1
    if launched > 1 and wanted > 1:
        raise OptionError(
            f"option `processes`: a launcher has started {launched} processes already (WORLD_SIZE); leave it out."
        )
    count = max(launched, wanted)
    if count == 1:
        if isinstance(options, GradientOptions) and options.shard:
            raise OptionError("option `shard` divides a network among processes; say how many with --processes.")
        yield Processes(best_device(options.device))
        return
    if not isinstance(options, GradientOptions) or not isinstance(start.inspector, Trainable):
        raise OptionError(
            f"this training is one pass by one process, and a launcher has started {launched}; start it alone."
        )
    if count > options.batch_size:
        raise OptionError(
            f"option `batch_size`: {options.batch_size} is divided among {count} processes, so that some learn "
            f"nothing; take at least {count}, or fewer processes."
        )
    with (_launched if launched > 1 else _started)(start, options, count) as found:
        yield found


@contextmanager
def _launched(start: Start, options: GradientOptions, count: int) -> Iterator[Processes]:
    rank, local_rank = (int(os.environ.get(name, "0")) for name in ("RANK", "LOCAL_RANK"))
    # where one fails its group is left as it is, for the launcher to end: to leave it would wait for the others
    try:
        yield join(device_for(options.device, local_rank, count), rank, count)
    except RuntimeError as error:
        if not _is_of_the_network(error):
            raise
        raise RunError(f"another of the {count} processes ended; {_remedy(start)}.") from error


@contextmanager
def _started(start: Start, options: GradientOptions, count: int) -> Iterator[Processes]:
    device = device_for(options.device, 0, count)
    device_for(options.device, count - 1, count)
    before = torch.get_num_threads()
    threads = max(1, before // count) if device.type == "cpu" else before
    store = TCPStore(_HOST, 0, count, is_master=True, wait_for_workers=False)
    with ExitStack() as at_end:
        team = _Team(
            [Errand(start.name, options, start.given, rank, store.port, threads) for rank in range(1, count)], at_end
        )
        at_end.callback(torch.set_num_threads, before)
        at_end.callback(_forget_group)
        at_end.callback(team.end)  # first: a group is not left while others listen
        try:
            team.await_ready()
            torch.set_num_threads(threads)
            ranks = join(device, 0, count, store)
            team.look_after()
            yield ranks
        except RuntimeError as error:
            is_of_others = isinstance(error, _EarlyEndError) or _is_of_the_network(error)
            lost = team.lost(_ENDING_S if is_of_others else 0.0)
            if lost is None:
                raise
            raise RunError(f"{lost}; {_remedy(start)}.") from error


class _EarlyEndError(RuntimeError):
    """A process ended before anything was learned together."""


class _Team:
    """The processes that this one has started."""

    def __init__(self, errands: Sequence[Errand], at_end: ExitStack) -> None:
        self._count = len(errands) + 1
        self._told: list[IO[bytes]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._over = Event()
        # what this process can import, the others can
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        for errand in errands:
            told = at_end.enter_context(closing(TemporaryFile()))  # noqa: SIM115 closed at the end of all
            # in a session of its own: Ctrl-C is for this process, which ends the others
            process = subprocess.Popen(
                [sys.executable, "-m", "kenpin.training.follower"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                env=environment,
                start_new_session=True,
            )
            self._processes.append(process)
            self._told.append(told)
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # it has ended, and is told of below
                process.stdin.write(pickle.dumps(errand))
                process.stdin.flush()  # and stays open: a process whose starter is gone ends, too

    def await_ready(self) -> None:
        """Wait until all have read what is to be learned. Raises RuntimeError where one ended
        before."""
        for process in self._processes:
            assert process.stdout is not None
            if process.stdout.readline() != READY:
                raise _EarlyEndError("a process ended before it joined the others")

    def look_after(self) -> None:
        """Break off what this process exchanges with one that is gone: gloo notices by itself, NCCL would wait."""
        if torch.distributed.get_backend() != "gloo":
            Thread(target=self._look_after, daemon=True).start()

    def _look_after(self) -> None:
        while not self._over.wait(_LOOKED_S):
            if any(process.poll() for process in self._processes):
                group: Any = torch.distributed.group.WORLD
                with suppress(RuntimeError):  # it may be over just now
                    group.abort()
                return

    def lost(self, patience_s: float) -> str | None:
        """Which process ended and why, for a sentence; None where none has within so many seconds."""
        until = time.monotonic() + patience_s
        while True:
            for rank, (process, told) in enumerate(zip(self._processes, self._told, strict=True), start=1):
                if process.poll():
                    return f"process {rank} of {self._count} ended ({_why(process, told)})"
            if time.monotonic() >= until:
                return None
            time.sleep(0.05)

    def end(self) -> None:
        """End those that are still there, when they had a moment to end by themselves."""
        self._over.set()
        in_peace = sys.exc_info()[0] is None
        for process in self._processes:
            if in_peace:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_ENDING_S)
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # what was not written to a process that is gone
                    if pipe is not None:
                        pipe.close()


def _why(process: subprocess.Popen[bytes], told: IO[bytes]) -> str:
    if process.returncode < 0:
        return f"killed by {Signals(-process.returncode).name}"
    told.seek(0)
    lines = told.read().decode("utf-8", "replace").strip().splitlines()
    # torch writes the rank before each line of a traceback
    return re.sub(r"^\[rank\d+\]: ", "", lines[-1]).rstrip(".") if lines else f"exit status {process.returncode}"


def _remedy(start: Start) -> str:
    if has_learned(partial_folder(start.options.out)):
        return "the training is where its last checkpoint was: continue it with --resume"
    return "there was no checkpoint yet: start the training again"


def _is_of_the_network(error: RuntimeError) -> bool:
    """Whether it tells of a process that is gone, as far as that can be seen: gloo's errors have no class."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower()


def _forget_group() -> None:
    if torch.distributed.is_initialized():
        with suppress(RuntimeError):
            torch.distributed.destroy_process_group()
