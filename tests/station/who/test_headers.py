"""Headers of every answer: a page loads nothing from elsewhere, and runs nothing that stands in it."""

from __future__ import annotations

from typing import Any

from kenpin.station.who.headers import CONTENT_SECURITY_POLICY, SECURITY_HEADERS, SecurityHeaders
from tests.station.who.asking import Seen, ask


def test_every_answer_has_the_headers_and_may_say_its_own() -> None:
    app = Seen()
    answer = ask(SecurityHeaders(app))
    for name, value in SECURITY_HEADERS:
        assert answer.header(name.decode()) == value.decode()
    assert answer.header("content-type") == "text/html"

    async def picture(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Cache-Control", b"private, max-age=3600")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    answer = ask(SecurityHeaders(picture))
    assert [value for name, value in answer.headers if name.lower() == "cache-control"] == ["private, max-age=3600"]
    assert answer.header("x-content-type-options") == "nosniff"


def test_no_script_or_style_within_a_page_runs() -> None:
    rules = dict(rule.split(" ", 1) for rule in CONTENT_SECURITY_POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert not [one for one in ("unsafe-inline", "unsafe-eval", "http", "*") if one in CONTENT_SECURITY_POLICY]
