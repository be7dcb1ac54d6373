"""A process that a training has started beside its own: `python -m kenpin.training.follower`, told by its input."""

from __future__ import annotations

import os
import pickle
import sys
from threading import Thread

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from kenpin.errors import KenpinError
from kenpin.files import partial_folder
from kenpin.training.launching import READY, Errand
from kenpin.training.learning import follow
from kenpin.training.processes import device_for, join
from kenpin.training.start import begin


def _end_with_starter() -> None:
    """Input ends when the process that started this one is gone, however it went."""
    os.read(sys.stdin.fileno(), 1)  # not through the buffer, whose lock would be held when this process ends
    os._exit(1)


def main() -> int:
    """Take part in a training; its exit status, and why it failed on standard error."""
    # written by the process that started this one, into a pipe that nobody else has
    errand: Errand = pickle.load(sys.stdin.buffer)
    answer, sys.stdout = sys.stdout.buffer, sys.stderr  # what a library prints is no answer
    Thread(target=_end_with_starter, daemon=True).start()
    options, world_size = errand.options, errand.options.processes
    try:
        device = device_for(options.device, errand.rank, world_size)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        torch.set_num_threads(errand.threads)
        start = begin(errand.family, options, errand.dataset, {}).without_copies()
        answer.write(READY)
        answer.flush()
        store = TCPStore("127.0.0.1", errand.port, world_size, is_master=False)
        ranks = join(device, errand.rank, world_size, store)
        ranks.wait()
        follow(start, partial_folder(options.out), ranks)
        ranks.leave()
    except KenpinError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
