"""Proxies: whom the operator believes names where a request came from, and nobody else does."""

from __future__ import annotations

import asyncio

import pytest

from kenpin.errors import OptionError
from kenpin.station.who.proxies import Proxies
from tests.station.who.asking import Seen, ask_soon, scope_of

BELIEVED = ("127.0.0.1", "10.1.0.0/16", "2001:db8::/32")


def _address(client: str, *forwarded: str) -> str:
    """The address that the application sees."""
    app = Seen()
    scope = scope_of(headers=[("x-forwarded-for", value) for value in forwarded])
    scope["client"] = (client, 1234)
    asyncio.run(ask_soon(Proxies(app, BELIEVED), scope, b""))
    return str(app.scopes[0]["client"][0])


@pytest.mark.parametrize(
    ("client", "forwarded", "found"),
    [
        ("127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["192.0.2.7:51000"], "192.0.2.7"),
        ("127.0.0.1", ["[2001:dead::1]:51000"], "2001:dead::1"),
        ("127.0.0.1", ["2001:dead::1"], "2001:dead::1"),
        ("::ffff:127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        # what stands before, the client may have sent itself
        ("127.0.0.1", ["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["203.0.113.9", "192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["203.0.113.9, 192.0.2.7, 10.1.2.3"], "192.0.2.7"),
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7, nonsense, 10.1.2.3"], "10.1.2.3"),
        # nobody believes these
        ("192.0.2.99", ["192.0.2.7"], "192.0.2.99"),
        ("127.0.0.2", ["192.0.2.7"], "127.0.0.2"),
        ("testclient", ["192.0.2.7"], "testclient"),
    ],
)
def test_an_address_is_the_last_that_a_believed_proxy_names(client: str, forwarded: list[str], found: str) -> None:
    assert _address(client, *forwarded) == found


@pytest.mark.parametrize("text", ["", "localhost", "10.0.0.0/40", "10.0.0.1/8", "*"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(OptionError):
        Proxies(Seen(), [text])
