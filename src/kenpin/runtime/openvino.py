"""Networks on OpenVINO: several requests at a time, each with its own threads."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import OptionError
from kenpin.runtime.network import Outputs, PendingOutputs, Precision, Work

_HINTS = {"many": "THROUGHPUT", "single": "LATENCY"}
_SENDING = (
    "__init__", "start_session", "send_event", "send_error", "send_stack_trace", "end_session", "force_shutdown",
)  # fmt: skip
"""What its package of telemetry is asked to do."""
_FORMATS = {"fp32": "f32", "bf16": "bf16"}

T = TypeVar("T")


def load(file: Path, work: Work, threads: int | None, device: str | None, precision: Precision) -> OpenVinoNetwork:
    """The network of an `.xml` or `.onnx` file. Raises OptionError, RuntimeError."""
    return OpenVinoNetwork(compiled(file, work, threads, device, precision))


def compiled(file: Path, work: Work, threads: int | None, device: str | None, precision: Precision) -> Any:
    """The compiled model of a file. Raises OptionError, RuntimeError."""
    found, device = core(), device or "CPU"
    if device.split(".")[0] not in found.available_devices:
        known = ", ".join(found.available_devices)
        raise OptionError(f"device {device!r}: OpenVINO finds {known} on this machine. Name one of them.")
    # without the hint it takes bf16 by itself where the processor has it, and scores differ by 1e-3 to 1e-2
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": _HINTS[work],
        "INFERENCE_PRECISION_HINT": _FORMATS[precision],
    }
    if device == "CPU" and threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    return found.compile_model(found.read_model(file), device, settings)


def imported() -> Any:
    """The package. What it would send to its makers about its use, on import and at each conversion, is not sent: each
    message is also a fork of this process, which takes the longer the more memory it has."""
    telemetry: Any = sys.modules.setdefault("openvino_telemetry", cast(Any, None))  # it then does without
    if telemetry is not None:  # another has imported it before
        for name in _SENDING:
            setattr(telemetry.Telemetry, name, _nothing)
    import openvino

    return openvino


def _nothing(*_: Any, **__: Any) -> None:
    """In place of what sends."""


@cache
def core() -> Any:
    """The one Core of this process, which stays: see `apart` for what others leave behind."""
    return imported().Core()


def apart(work: Callable[[], T]) -> T:
    """Do on a thread that no signal comes to what makes Cores of its own, as NNCF does.

    A Core's CPU plugin sets the signal stack of the thread that it is made on, frees it with itself, and puts back the
    one before. Where two do not go in the opposite order of their coming, the thread keeps a freed one, and the next
    signal ends the process without a word.
    """
    found: Future[T] = Future()

    def do() -> None:
        if sys.platform != "win32":  # Windows has neither these signals nor their stacks
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            found.set_result(work())
        except BaseException as error:  # noqa: BLE001 the caller's to see, whatever it is
            found.set_exception(error)

    thread = Thread(target=do, name="apart")
    thread.start()
    try:
        return found.result()
    except BaseException:
        if not found.done():  # Ctrl-C, which comes to the caller alone
            interrupted = ctypes.py_object(KeyboardInterrupt)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), interrupted)
        raise
    finally:
        thread.join()


class OpenVinoNetwork:
    """A compiled network with as many requests as keep the device busy."""

    def __init__(self, compiled: Any) -> None:
        self.depth = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._names = tuple(output.get_any_name() for output in compiled.outputs)
        self._requests = [_Request(compiled.create_infer_request(), self._names) for _ in range(self.depth)]
        self._next = 0
        self._choosing = Lock()

    def submit(self, rows: NDArray[Any]) -> PendingOutputs:
        """Begin with a batch, from any thread; waits for the oldest one where all requests are busy."""
        with self._choosing:
            request = self._requests[self._next]
            self._next = (self._next + 1) % self.depth
        return request.start(rows)

    def __call__(self, rows: NDArray[Any]) -> Outputs:
        """The outputs of a batch."""
        return self.submit(rows).result()


class _Request:
    """One of a network's requests, which is used again and again."""

    def __init__(self, request: Any, names: tuple[str, ...]) -> None:
        self._request, self._names = request, names
        self._pending: _Pending | None = None
        self.lock = Lock()
        """Held while it is begun, and while its outputs are copied: another thread may want to begin anew."""

    def start(self, rows: NDArray[Any]) -> _Pending:
        rows = np.ascontiguousarray(rows)
        with self.lock:
            if self._pending is not None:
                self._pending.settle()  # its outputs lie in this request's memory
            self._request.start_async({0: rows}, share_inputs=True)
            self._pending = _Pending(self, rows)
            return self._pending

    def outputs(self) -> Outputs:
        self._request.wait()
        return {name: np.array(self._request.get_output_tensor(number).data) for number, name in enumerate(self._names)}


class _Pending:
    """The outputs of a batch that a request computes."""

    def __init__(self, request: _Request, rows: NDArray[Any]) -> None:
        self._request, self._rows = request, rows  # which is shared, and must live so long
        self._outputs: Outputs | RuntimeError | None = None

    def settle(self) -> None:
        """Take the outputs out of the request, whose lock the caller holds."""
        if self._outputs is None:
            try:
                self._outputs = self._request.outputs()
            except RuntimeError as error:
                self._outputs = error
            del self._rows

    def result(self) -> Outputs:
        with self._request.lock:
            self.settle()
        assert self._outputs is not None
        if isinstance(self._outputs, RuntimeError):
            raise self._outputs
        return self._outputs
