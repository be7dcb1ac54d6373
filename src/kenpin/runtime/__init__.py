"""Runtime: frozen networks on OpenVINO or ONNX Runtime; it works without torch."""

from kenpin.runtime.engines import ENGINE_OF_AUTO, ENGINES, EngineName, chosen_engine, version_of
from kenpin.runtime.network import Network, PendingOutputs, at_once, load_network

__all__ = [
    "ENGINES",
    "ENGINE_OF_AUTO",
    "EngineName",
    "Network",
    "PendingOutputs",
    "at_once",
    "chosen_engine",
    "load_network",
    "version_of",
]
