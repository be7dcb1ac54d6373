"""Networks on ONNX Runtime, a batch at a time, computed beside the caller."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import OptionError
from kenpin.runtime.network import Outputs, PendingOutputs, Precision


def load(file: Path, threads: int | None, device: str | None, precision: Precision) -> OnnxNetwork:
    """The network of an `.onnx` file. Raises OptionError, RuntimeError."""
    return OnnxNetwork(session(file, threads, device, precision))


def session(file: Path, threads: int | None, device: str | None, precision: Precision) -> Any:
    """The session of a file. Raises OptionError, RuntimeError."""
    import onnxruntime

    if precision != "fp32":
        raise OptionError(f"precision {precision}: ONNX Runtime computes in what the file holds; take openvino.")
    known = onnxruntime.get_available_providers()
    provider = device or "CPUExecutionProvider"
    if provider not in known:
        raise OptionError(f"device {provider!r}: ONNX Runtime has {', '.join(known)} on this machine. Name one.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone: its advice is for who makes the file
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=[provider])
    except Exception as error:  # its exceptions have no common base but this one
        raise RuntimeError(str(error)) from error


class OnnxNetwork:
    """A session, and a thread that waits for it."""

    depth = 2  # one is computed while the next is prepared

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._names = [output.name for output in session.get_outputs()]
        self._pool = ThreadPoolExecutor(1, "onnxruntime")

    def submit(self, rows: NDArray[Any]) -> PendingOutputs:
        """Begin with a batch."""
        pending: Future[Outputs] = self._pool.submit(self, rows)
        return pending

    def __call__(self, rows: NDArray[Any]) -> Outputs:
        """The outputs of a batch."""
        try:
            found = self._session.run(self._names, {self._input: np.ascontiguousarray(rows)})
        except Exception as error:
            raise RuntimeError(str(error)) from error
        return dict(zip(self._names, found, strict=True))
