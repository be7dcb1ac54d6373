"""Pages of the door: signing in and out, the first account, the language."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from kenpin.errors import OptionError
from kenpin.station.clock import now_us
from kenpin.station.pages.asking import LANGUAGE_COOKIE, open_page
from kenpin.station.who.accounts import check_language, set_language
from kenpin.station.who.cookies import cookies_of, no_session, session_of, visitor_of
from kenpin.station.who.door import Door, SignInRefusedError
from kenpin.station.who.first_start import check_first_link, make_first_account
from kenpin.station.who.rights import NotSignedInError
from kenpin.station.who.secret import Secret

ROUTER = APIRouter(include_in_schema=False)
OF_DOOR = ("/sign-in", "/sign-out", "/language", "/first/", "/link/")
"""Beginnings of addresses that take something from anybody."""
_YEAR_S = 365 * 24 * 3600
_Text = Annotated[str, Form(max_length=1_000)]


@ROUTER.get("/sign-in")
def sign_in_page(request: Request, back: str = "/") -> Response:
    """Who are you?"""
    asked = open_page(request)
    if asked.person is not None:
        return RedirectResponse(_own(back), 303)
    return asked.answer("sign_in", "", error=None, name="", back=_own(back))


@ROUTER.post("/sign-in")
def sign_in(request: Request, name: _Text, password: _Text, back: _Text = "/") -> Response:
    """Begin a session, or say that it is refused."""
    asked, door = open_page(request), _door(request)
    try:
        signed_in = door.sign_in(name, password, visitor_of(request.scope), session_of(request.scope))
    except SignInRefusedError as refusal:
        answer = asked.answer("sign_in", "", 401, error=f"{refusal}", name=name, back=_own(back))
        if refusal.retry_after_s is not None:
            answer.status_code = 429
            answer.headers["Retry-After"] = f"{refusal.retry_after_s}"
        return answer
    return _entered(request, signed_in_cookies=cookies_of(request.scope, signed_in), back=_own(back))


@ROUTER.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the session."""
    session = session_of(request.scope)
    if session is not None:
        with suppress(NotSignedInError):  # it has ended, which is what was asked for
            _door(request).sign_out(session)
    answer = RedirectResponse("/sign-in", 303)
    answer.headers.append("Set-Cookie", no_session(request.scope))
    return answer


@ROUTER.get("/first/{secret}")
def first_account_page(request: Request, secret: str) -> HTMLResponse:
    """Make the first account, by the link that the first start printed."""
    asked = open_page(request)
    with asked.station.store.reading() as connection:
        check_first_link(connection, Secret(secret), now_us())
    return asked.answer("first_account", "", error=None, name="")


@ROUTER.post("/first/{secret}")
def first_account(request: Request, secret: str, name: _Text, password: _Text, again: _Text) -> Response:
    """Make the first account, and sign in."""
    asked, door, station = open_page(request), _door(request), request.app.state.station
    with station.store.reading() as connection:
        check_first_link(connection, Secret(secret), now_us())  # else anybody could make it compute hashes
    try:
        if password != again:
            raise OptionError(asked.words("The two passwords differ; type them again."))
        hashed = door.passwords.hash(password, name)
        with station.store.writing() as connection:
            make_first_account(connection, station.trail, Secret(secret), name, hashed, now_us())
    except OptionError as error:
        return asked.answer("first_account", "", 400, error=f"{error}", name=name)
    signed_in = door.sign_in(name, password, visitor_of(request.scope))
    return _entered(request, signed_in_cookies=cookies_of(request.scope, signed_in), back="/")


@ROUTER.post("/language")
def choose_language(request: Request, language: _Text, back: _Text = "/") -> Response:
    """Take another language, for this person or this browser."""
    asked = open_page(request)
    chosen = check_language(language)
    person = asked.person
    if person is not None and person.role is not None and person.language != chosen:
        with asked.station.store.writing() as connection:
            set_language(connection, asked.station.trail, person, person.name, chosen, now_us())
    answer = RedirectResponse(_own(back), 303)
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_S, httponly=True, samesite="lax")
    return answer


def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


def _entered(request: Request, *, signed_in_cookies: tuple[str, str], back: str) -> Response:
    answer = RedirectResponse(back, 303)
    for cookie in signed_in_cookies:
        answer.headers.append("Set-Cookie", cookie)
    return answer


def _own(back: str) -> str:
    """An address of this station: one of another site, which a link could have put there, becomes the first page."""
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) and "\\" not in back else "/"
