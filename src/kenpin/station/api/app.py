"""The interface as an application: its routes, and errors as sentences."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kenpin.errors import KenpinError, OptionError, OutputError
from kenpin.files import why_unwritable
from kenpin.station.api import health, parts, quality
from kenpin.station.api.streams import Streams, TooManyStreamsError
from kenpin.station.arrival import LineFullError, LineStoppedError
from kenpin.station.intake.decoding import DecoderBusyError
from kenpin.station.running import NotThereError, Station
from kenpin.station.store.opening import StoreError
from kenpin.station.who.bodies import BodyRefusedError
from kenpin.station.who.passwords import BusyError
from kenpin.station.who.rights import NotAllowedError, NotConfirmedError, NotSignedInError

_log = logging.getLogger(__name__)
STATUS: Mapping[type[KenpinError], int] = {
    NotSignedInError: 401,
    NotAllowedError: 403,
    NotConfirmedError: 403,
    BodyRefusedError: 413,
    NotThereError: 404,
    OptionError: 400,
    LineFullError: 429,
    TooManyStreamsError: 429,
    LineStoppedError: 503,
    BusyError: 503,
    DecoderBusyError: 503,
    StoreError: 503,
    OutputError: 507,
    KenpinError: 500,
}
"""Status of each error that is raised on purpose; of several that fit, the first."""
HANDLED: tuple[type[Exception], ...] = (*STATUS, HTTPException, RequestValidationError, OSError, Exception)
"""Errors that are answered in one sentence: all."""
_OF_SERVER = {
    400: "the request cannot be read; send it as the description of the interface says.",
    404: "there is nothing at this address.",
    405: "this cannot be done at this address in that way.",
}
_UNKNOWN = "the station could not do this; its log says why."


def create_app(station: Station) -> FastAPI:
    """The interface of a station, without the gate."""
    app = FastAPI(
        title="kenpin station",
        version=version("kenpin"),
        description="Parts in, records out. Sign in, or send a token as `Authorization: Bearer TOKEN`.",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,  # it would be to the scheme that the station hears, which is not the proxy's
    )
    app.state.station, app.state.streams = station, Streams()
    app.include_router(parts.ROUTER, tags=["parts"])
    app.include_router(quality.ROUTER, tags=["quality"])
    app.include_router(health.ROUTER)
    for error in HANDLED:
        app.add_exception_handler(error, refused)
    app.add_exception_handler(ClientDisconnect, _nobody)
    return app


async def refused(request: Request, error: Exception) -> Response:
    """An error as its status and one sentence as JSON."""
    return JSONResponse({"error": sentence_of(request, error)}, status_of(error), headers_of(error))


def headers_of(error: Exception) -> dict[str, str]:
    """Headers of the answer to an error."""
    wait_s = getattr(error, "retry_after_s", None)
    headers = {} if wait_s is None else {"Retry-After": f"{max(1, round(wait_s))}"}
    return headers | dict(error.headers or {}) if isinstance(error, HTTPException) else headers


def status_of(error: Exception) -> int:
    """The status that answers an error."""
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, RequestValidationError):
        return 422
    if isinstance(error, KenpinError):
        return next(status for kind, status in STATUS.items() if isinstance(error, kind))
    return 507 if why_unwritable(error) is not None else 500


def sentence_of(request: Request, error: Exception) -> str:
    """One sentence on an error, to be asked for once; whoever is not signed in is told nothing of the machine."""
    if isinstance(error, HTTPException):
        return _OF_SERVER.get(error.status_code, _UNKNOWN)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return f"`{first['loc'][-1]}`: {first['msg'][:1].lower()}{first['msg'][1:]}."
    if isinstance(error, KenpinError):
        is_somebody = request.scope.get("state", {}).get("person") is not None
        if is_somebody or status_of(error) < 500 or isinstance(error, BusyError):
            return _without_folder(request, f"{error}")
        _log.warning("%s", error)  # with names of files and servers, which nobody outside is told
    elif (why := why_unwritable(error)) is not None:
        _log.error("%s", error)
        return f"nothing was written: {why}"
    else:
        _log.exception("%s %s", request.method, request.url.path, exc_info=error)
    return _UNKNOWN


def _without_folder(request: Request, sentence: str) -> str:
    """The sentence with paths from the station's folder on: where that lies is nobody's business in a browser."""
    return sentence.replace(f"{request.app.state.station.folder.path}/", "")


async def _nobody(_: Request, __: Exception) -> Response:
    """The client is gone: nobody is answered, and it is no fault."""
    return Response(status_code=400)
