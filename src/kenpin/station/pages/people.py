"""The page of people: accounts with their roles, which somebody who administers the station adds and changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from kenpin.errors import OptionError
from kenpin.station.clock import now_us
from kenpin.station.pages.asking import PageAsked, asked_page, confirmed_page, door_of
from kenpin.station.pages.naming import right_names, role_names
from kenpin.station.running import NotThereError
from kenpin.station.trail import Trail
from kenpin.station.who.accounts import (
    Account,
    NewAccount,
    add_account,
    check_account_name,
    check_role,
    end_sessions,
    end_wait,
    list_accounts,
    set_disabled,
    set_display_name,
    set_role,
)
from kenpin.station.who.cookies import is_secure
from kenpin.station.who.links import make_link, open_links
from kenpin.station.who.machines import list_tokens
from kenpin.station.who.rights import RIGHTS_OF, TOKEN_RIGHTS, Person, Right, Role
from kenpin.station.who.secret import Secret, new_secret
from kenpin.station.who.sessions import count_sessions
from kenpin.station.who.tries import waits_until_us

ROUTER = APIRouter(include_in_schema=False)
_Text = Annotated[str, Form(max_length=1_000)]
Deed = Callable[[Connection, Trail, Person, str, str, int], object]
"""Changes the account of a name. Takes a transaction, the trail, who asks, the name, the form's value, the time."""
_DEEDS: dict[str, Deed] = {
    "role": lambda to, trail, who, name, value, now: set_role(to, trail, who, name, check_role(value), now),
    "display-name": lambda to, trail, who, name, value, now: set_display_name(to, trail, who, name, value, now),
    "disable": lambda to, trail, who, name, _, now: set_disabled(to, trail, who, name, True, now),
    "enable": lambda to, trail, who, name, _, now: set_disabled(to, trail, who, name, False, now),
    "sessions": lambda to, trail, who, name, *_: end_sessions(to, trail, who, name),
    "wait": lambda to, trail, who, name, *_: end_wait(to, trail, who, name),
}


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account, as the page shows it."""

    account: Account
    sessions: int
    """That are open."""
    seen_us: int | None
    """When the last of them was seen."""
    waits_until_us: int | None
    """When the next try to sign in is heard, after failed ones."""
    link_until_us: int | None
    """Until when a link lets its person choose the password."""


@ROUTER.get("/people")
def people_page(request: Request) -> HTMLResponse:
    """Who has an account and what for, and which programs have a token."""
    return show_people(asked_page(request, Right.ADMINISTER))


@ROUTER.post("/people/add")
def add_person(
    request: Request, name: _Text, role: _Text, display_name: _Text = "", password: _Text = "", again: _Text = ""
) -> Response:
    """Add an account; without a password, with a link by which its person chooses one."""
    asked, passwords = confirmed_page(request, Right.ADMINISTER), door_of(request).passwords
    station = asked.station
    try:
        check_account_name(name)  # before a hash is computed, which takes its time
        if password != again:
            raise OptionError("The two passwords differ; type them again.")
        # one that nobody knows, until the link is used
        hashed = passwords.hash(password, name) if password else passwords.hash_again(new_secret().text)
        new = NewAccount(name, check_role(role), hashed, display_name.strip())
        with station.store.writing() as connection:
            add_account(connection, station.trail, asked.who, new, now_us())
    except OptionError as error:
        return show_people(asked, f"{error}", 400, NewPerson(name, display_name, role))
    return RedirectResponse("/people", 303) if password else _with_link(asked, name)


@ROUTER.post("/people/change")
def change_person(request: Request, name: _Text, deed: _Text, value: _Text = "") -> Response:
    """Change an account, end its sessions, or make a link to it."""
    asked = confirmed_page(request, Right.ADMINISTER)
    station = asked.station
    try:
        if deed == "link":
            return _with_link(asked, name)
        if deed not in _DEEDS:
            raise NotThereError("there is no such change of an account.")
        with station.store.writing() as connection:
            _DEEDS[deed](connection, station.trail, asked.who, name, value, now_us())
    except OptionError as error:
        return show_people(asked, f"{error}", 400)
    return RedirectResponse("/people", 303)


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What was typed of an account that could not be added."""

    name: str = ""
    display_name: str = ""
    role: str = Role.REVIEWER.value


def show_people(
    asked: PageAsked, notice: str | None = None, status: int = 200, typed: NewPerson | None = None
) -> HTMLResponse:
    """The page. notice: why something was refused; typed: what is to stand in the form for another account."""
    words, now = asked.words, now_us()
    with asked.station.store.reading() as connection:
        people, tokens = _views(connection, now), list_tokens(connection)
    rights = right_names(words)
    return asked.answer(
        "people", "people", status, notice=notice, people=people, tokens=tokens, me=asked.who.name,
        is_confirmed=asked.is_confirmed, typed=typed or NewPerson(), roles=role_names(words), rights=rights,
        rights_of={role: [rights[one] for one in Right if one in RIGHTS_OF[role]] for role in Role},
        token_rights=[one for one in Right if one in TOKEN_RIGHTS & asked.who.rights],
    )  # fmt: skip


def _views(connection: Connection, now: int) -> Sequence[AccountView]:
    open_sessions, links = count_sessions(connection, now), open_links(connection, now)
    return [
        AccountView(one, count, seen_us, waits_until_us(connection, one.name, now), links.get(one.id))
        for one in list_accounts(connection)
        for count, seen_us in (open_sessions.get(one.id, (0, None)),)
    ]


def _with_link(asked: PageAsked, name: str) -> HTMLResponse:
    """The page that shows a link once. Raises OptionError."""
    station = asked.station
    with station.store.writing() as connection:
        secret = make_link(connection, station.trail, asked.who, name, now_us())
    return asked.answer("link_made", "people", name=name, link=_address(asked.request, secret))


def _address(request: Request, secret: Secret) -> str:
    """The link, by the name with which this browser reaches the station."""
    scheme = "https" if is_secure(request.scope) else "http"
    return f"{scheme}://{request.headers['host']}/link/{secret.text}"
