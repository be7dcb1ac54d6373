"""What every page needs of its request: the person, the language, the product, and the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, get_args

from fastapi import Request
from fastapi.responses import HTMLResponse

from kenpin.errors import OptionError
from kenpin.station.clock import now_us
from kenpin.station.folder import NO_VERSION, UNASSIGNED
from kenpin.station.pages.rendering import render
from kenpin.station.pages.shell import Choice, Shell, screens
from kenpin.station.running import Station
from kenpin.station.standstills import hindered
from kenpin.station.store.queries import PartRow
from kenpin.station.who.door import Door
from kenpin.station.who.identity import person_with
from kenpin.station.who.rights import NotConfirmedError, Person, Right
from kenpin.station.who.secret import Secret
from kenpin.words import Language, Texts

LANGUAGE_COOKIE = "kenpin-language"


@dataclass(frozen=True, slots=True)
class PageAsked:
    """A page that is asked for."""

    request: Request
    station: Station
    person: Person | None
    language: Language
    product: str
    """Empty where the station has none."""

    @property
    def words(self) -> Texts:
        """The texts of its language."""
        return Texts(self.language)

    @property
    def who(self) -> Person:
        """The person, of a page that `asked_page` gave."""
        assert self.person is not None
        return self.person

    def answer(self, template: str, screen: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page."""
        return HTMLResponse(render(template, self.language, shell=self.shell(screen), **values), status)

    @property
    def is_confirmed(self) -> bool:
        """Whether the person typed their password lately."""
        session: Secret | None = self.request.scope["state"]["session"]
        return session is not None and door_of(self.request).is_confirmed(session)

    def assignable(self, part: PartRow) -> list[Choice]:
        """The products that a part can be assigned to by this person; none where one judged it, or it is settled."""
        if part.version != NO_VERSION or part.settled_verdict is not None or Right.REVIEW not in self.who.rights:
            return []
        return [choice for choice in self._choices() if choice.name not in (UNASSIGNED, part.product)]

    def _choices(self) -> list[Choice]:
        """All products with their names in words."""
        unassigned = self.words("Product unknown")
        return [
            Choice(name, unassigned if name == UNASSIGNED else one.title or name)
            for name, one in self.station.products.items()
        ]

    def shell(self, screen: str) -> Shell:
        """The frame."""
        url = self.request.url
        here = url.path + (f"?{url.query}" if url.query else "")
        rights: frozenset[Right] = self.person.rights if self.person else frozenset()
        return Shell(
            screen=screen,
            screens=screens(self.words, self.product, rights, self._hindered() if Right.OPERATE in rights else 0),
            products=self._choices(),
            product=self.product,
            person=None if self.person is None else self.person.display_name or self.person.name,
            csrf=self.request.scope["state"]["csrf_token"] or "",
            # what a form of a screen was sent to is no page
            url=here if self.request.method == "GET" or not screen else f"/{screen}",
            hindrances=self._hindrances(screen),
            is_demonstration=self.station.settings.demonstration,
            unassigned=self.station.unassigned() if self.person is not None else 0,
        )

    def _hindered(self) -> int:
        """How many sources and sinks the page of the line tells to stand still. Raises StoreError."""
        return hindered(self.station.sources.states, self.station.sinks.states, now_us())

    def _hindrances(self, screen: str) -> list[str]:
        """What hinders the lines, for whoever is signed in; the page of a line tells its own at length."""
        if self.person is None:
            return []
        told_there = self.product if screen == "line" else None
        states = self.station.state().items()
        return [one.hindrance for product, one in states if one.hindrance and product != told_there]


def open_page(request: Request) -> PageAsked:
    """A page that anybody may see."""
    station: Station = request.app.state.station
    person: Person | None = request.scope["state"]["person"]
    return PageAsked(request, station, person, _language(request, person, station), "")


def asked_page(request: Request, right: Right) -> PageAsked:
    """A page for whoever has a right. Raises NotSignedInError, NotAllowedError, OptionError."""
    person = person_with(request.scope, right)
    station: Station = request.app.state.station
    products = [*station.products]
    product = request.query_params.get("product") or (products[0] if products else "")
    if product and product not in products:
        raise OptionError(f"product {product!r:.60}: the station has none of this name.")
    return PageAsked(request, station, person, _language(request, person, station), product)


def door_of(request: Request) -> Door:
    """The door of the station."""
    door: Door = request.app.state.door
    return door


def confirmed_page(request: Request, right: Right) -> PageAsked:
    """A page for whoever has a right and typed their password lately. Raises as `asked_page`, NotConfirmedError."""
    asked = asked_page(request, right)
    if not asked.is_confirmed:
        raise NotConfirmedError("this needs your password once more; type it, and then repeat the change.")
    return asked


def _language(request: Request, person: Person | None, station: Station) -> Language:
    """The person's, else the browser's own choice, else the station's."""
    chosen = None if person is None else person.language
    wanted = chosen or request.cookies.get(LANGUAGE_COOKIE)
    return cast("Language", wanted) if wanted in get_args(Language) else station.settings.language
