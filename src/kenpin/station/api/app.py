"""The interface as an application: its routes, and errors as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from kenpin.errors import KenpinError, OptionError, OutputError
from kenpin.station.api import health, parts, quality
from kenpin.station.arrival import LineFullError, LineStoppedError
from kenpin.station.running import NotThereError, Station
from kenpin.station.store.opening import StoreError
from kenpin.station.who.passwords import BusyError
from kenpin.station.who.rights import NotAllowedError, NotSignedInError

STATUS: Mapping[type[KenpinError], int] = {
    NotSignedInError: 401,
    NotAllowedError: 403,
    NotThereError: 404,
    OptionError: 400,
    LineFullError: 429,
    LineStoppedError: 503,
    BusyError: 503,
    StoreError: 503,
    OutputError: 507,
    KenpinError: 500,
}


def create_app(station: Station) -> FastAPI:
    """The interface of a station, without the gate."""
    app = FastAPI(
        title="kenpin station",
        version=version("kenpin"),
        description="Parts in, records out. Sign in, or send a token as `Authorization: Bearer TOKEN`.",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.station = station
    app.include_router(parts.ROUTER, tags=["parts"])
    app.include_router(quality.ROUTER, tags=["quality"])
    app.include_router(health.ROUTER)
    for error in STATUS:
        app.add_exception_handler(error, refused)
    return app


def refused(_: Request, error: Exception) -> Response:
    """An error that kenpin raises on purpose, as its status and its sentence."""
    status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
    wait_s = getattr(error, "retry_after_s", None)
    headers = {} if wait_s is None else {"Retry-After": f"{max(1, round(wait_s))}"}
    return JSONResponse({"error": f"{error}"}, status, headers)
