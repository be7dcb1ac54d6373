"""Bodies: counted and timed as they come, and refused once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kenpin.station.who.bodies import Bodies, BodyPace
from tests.station.who.asking import Answer, Seen, ask, scope_of


def _limited(app: Any, limit: int = 10, **pace: float) -> Bodies:
    return Bodies(app, lambda _: limit, BodyPace(**pace))


@pytest.mark.parametrize("pieces", [[b"x" * 10], [b"xxxxx", b"", b"xxxxx"], [b""]])
def test_a_body_within_the_limit_arrives_whole(pieces: list[bytes]) -> None:
    app = Seen()
    assert ask(_limited(app), "POST", body=pieces).status == 200
    assert app.bodies == [b"".join(pieces)]


@pytest.mark.parametrize("pieces", [[b"x" * 11], [b"x"] * 11, [b"x" * 10, b"x" * 10**6]])
def test_a_body_is_counted_as_it_comes(pieces: list[bytes]) -> None:
    app = Seen()
    answer = ask(_limited(app), "POST", body=pieces)
    assert answer.status == 413
    assert b"more than 10 bytes" in answer.body
    assert not app.bodies


def test_a_length_that_is_too_large_is_refused_before_anything_comes() -> None:
    app = Seen()
    answer = ask(_limited(app), "POST", headers={"content-length": "10000000000"}, body=[b"x"] * 3)
    assert answer.status == 413
    assert not app.scopes


def test_what_the_app_makes_of_the_refusal_is_not_sent() -> None:
    async def catches(scope: Any, receive: Any, send: Any) -> None:
        try:
            await receive()
        except RuntimeError:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b"some other sentence"})
            with pytest.raises(RuntimeError):
                await receive()

    assert ask(_limited(catches), "POST", body=b"x" * 11).status == 413


def test_an_error_of_the_app_is_its_own() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        ask(_limited(fails), "POST")


def test_a_body_that_comes_too_slowly_is_refused() -> None:
    async def drips(pieces: int, wait_s: float) -> Answer:
        left = pieces
        answer = Answer()

        async def receive() -> dict[str, Any]:
            nonlocal left
            await asyncio.sleep(wait_s)
            left -= 1
            return {"type": "http.request", "body": b"x" * 10, "more_body": left > 0}

        async def send(message: dict[str, Any]) -> None:
            answer.status = answer.status or message["status"]

        app = _limited(Seen(), 10**9, grace_s=0.05, bytes_per_s=1000.0)
        await app(scope_of("POST"), receive, send)  # type: ignore[arg-type]
        return answer

    assert asyncio.run(drips(20, 0.0)).status == 200
    assert asyncio.run(drips(1000, 0.02)).status == 408, "500 bytes a second, and 1,000 were asked for"
    assert asyncio.run(drips(1, 0.5)).status == 408, "nothing at all"


def test_time_that_the_app_takes_is_not_the_clients() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            await receive()
            await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert ask(_limited(slow, 100, grace_s=0.02, bytes_per_s=1000.0), "POST", body=[b"x"] * 3).status == 200


def test_waiting_for_the_client_to_go_is_not_waiting_for_a_body() -> None:
    async def events(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.05)
        assert (await receive())["type"] == "http.disconnect"

    assert ask(_limited(events, 10, grace_s=0.01, bytes_per_s=1.0)).status == 200


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data; boundary=x; charset=punycode",
        'multipart/form-data; charset="unicode_escape"; boundary=x',
        "multipart/form-data; CHARSET=idna",
        "multipart/form-data; charset*=utf-8''punycode",
        "multipart/form-data; charset*0=puny; charset*1=code",
        "multipart/form-data; charset=utf-8; charset=utf-7",
        "application/x-www-form-urlencoded; charset=utf-8x",
    ],
)
def test_a_body_in_another_encoding_is_refused(kind: str) -> None:
    app = Seen()
    assert ask(_limited(app), "POST", headers={"content-type": kind}, body=b"x").status == 415
    assert not app.scopes


@pytest.mark.parametrize("kind", ["a/b; charset=utf-8", 'a/b; charset="UTF-8"', "a/b;charset=utf8; boundary=x", "a/b"])
def test_utf_8_is_taken(kind: str) -> None:
    assert ask(_limited(Seen()), "POST", headers={"content-type": kind}, body=b"x").status == 200
