"""Made people: they sign in at the station's own address and review parts on its pages, as anybody does."""

from __future__ import annotations

import html
import logging
import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from kenpin.station.demonstration.made_parts import MadePart
from kenpin.station.demonstration.preparing import Credentials

_log = logging.getLogger(__name__)
_TASK = re.compile(r'data-review="([0-9a-f]{32})".*?<h2>(.*?)</h2>', re.DOTALL)
_CSRF = re.compile(r'name="csrf" content="([^"]+)"')
_ERRS = 0.08
"""Chance with which a made person says the opposite: nobody is always right."""
_TIMEOUT_S = 15.0
_LOOKS_S = 0.5


@dataclass(frozen=True, slots=True)
class AskedPart:
    """A part that a page asks about."""

    key: str
    name: str
    """Its id."""


def task_on(page: str) -> AskedPart | None:
    """The part that a page of reviews asks about; None where nothing waits.

    >>> task_on('<section data-review="' + "0" * 32 + '"><h2>a &amp; b</h2>')
    AskedPart(key='00000000000000000000000000000000', name='a & b')
    """
    found = _TASK.search(page)
    return None if found is None else AskedPart(found[1], html.unescape(found[2]))


class Browser:
    """A browser that is signed in."""

    def __init__(self, address: str, who: Credentials) -> None:
        """Sign in. Raises OSError where the station does not answer, or refuses."""
        self._address = address
        # a proxy of the environment would be asked for this machine's own address
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
        self._csrf = ""
        page = self.post("/sign-in", {"name": who.name, "password": who.password})
        found = _CSRF.search(page)
        if found is None:
            raise URLError("signing in was refused")
        self._csrf = found[1]

    def get(self, path: str) -> str:
        """A page. Raises OSError."""
        return self._read(Request(f"{self._address}{path}", headers={"Accept": "text/html"}))

    def post(self, path: str, values: dict[str, str]) -> str:
        """The page that answers a form. Raises OSError."""
        headers = {"Accept": "text/html", "Origin": self._address, "X-CSRF-Token": self._csrf}
        return self._read(Request(f"{self._address}{path}", urlencode(values).encode(), headers))

    def _read(self, request: Request) -> str:
        with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
            text: str = answer.read().decode("utf-8")
        return text


class People:
    """Made people who review some parts in a thread of their own, and then leave the others to the visitor."""

    def __init__(
        self,
        address: str,
        people: Sequence[Credentials],
        truth: Callable[[str], MadePart],
        may_begin: Callable[[], bool],
        may_go_on: Callable[[str], bool],
        products: Sequence[str],
        reviews: int,
    ) -> None:
        """truth: what a part is, by its id; may_begin: whether there are parts enough; may_go_on: whether more of a
        product wait than are to be left; reviews: of each person, of each product."""
        self._address, self._people, self._truth = address, people, truth
        self._may_begin, self._may_go_on = may_begin, may_go_on
        self._products, self._reviews = products, reviews
        self._stop, self._draw = threading.Event(), random.Random(0)
        self.said = 0
        """Reviews so far."""
        self._thread = threading.Thread(target=self._work, name="made people", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether they have not yet done what they were to do."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(_TIMEOUT_S)

    def _work(self) -> None:
        try:
            while not self._may_begin():
                if self._stop.wait(_LOOKS_S):
                    return
            browsers = [Browser(self._address, person) for person in self._people]
            for product in self._products:
                for _ in range(self._reviews):
                    for browser in browsers:
                        self._review(browser, product)
        except OSError as error:  # the station ends, or is too busy; what was said stays
            _log.warning("the made people stopped: %s", error)

    def _review(self, browser: Browser, product: str) -> None:
        if self._stop.is_set() or not self._may_go_on(product):
            return
        where = f"?product={product}"
        page = browser.get(f"/review{where}")
        task = task_on(page)
        if task is None:
            return
        part = self._truth(task.name)
        is_bad = (part.defect is not None) != (self._draw.random() < _ERRS)
        # a product without classes has no such button
        named = f"class:{part.defect}"
        say = "pass" if not is_bad else named if f'value="{named}"' in page else "fail"
        browser.post(f"/review/{task.key}{where}", {"say": say})
        self.said += 1
