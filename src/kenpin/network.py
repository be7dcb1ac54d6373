"""The network before it is needed: whether a server answers at all, known within seconds and not minutes."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from threading import Thread
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kenpin.errors import DownloadError
from kenpin.visible import short

_PATIENCE_S = 5.0
_HUB = "https://huggingface.co"
_PORTS = {"http": 80, "https": 443}
_YES = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads its variables


def why_silent(url: str, patience_s: float = _PATIENCE_S) -> str | None:
    """Why the server of this address, or the proxy to it, takes no connection in that time; None where it takes one.

    Names are looked up in that time, too. Nothing is sent.
    """
    server = urlsplit(url)
    proxy = getproxies().get(server.scheme)
    if proxy and not proxy_bypass(server.hostname or ""):
        server = urlsplit(proxy if "://" in proxy else f"//{proxy}", "http")
    place = server.hostname or "", server.port or _PORTS.get(server.scheme, 443)
    ended: list[str | None] = []

    def connect() -> None:
        try:
            socket.create_connection(place, patience_s).close()
            ended.append(None)
        except OSError as error:
            ended.append(error.strerror or str(error))

    # a thread of its own, since no time limit holds for looking up a name
    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(patience_s)
    return ended[0] if ended else f"no answer in {patience_s:.0f} seconds"


def is_offline() -> bool:
    """Whether the hub's library is told to ask nobody."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in _YES


def check_hub(id: str, kind: Literal["models", "datasets"]) -> None:
    """Refuse soon what the Hugging Face hub would have to give where it does not answer, and nothing of it was kept.

    Raises DownloadError.
    """
    if is_offline():
        return  # its library looks for what was kept alone, and says so
    hub = os.environ.get("HF_ENDPOINT") or _HUB
    if (reason := why_silent(hub)) is None:
        return
    name = short(id)
    if not _is_kept(id, kind):
        raise DownloadError(
            f"{name}: there is no such file or folder, and {hub} does not answer ({reason}); correct the path, or "
            "connect to the network."
        )
    logging.getLogger("kenpin").warning(
        "%s: %s does not answer; taking what was downloaded before. HF_HUB_OFFLINE=1 saves the waiting.", name, hub
    )


def _is_kept(id: str, kind: str) -> bool:
    """Whether an earlier download of any revision may be there."""
    from huggingface_hub import constants

    name = id.partition("@")[0].replace("/", "--")
    kept = [Path(constants.HF_HUB_CACHE, f"{kind}--{name}")]
    if kind == "datasets":
        tables = os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME, "datasets")
        kept.append(Path(tables, id.partition("@")[0].replace("/", "___").lower()))
    return any(folder.exists() for folder in kept)
