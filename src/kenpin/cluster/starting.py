"""A cluster of Ray: one of this machine's own, started small and removed at the end, or one that is there."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from kenpin.errors import MissingExtraError, OptionError, first_line
from kenpin.installing import installing

LOCAL = "local"
STORE_BYTES = 256 * 1024**2
"""Memory of a local cluster's store of objects: what goes through it are lists of pictures, and no pictures."""
_LOOPBACK = "127.0.0.1"
"""Where a cluster of this machine alone listens."""
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}


@dataclass(frozen=True)
class Cluster:
    """A cluster that is connected to."""

    address: str
    workers: int
    """Processes that work at the same time, each on one core."""


@contextmanager
def cluster_at(address: str, workers: int | None = None) -> Iterator[Cluster]:
    """A cluster to work on until the context ends.

    address: `local`, a cluster of this machine alone, which is started here with a store of 256 MiB, without a page and
    without reports to anyone, and whose files are removed at the end; or that of one that is there, such as
    10.0.0.7:6379. workers: processes; None: one for each core that the cluster has. Raises OptionError,
    MissingExtraError.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError(f"option `cluster` needs the package ray: {installing('cluster')}") from error
    if workers is not None and workers < 1:
        raise OptionError(f"option `workers` is {workers}; give 1 or more.")
    if ray.is_initialized():  # by whoever calls: theirs, and it stays
        yield _of(address, workers)
        return
    # short, since the names of sockets in it may have 107 letters
    folder = tempfile.mkdtemp(prefix="kp-ray-", dir="/tmp" if sys.platform != "win32" else None)
    before = {name: os.environ.get(name) for name in _SETTINGS}
    os.environ.update(_SETTINGS)
    try:
        try:
            with _silent_stderr(), _loopback_kept() if address == LOCAL else nullcontext():
                ray.init(**_how(address, workers, folder))
        except (OSError, RuntimeError, ValueError) as error:
            raise OptionError(
                f"option `cluster` {address}: no cluster of Ray can be reached or started ({first_line(error)}); give "
                "local, or the address that `ray start --head` told."
            ) from error
        yield _of(address, workers)
    finally:
        with suppress(Exception):  # a cluster that is gone already
            ray.shutdown()
        _restore(before)
        shutil.rmtree(folder, ignore_errors=True)


def _how(address: str, workers: int | None, folder: str) -> dict[str, Any]:
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    if address != LOCAL:
        return {"address": address, **quiet}
    return {
        "address": LOCAL,
        "num_cpus": workers or _cores(),
        "num_gpus": None,
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
        "_node_ip_address": _LOOPBACK,
        "_temp_dir": folder,
        **quiet,
    }


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _of(address: str, workers: int | None) -> Cluster:
    import ray
    import ray.data

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():  # it sets its own deprecated settings
        warnings.simplefilter("ignore")
        context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    cores = int(ray.cluster_resources().get("CPU", 1))
    return Cluster(address, min(workers or cores, cores))


@contextmanager
def _loopback_kept() -> Iterator[None]:
    """Ray starts on loopback where it is told so: it would put the machine's own address in its place, and its programs
    listen on all addresses unless theirs is loopback. No option of Ray says so (2.60)."""
    from ray._private import services

    resolve = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = str
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """What Ray's own programs say while they start goes nowhere; its errors are raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
