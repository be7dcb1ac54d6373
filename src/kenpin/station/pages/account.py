"""The page of one's own account: password, display name, language, and where one is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from kenpin.errors import OptionError
from kenpin.station.clock import now_us
from kenpin.station.pages.asking import PageAsked, asked_page, door_of
from kenpin.station.pages.entering import entered, own_address
from kenpin.station.pages.naming import right_names, role_names
from kenpin.station.running import NotThereError
from kenpin.station.who.accounts import end_sessions, find_account, set_display_name
from kenpin.station.who.cookies import no_session, session_of, visitor_of
from kenpin.station.who.door import SignInRefusedError
from kenpin.station.who.rights import Right
from kenpin.station.who.sessions import list_sessions

ROUTER = APIRouter(include_in_schema=False)
_Text = Annotated[str, Form(max_length=1_000)]


@ROUTER.get("/account")
def account_page(request: Request, done: str = "") -> HTMLResponse:
    """What one's account is, and where it is signed in. done: what was changed just now."""
    return _page(_asked(request), done=done)


@ROUTER.post("/account/password")
def change_password(request: Request, former: _Text, password: _Text, again: _Text) -> Response:
    """Take another password; all sessions end, and one with a new token begins here."""
    asked = _asked(request)
    try:
        if password != again:
            raise OptionError("The two passwords differ; type them again.")
        signed_in = door_of(request).change_password(asked.who, former, password, visitor_of(request.scope))
    except (OptionError, SignInRefusedError) as error:
        return _page(asked, f"{error}", 400)
    return entered(request, signed_in, "/account?done=password")


@ROUTER.post("/account/display-name")
def change_display_name(request: Request, display_name: _Text) -> Response:
    """Take another display name."""
    asked = _asked(request)
    try:
        with asked.station.store.writing() as connection:
            set_display_name(connection, asked.station.trail, asked.who, asked.who.name, display_name, now_us())
    except OptionError as error:
        return _page(asked, f"{error}", 400)
    return RedirectResponse("/account?done=display-name", 303)


@ROUTER.post("/account/sessions/end")
def end_session(request: Request, session: _Text) -> Response:
    """Sign out elsewhere."""
    asked = _asked(request)
    door_of(request).end_other(asked.who, session)  # one that has ended by itself is what was asked for
    return RedirectResponse("/account?done=session", 303)


@ROUTER.post("/account/sign-out-everywhere")
def sign_out_everywhere(request: Request) -> Response:
    """Sign out here and everywhere else."""
    asked = _asked(request)
    with asked.station.store.writing() as connection:
        end_sessions(connection, asked.station.trail, asked.who, asked.who.name)
    answer = RedirectResponse("/sign-in", 303)
    answer.headers.append("Set-Cookie", no_session(request.scope))
    return answer


@ROUTER.get("/confirm")
def confirm_page(request: Request, back: str = "/") -> HTMLResponse:
    """One's own password once more."""
    return _asked(request).answer("confirm", "", error=None, back=own_address(back))


@ROUTER.post("/confirm")
def confirm(request: Request, password: _Text, back: _Text = "/") -> Response:
    """Hear one's own password once more, and go on."""
    asked, session = _asked(request), session_of(request.scope)
    if session is None:
        raise NotThereError("a token has no password.")
    try:
        door_of(request).confirm(asked.who, password, session, visitor_of(request.scope))
    except SignInRefusedError as error:
        return asked.answer("confirm", "", 400, error=f"{error}", back=own_address(back))
    return RedirectResponse(own_address(back), 303)


def _asked(request: Request) -> PageAsked:
    """The page of whoever is signed in with an account, whatever their rights. Raises NotSignedInError,
    NotThereError."""
    asked = asked_page(request, Right.LOOK)  # every role may look
    if asked.who.role is None:
        raise NotThereError("a token has no account.")
    return asked


def _page(asked: PageAsked, error: str | None = None, status: int = 200, done: str = "") -> HTMLResponse:
    words, own = asked.words, session_of(asked.request.scope)
    notices = {
        "password": words("You have another password; you are signed out everywhere else."),
        "display-name": words("You have another display name."),
        "session": words("You are signed out there."),
    }
    with asked.station.store.reading() as connection:
        account = find_account(connection, asked.who.name)
        if account is None:
            raise NotThereError("the account is gone.")
        sessions = list_sessions(connection, account.id, now_us())
    names = right_names(words)
    return asked.answer(
        "account", "account", status, error=error, notice=notices.get(done), account=account, sessions=sessions,
        here=None if own is None else own.hash, role=role_names(words)[account.role],
        rights=[names[one] for one in Right if one in asked.who.rights],
    )  # fmt: skip
