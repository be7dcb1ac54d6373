"""OpenVINO's Cores: this process keeps one, and what makes others does it apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from threading import Event, current_thread, main_thread
from time import sleep
from traceback import extract_stack

import pytest

from kenpin.runtime.openvino import apart

# not imported here: what imports it without `imported` would let it send messages
pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")

_TWO_CORES = textwrap.dedent(
    """
    import signal, sys
    import numpy as np
    from kenpin.runtime.openvino import apart, core, imported
    from tests.signal_stacks import is_sound

    def two_cores():
        openvino = imported()
        rows = openvino.opset13.parameter([1, 3], np.float32)
        model = openvino.Model([openvino.opset13.relu(rows)], [rows])
        first, second = (openvino.Core().compile_model(model, "CPU", {}) for _ in range(2))
        del first
        del second

    core().available_devices
    apart(two_cores) if sys.argv[1] == "apart" else two_cores()
    print(is_sound(), flush=True)
    signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
    signal.raise_signal(signal.SIGUSR1)
    """
)


def _said(where: str) -> str:
    return subprocess.run([sys.executable, "-c", _TWO_CORES, where], capture_output=True, text=True).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the signal stack is Linux's")
def test_signals_are_heard_after_others_cores_went() -> None:
    assert _said("apart").split() == ["True", "heard"]
    if "True" in _said("here"):
        pytest.skip("this OpenVINO leaves no freed signal stack behind: `apart` is no longer needed")


def test_apart_gives_what_the_work_gives() -> None:
    assert apart(lambda: current_thread() is main_thread()) is False
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 / 0)


def _calls_of_the_main_thread() -> list[str]:
    return [frame.name for frame in extract_stack(sys._current_frames()[main_thread().ident or 0])]


@pytest.fixture
def _hears_ctrl_c() -> Iterator[None]:
    """What a shell starts in the background ignores it, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_hears_ctrl_c")
def test_ctrl_c_ends_work_that_is_done_apart() -> None:
    ended = Event()

    def work() -> None:
        try:
            while "result" not in _calls_of_the_main_thread():
                sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)  # comes to the main thread: this one hears none
            while True:
                sleep(0.01)
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        apart(work)
    assert ended.is_set()
