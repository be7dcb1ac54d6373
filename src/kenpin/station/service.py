"""The service: a station behind HTTP, until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from kenpin.errors import OptionError
from kenpin.runtime.engines import EngineName
from kenpin.station.api.app import create_app
from kenpin.station.clock import now_us
from kenpin.station.pages.app import add_pages
from kenpin.station.pages.entering import OF_DOOR
from kenpin.station.pages.set_up import SET_UP
from kenpin.station.running import Station
from kenpin.station.settings import StationSettings
from kenpin.station.who.door import Door
from kenpin.station.who.first_start import listening_host, new_first_link
from kenpin.station.who.gate import guarded
from kenpin.station.who.origins import Hosts
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.patient_http import PatientHttp

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

Beside = Callable[[Station, str], AbstractContextManager[object]]
"""Entered with the station and its address once it listens, and left before it ends."""
_FORM_BYTES, _DOOR_BYTES = 1024 * 1024, 32 * 1024
_ENDS_S = 5  # for answers that are being sent, when it is told to stop
_KEPT_ALIVE_S = 30
_MOST_CONNECTIONS = 512


def serve(
    folder: Path,
    settings: StationSettings,
    say: Callable[[str], None],
    *,
    device: str | None = None,
    engine: EngineName = "auto",
    beside: Beside | None = None,
) -> None:
    """Run a station until SIGTERM or Ctrl-C; what waits then is judged and recorded.

    say: called with the address, and at the first start with the link that makes the first account; beside: what goes
    on beside it. Raises OptionError, RunError, OutputError, StoreError, MissingExtraError, OSError.
    """
    # BLAS's threads busy-wait for their next product, and the charts' small ones would take both cores from the lines
    with (
        threadpool_limits(limits=1, user_api="blas"),
        Station(folder, settings, device=device, engine=engine) as station,
    ):
        with station.store.writing() as connection:
            host = listening_host(connection, settings.host)
            secret = new_first_link(connection, now_us())
        with listening_at(host, settings.port) as listener:
            address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
            say(f"Station: {address}")
            if secret is not None:
                say(f"First account: {address}/first/{secret.text} (works once, within an hour)")
            with nullcontext() if beside is None else beside(station, address):
                _run(gate(station, host), listener)


def gate(station: Station, host: str) -> ASGIApp:
    """A station's interface and pages behind all guards. host: where it listens."""
    app = create_app(station)
    door = Door(station.store.reading, station.store.writing, station.trail, Passwords())
    add_pages(app, door)
    limits = station.settings.limits

    by_path = {
        "/api/v1/parts": limits.picture_bytes,
        "/api/v1/parts/views": limits.part_bytes,
        SET_UP: limits.upload_bytes,
    }

    def limit_bytes(scope: Scope) -> int:
        path = scope["path"]
        if path.startswith(OF_DOOR):  # anybody may send to these, and slowly
            return _DOOR_BYTES
        return by_path.get(path, _FORM_BYTES)

    settings = station.settings
    return guarded(app, door, Hosts.of(host, settings.hosts), limit_bytes, proxies=settings.proxies)


@contextmanager
def listening_at(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens, so that a port that is in use is told before anybody is told the address. Raises
    OptionError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named TCP: else asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()  # else a second one that starts at the same moment is told nothing
        except OSError as error:
            raise OptionError(
                f"address {host}, port {port}: cannot be listened at ({error.strerror}); choose others by `--host` and "
                "`--port`."
            ) from error
        yield listener


def _run(app: ASGIApp, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        http=PatientHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who is behind a proxy sets `hosts`; addresses in headers are anybody's word
        timeout_keep_alive=_KEPT_ALIVE_S,
        timeout_graceful_shutdown=_ENDS_S,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024,
    )
    with _ended_by_signals():
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """uvicorn ends at SIGTERM and Ctrl-C, and then sends itself the same signal, for whoever was there before: here
    nobody, as what waits is still to be judged."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
