"""Tokens of programs, on the page of people: made, shown once, and revoked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from kenpin.errors import OptionError
from kenpin.station.clock import now_us
from kenpin.station.pages.asking import confirmed_page
from kenpin.station.pages.people import show_people
from kenpin.station.who.machines import make_token, revoke_token
from kenpin.station.who.rights import Right

ROUTER = APIRouter(include_in_schema=False)
_Text = Annotated[str, Form(max_length=1_000)]


@ROUTER.post("/people/tokens/make")
def make_program_token(request: Request, name: _Text, rights: Annotated[list[str] | None, Form()] = None) -> Response:
    """Make a token, and show its secret, which nobody can see again."""
    asked = confirmed_page(request, Right.ADMINISTER)
    station = asked.station
    try:
        with station.store.writing() as connection:
            secret = make_token(connection, station.trail, asked.who, name, rights or (), now_us())
    except OptionError as error:
        return show_people(asked, f"{error}", 400)
    return asked.answer("token_made", "people", name=name, secret=secret.text)


@ROUTER.post("/people/tokens/revoke")
def revoke_program_token(request: Request, name: _Text) -> Response:
    """End a token for ever."""
    asked = confirmed_page(request, Right.ADMINISTER)
    station = asked.station
    try:
        with station.store.writing() as connection:
            revoke_token(connection, station.trail, asked.who, name, now_us())
    except OptionError as error:
        return show_people(asked, f"{error}", 400)
    return RedirectResponse("/people", 303)
