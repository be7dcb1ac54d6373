"""Networks of several inputs on an engine, computed while the caller waits."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kenpin.runtime.network import Precision

Arrays = list[NDArray[Any]]


class Calls(Protocol):
    """A network that is loaded on an engine."""

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        """Its outputs for its inputs, both in the order of the file. Raises RuntimeError where the engine failed."""


def load_calls(
    engine: str, file: Path, *, threads: int | None = None, device: str | None = None, precision: Precision = "fp32"
) -> Calls:
    """The network of a file on an engine, as `load_network` takes them. Raises OptionError, RuntimeError."""
    if engine == "openvino":
        from kenpin.runtime import openvino

        return _OpenVino(openvino.compiled(file, "single", threads, device, precision))
    from kenpin.runtime import onnx

    return _Onnx(onnx.session(file, threads, device, precision))


class _OpenVino:
    def __init__(self, compiled: Any) -> None:
        self._request, self._lock = compiled.create_infer_request(), Lock()
        self._count = len(compiled.outputs)

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        with self._lock:
            self._request.infer([np.ascontiguousarray(array) for array in inputs], share_inputs=True)
            return [np.array(self._request.get_output_tensor(number).data) for number in range(self._count)]


class _Onnx:
    def __init__(self, session: Any) -> None:
        self._session, self._names = session, [found.name for found in session.get_inputs()]

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        given = dict(zip(self._names, map(np.ascontiguousarray, inputs), strict=True))
        try:
            found: Arrays = self._session.run(None, given)
        except Exception as error:  # its exceptions have no common base but this one
            raise RuntimeError(str(error)) from error
        return found
