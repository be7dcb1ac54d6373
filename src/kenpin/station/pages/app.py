"""The pages added to the application: their routes, their files, and errors as pages."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from kenpin.station.api.app import STATUS, refused
from kenpin.station.pages import assigning, entering, learn, looking, quality, reviewing, set_up
from kenpin.station.pages.asking import open_page
from kenpin.station.pages.rendering import STATIC
from kenpin.station.who.door import Door
from kenpin.station.who.rights import NotSignedInError


def add_pages(app: FastAPI, door: Door) -> None:
    """Add the pages to the interface's application."""
    app.state.door = door
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for module in (entering, looking, assigning, reviewing, quality, learn, set_up):
        app.include_router(module.ROUTER)
    for error in STATUS:
        app.add_exception_handler(error, _page_of)


def _page_of(request: Request, error: Exception) -> Response:
    """An error as a page, where a browser asked for one; whoever is not signed in is asked to."""
    answer = refused(request, error)
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return answer
    if isinstance(error, NotSignedInError) and request.method == "GET":
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?back={quote(back, safe='')}", 303)
    asked = open_page(request)
    page = asked.answer("refused", "", answer.status_code, sentence=f"{error}")
    if "retry-after" in answer.headers:
        page.headers["Retry-After"] = answer.headers["retry-after"]
    return page
