"""The two cookies: the session, and the secret by which a browser is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.station.who.asgi import headers_of, only_header
from kenpin.station.who.door import SignedIn
from kenpin.station.who.origins import is_loopback
from kenpin.station.who.secret import Secret
from kenpin.station.who.sessions import Visitor

if TYPE_CHECKING:
    from starlette.types import Scope

_SESSION, _BROWSER = "kenpin", "kenpin-browser"
_KNOWN_S = 90 * 24 * 3600
_LONGEST_BROWSER = 500


def session_of(scope: Scope) -> Secret | None:
    """The session that a request brings; None where it brings none, or several, one of which somebody planted."""
    return _cookie(scope, _SESSION)


def visitor_of(scope: Scope) -> Visitor:
    """Where a request comes from."""
    client = scope.get("client")
    browser = (only_header(scope, b"user-agent") or "")[:_LONGEST_BROWSER]
    return Visitor("" if client is None else client[0], browser, _cookie(scope, _BROWSER))


def cookies_of(scope: Scope, signed_in: SignedIn) -> tuple[str, str]:
    """The values of the two `Set-Cookie` headers that answer a sign-in.

    The session ends with the browser at the latest, and comes with links from elsewhere (`Lax`), so that one in a mail
    opens a part; what changes something needs the page's own token besides.
    """
    return (
        _set(scope, _SESSION, signed_in.session.text, "SameSite=Lax"),
        _set(scope, _BROWSER, signed_in.known_browser.text, f"SameSite=Strict; Max-Age={_KNOWN_S}"),
    )


def no_session(scope: Scope) -> str:
    """The value of the `Set-Cookie` header that answers a sign-out."""
    return _set(scope, _SESSION, "", "SameSite=Lax; Max-Age=0")


def _set(scope: Scope, name: str, value: str, rules: str) -> str:
    secure = "; Secure" if is_secure(scope) else ""
    return f"{_named(scope, name)}={value}; Path=/; HttpOnly; {rules}{secure}"


def _named(scope: Scope, name: str) -> str:
    # browsers share cookies between the ports of a host, and another station may be at another one; what begins with
    # `__Host-` cannot be planted by another host of the same domain
    server = scope.get("server")
    port = None if server is None else server[1]
    return f"{'__Host-' if is_secure(scope) else ''}{name}-{port or 0}"


def is_secure(scope: Scope) -> bool:
    """Whether browsers reach the station by https, which cookies then need: always, but on the machine itself."""
    return scope.get("scheme") == "https" or not is_loopback(only_header(scope, b"host") or "")


def _cookie(scope: Scope, name: str) -> Secret | None:
    wanted = _named(scope, name)
    found = []
    for header in headers_of(scope, b"cookie"):
        for pair in header.decode("latin-1").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == wanted:
                found.append(value)
    return Secret(found[0]) if len(found) == 1 and found[0] else None
