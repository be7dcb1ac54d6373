"""What every page needs of its request: the person, the language, the product, and the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, get_args

from fastapi import Request
from fastapi.responses import HTMLResponse

from kenpin.errors import OptionError
from kenpin.station.folder import NO_VERSION, UNASSIGNED
from kenpin.station.pages.rendering import render
from kenpin.station.pages.shell import Choice, Shell, screens
from kenpin.station.running import Station
from kenpin.station.store.queries import PartRow
from kenpin.station.who.identity import person_with
from kenpin.station.who.rights import Person, Right
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
        signed_in = self.person is not None
        return Shell(
            screen=screen,
            screens=screens(self.words, self.product),
            products=self._choices(),
            product=self.product,
            person=None if self.person is None else self.person.name,
            csrf=self.request.scope["state"]["csrf_token"] or "",
            url=url.path + (f"?{url.query}" if url.query else ""),
            hindrances=[one.hindrance for one in self.station.state().values() if one.hindrance and signed_in],
            is_demonstration=self.station.settings.demonstration,
            unassigned=self.station.unassigned() if signed_in else 0,
        )


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


def _language(request: Request, person: Person | None, station: Station) -> Language:
    """The person's, else the browser's own choice, else the station's."""
    chosen = None if person is None else person.language
    wanted = chosen or request.cookies.get(LANGUAGE_COOKIE)
    return cast("Language", wanted) if wanted in get_args(Language) else station.settings.language
