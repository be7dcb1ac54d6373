"""Engines: the programs that compute a frozen network, by name, as far as they are installed."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, get_args

from kenpin.errors import MissingExtraError, OptionError
from kenpin.installing import installing
from kenpin.nearest import did_you_mean

EngineName = Literal["auto", "torch", "openvino", "onnx"]
ENGINES: tuple[str, ...] = get_args(EngineName)
ENGINE_OF_AUTO = "KENPIN_ENGINE"
"""Environment variable: the engine that `auto` takes on this machine."""
PACKAGES = {"torch": "torch", "openvino": "openvino", "onnx": "onnxruntime"}
"""Package of each engine."""
_PREFERRED = ("openvino", "onnx", "torch")
_PAYS = 128
"""Pictures from which on it pays to convert a network for a training: on so many an engine saves the time that the
conversion takes, of Lite0 and of what sees the picture in a small Florence-2 alike."""


def chosen_engine(wanted: str, pictures: int | None = None) -> str:
    """The engine itself; of `auto` the first that is installed: openvino, onnx, torch.

    pictures: that a training has, where the network is needed for these alone; of few `auto` takes torch. Raises
    OptionError for an unknown name, MissingExtraError where the engine is not installed.
    """
    if wanted == "auto":
        wanted = os.environ.get(ENGINE_OF_AUTO) or "auto"
    if wanted not in ENGINES:
        raise OptionError(f"option `engine`: {wanted!r} is not known; {did_you_mean(wanted, ENGINES)}")
    if wanted == "auto":
        if pictures is not None and pictures < _PAYS and version_of("torch") is not None:
            return "torch"
        return next((name for name in _PREFERRED if version_of(name) is not None), "torch")
    if version_of(wanted) is None:
        extra = "train" if wanted == "torch" else wanted
        raise MissingExtraError(f"the engine {wanted} is not installed: {installing(extra)}")
    return wanted


def version_of(engine: str) -> str | None:
    """The version of an engine's package; None where it is not installed."""
    try:
        return version(PACKAGES[engine])
    except PackageNotFoundError:
        return None
