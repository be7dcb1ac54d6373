"""The pages added to the application: their routes, their files, and errors as pages."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from kenpin.station.api.app import HANDLED, headers_of, refused, sentence_of, status_of
from kenpin.station.pages import (
    account,
    assigning,
    entering,
    learn,
    looking,
    machine,
    people,
    programs,
    quality,
    reviewing,
    set_up,
    trail,
)
from kenpin.station.pages.asking import open_page
from kenpin.station.pages.rendering import STATIC
from kenpin.station.who.door import Door
from kenpin.station.who.rights import NotConfirmedError, NotSignedInError

ROUTERS = tuple(
    module.ROUTER
    for module in (
        entering,
        looking,
        assigning,
        reviewing,
        quality,
        learn,
        set_up,
        machine,
        people,
        programs,
        account,
        trail,
    )
)
"""The routes of all pages and of what they send."""


def add_pages(app: FastAPI, door: Door) -> None:
    """Add the pages to the interface's application."""
    app.state.door = door
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for router in ROUTERS:
        app.include_router(router)
    for error in HANDLED:
        app.add_exception_handler(error, _page_of)


async def _page_of(request: Request, error: Exception) -> Response:
    """An error as a page, where a browser asked for one; whoever is not signed in is asked to."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return await refused(request, error)
    if isinstance(error, NotSignedInError) and request.method == "GET":
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?back={quote(back, safe='')}", 303)
    if isinstance(error, NotConfirmedError):
        screen = "/" + request.url.path.split("/")[1]
        return RedirectResponse(f"/confirm?back={quote(screen, safe='')}", 303)
    return await run_in_threadpool(_page, request, error)


def _page(request: Request, error: Exception) -> Response:
    page = open_page(request).answer("refused", "", status_of(error), sentence=sentence_of(request, error))
    page.headers.update(headers_of(error))
    return page
