"""Pages of the door: signing in and out, the first account, the language."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from kenpin.errors import OptionError
from kenpin.station.clock import now_us
from kenpin.station.pages.asking import LANGUAGE_COOKIE, door_of, open_page
from kenpin.station.who.accounts import check_language, set_language
from kenpin.station.who.cookies import cookies_of, no_session, session_of, visitor_of
from kenpin.station.who.door import SignedIn, SignInRefusedError
from kenpin.station.who.first_start import check_first_link, make_first_account
from kenpin.station.who.links import account_of_link, use_link
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
        return RedirectResponse(own_address(back), 303)
    return asked.answer("sign_in", "", error=None, name="", back=own_address(back))


@ROUTER.post("/sign-in")
def sign_in(request: Request, name: _Text, password: _Text, back: _Text = "/") -> Response:
    """Begin a session, or say that it is refused."""
    asked, door = open_page(request), door_of(request)
    try:
        signed_in = door.sign_in(name, password, visitor_of(request.scope), session_of(request.scope))
    except SignInRefusedError as refusal:
        answer = asked.answer("sign_in", "", 401, error=f"{refusal}", name=name, back=own_address(back))
        if refusal.retry_after_s is not None:
            answer.status_code = 429
            answer.headers["Retry-After"] = f"{refusal.retry_after_s}"
        return answer
    return entered(request, signed_in, own_address(back))


@ROUTER.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the session."""
    session = session_of(request.scope)
    if session is not None:
        with suppress(NotSignedInError):  # it has ended, which is what was asked for
            door_of(request).sign_out(session)
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
    asked, door, station = open_page(request), door_of(request), request.app.state.station
    with station.store.reading() as connection:
        check_first_link(connection, Secret(secret), now_us())  # else anybody could make it compute hashes
    try:
        if password != again:
            raise OptionError("The two passwords differ; type them again.")
        hashed = door.passwords.hash(password, name)
        with station.store.writing() as connection:
            make_first_account(connection, station.trail, Secret(secret), name, hashed, now_us())
    except OptionError as error:
        return asked.answer("first_account", "", 400, error=f"{error}", name=name)
    signed_in = door.sign_in(name, password, visitor_of(request.scope))
    return entered(request, signed_in, "/")


@ROUTER.get("/link/{secret}")
def link_page(request: Request, secret: str) -> HTMLResponse:
    """Choose the password of an account that somebody made."""
    asked = open_page(request)
    with asked.station.store.reading() as connection:
        account = account_of_link(connection, Secret(secret), now_us())
    return asked.answer("link", "", error=None, account=account)


@ROUTER.post("/link/{secret}")
def use_account_link(request: Request, secret: str, password: _Text, again: _Text) -> Response:
    """Take the chosen password, and sign in."""
    asked, door, station = open_page(request), door_of(request), request.app.state.station
    with station.store.reading() as connection:
        account = account_of_link(connection, Secret(secret), now_us())  # else anybody could make it compute hashes
    try:
        if password != again:
            raise OptionError("The two passwords differ; type them again.")
        hashed = door.passwords.hash(password, account.name)
        with station.store.writing() as connection:
            use_link(connection, station.trail, Secret(secret), hashed, now_us())
        signed_in = door.sign_in(account.name, password, visitor_of(request.scope), session_of(request.scope))
    except OptionError as error:
        return asked.answer("link", "", 400, error=f"{error}", account=account)
    except SignInRefusedError:  # too many tries from this address; the password is chosen
        return RedirectResponse("/sign-in", 303)
    return entered(request, signed_in, "/")


@ROUTER.post("/language")
def choose_language(request: Request, language: _Text, back: _Text = "/") -> Response:
    """Take another language, for this person or this browser."""
    asked = open_page(request)
    chosen = check_language(language)
    person = asked.person
    if person is not None and person.role is not None and person.language != chosen:
        with asked.station.store.writing() as connection:
            set_language(connection, asked.station.trail, person, person.name, chosen, now_us())
    answer = RedirectResponse(own_address(back), 303)
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_S, httponly=True, samesite="lax")
    return answer


def entered(request: Request, signed_in: SignedIn, back: str) -> Response:
    """The answer to whoever signed in just now, who goes on at an address."""
    answer = RedirectResponse(back, 303)
    for cookie in cookies_of(request.scope, signed_in):
        answer.headers.append("Set-Cookie", cookie)
    return answer


def own_address(back: str) -> str:
    """An address of this station: one of another site, which a link could have put there, becomes the first page."""
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) and "\\" not in back else "/"
