"""Who asks: a session or a token makes a person, and a change needs the page's token."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from threading import Event
from typing import Any
from urllib.parse import urlencode

import pytest

from kenpin.errors import KenpinError
from kenpin.station.who.accounts import set_disabled
from kenpin.station.who.door import SignedIn
from kenpin.station.who.identity import CSRF_FIELD, CSRF_HEADER, Identity, person_of, person_with
from kenpin.station.who.machines import make_token, revoke_token
from kenpin.station.who.rights import CONSOLE, NotAllowedError, NotSignedInError, Person, Right, Role
from kenpin.station.who.secret import Secret, csrf_token
from tests.station.who.asking import Answer, Headers, Seen, ask, ask_soon, scope_of, sent_back
from tests.station.who.made import BEGIN_US, MadeDoor


def _state(app: Seen) -> dict[str, Any]:
    return dict(app.scopes[-1]["state"])


def test_a_session_makes_a_person(at: MadeDoor) -> None:
    at.add("aoi", Role.ENGINEER)
    signed_in = at.sign_in("aoi")
    app = Seen()
    assert ask(Identity(app, at.door), headers=sent_back(signed_in)).status == 200
    assert _state(app) == {
        "person": signed_in.person,
        "session": signed_in.session,
        "csrf_token": csrf_token(signed_in.session),
    }
    assert person_of(app.scopes[-1]) == signed_in.person
    assert person_with(app.scopes[-1], Right.APPROVE) == signed_in.person
    with pytest.raises(NotAllowedError):
        person_with(app.scopes[-1], Right.ADMINISTER)


@pytest.mark.parametrize("cookie", ["", "kenpin-8470=", "kenpin-8470=x", "kenpin=x", ";;=;", "kenpin-8470=\xff\x01"])
def test_nobody_is_nobody(at: MadeDoor, cookie: str) -> None:
    app = Seen()
    assert ask(Identity(app, at.door), headers={"cookie": cookie}).status == 200
    assert _state(app) == {"person": None, "session": None, "csrf_token": None}
    with pytest.raises(NotSignedInError, match="nobody is signed in"):
        person_of(app.scopes[-1])


def test_a_session_twice_is_none(at: MadeDoor) -> None:
    """One of them somebody else may have planted; nobody can tell which."""
    at.add("aoi")
    cookie = sent_back(at.sign_in("aoi"))["cookie"]
    app = Seen()
    ask(Identity(app, at.door), headers={"cookie": f"{cookie}; kenpin-8470=planted"})
    ask(Identity(app, at.door), headers=[("cookie", cookie), ("cookie", cookie)])
    assert [one["state"]["person"] for one in app.scopes] == [None, None]


def test_a_session_of_a_disabled_account_is_nobodys(at: MadeDoor) -> None:
    at.add("aoi")
    cookie = sent_back(at.sign_in("aoi"))
    with at.engine.begin() as connection:
        set_disabled(connection, at.trail, CONSOLE, "aoi", True, BEGIN_US)
    app = Seen()
    ask(Identity(app, at.door), headers=cookie)
    assert _state(app)["person"] is None


def test_what_others_can_set_in_the_request_is_not_believed(at: MadeDoor) -> None:
    app = Seen()
    scope = scope_of(headers={"x-forwarded-user": "aoi", "x-remote-user": "aoi"})
    scope["state"] = {"person": "aoi", "csrf_token": "x", "session": "x", "kept": 1}
    asyncio.run(ask_soon(Identity(app, at.door), scope, b""))
    assert _state(app) == {"person": None, "session": None, "csrf_token": None, "kept": 1}


def _tokens(at: MadeDoor) -> tuple[SignedIn, SignedIn]:
    at.add("aoi")
    at.add("mallory")
    return at.sign_in("aoi"), at.sign_in("mallory")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "ANYTHING"])
def test_a_change_needs_the_pages_token(at: MadeDoor, method: str) -> None:
    aoi, mallory = _tokens(at)
    app = Seen()
    guard = Identity(app, at.door)
    right, wrong = csrf_token(aoi.session), csrf_token(mallory.session)
    form = {"content-type": "application/x-www-form-urlencoded"}

    def status(headers: dict[str, str], body: bytes | list[bytes] = b"") -> int:
        return ask(guard, method, headers={**sent_back(aoi), **headers}, body=body).status

    assert status({CSRF_HEADER: right}) == 200
    assert status(form, urlencode({"a": "b", CSRF_FIELD: right}).encode()) == 200
    assert app.bodies[-1].startswith(b"a=b&"), "the app reads the form itself"
    whole = urlencode({"a": "b", CSRF_FIELD: right}).encode()
    assert status(form, [whole[:7], whole[7:]]) == 200
    assert app.bodies[-1] == whole
    reached = len(app.scopes)
    assert status({}) == 403
    assert status({CSRF_HEADER: wrong}) == 403
    assert status({CSRF_HEADER: aoi.session.text}) == 403
    assert status(form, urlencode({CSRF_FIELD: wrong}).encode()) == 403
    assert status(form, urlencode([(CSRF_FIELD, right), (CSRF_FIELD, right)]).encode()) == 403
    assert status({**form, CSRF_HEADER: wrong}, urlencode({CSRF_FIELD: right}).encode()) == 403
    assert status({"content-type": "text/plain"}, urlencode({CSRF_FIELD: right}).encode()) == 403
    assert status({"content-type": "multipart/form-data; boundary=x"}, whole) == 403
    assert status(form, b"&".join([b"a=b"] * 2000 + [urlencode({CSRF_FIELD: right}).encode()])) == 403
    assert status(form, [b"x" * 70_000, b"&" + whole]) == 403
    assert len(app.scopes) == reached


def test_looking_needs_no_token(at: MadeDoor) -> None:
    aoi, _ = _tokens(at)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert ask(Identity(Seen(), at.door), method, headers=sent_back(aoi)).status == 200


def test_a_machine_has_a_token_and_no_cookie(at: MadeDoor) -> None:
    at.add("aoi", Role.ADMIN)
    with at.engine.begin() as connection:
        secret = make_token(connection, at.trail, CONSOLE, "line", ["submit"], BEGIN_US)
    app = Seen()
    guard = Identity(app, at.door)
    bearer = {"authorization": f"Bearer {secret.text}"}
    assert ask(guard, "POST", headers=bearer).status == 200
    assert _state(app)["person"].name == "token line"
    assert _state(app)["person"].rights == {Right.SUBMIT}
    # beside a session the token decides, and not the larger of the two
    ask(guard, "POST", headers={**bearer, **sent_back(at.sign_in("aoi"))})
    assert _state(app)["person"].rights == {Right.SUBMIT}
    with at.engine.begin() as connection:
        revoke_token(connection, at.trail, CONSOLE, "line", BEGIN_US)
    answer = ask(guard, "POST", headers={**bearer, **sent_back(at.sign_in("aoi"))})
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
    assert len(app.scopes) == 2


def test_machines_that_come_together_are_looked_up_together_and_never_before_they_came(
    at: MadeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at.engine.begin() as connection:
        tokens = [make_token(connection, at.trail, CONSOLE, f"line-{n}", ["submit"], BEGIN_US).text for n in range(3)]
    guard, look_up = Identity(Seen(), at.door), at.door.which_machines
    asked: list[int] = []
    looked, revoked = Event(), Event()

    def slowly(secrets: Collection[Secret]) -> dict[Secret, Person]:
        found = look_up(secrets)
        asked.append(len(secrets))
        if len(asked) == 1:
            looked.set()
            assert revoked.wait(10)
        return found

    monkeypatch.setattr(at.door, "which_machines", slowly)

    def asking(token: str) -> asyncio.Task[Answer]:
        return asyncio.create_task(ask_soon(guard, scope_of("POST", headers={"authorization": f"Bearer {token}"}), b""))

    async def statuses() -> list[int]:
        first = asking(tokens[0])
        await asyncio.to_thread(looked.wait, 10)
        with at.engine.begin() as connection:
            revoke_token(connection, at.trail, CONSOLE, "line-0", BEGIN_US)
        later = [asking(token) for token in (*tokens, *tokens, "none")]
        await asyncio.sleep(0.05)
        later[1].cancel()  # it hangs up, and the others with its token are answered
        revoked.set()
        answers = await asyncio.gather(first, *later[:1], *later[2:])
        return [answer.status for answer in answers]

    assert asyncio.run(statuses()) == [200, 401, 200, 401, 200, 200, 401]
    assert asked == [1, 4]


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer")],
        [("authorization", "Bearer x y")],
        [("authorization", "Basic YW9pOng=")],
        [("authorization", "")],
        [("authorization", "Bearer x"), ("authorization", "Bearer y")],
    ],
)
def test_what_is_no_token_is_told(at: MadeDoor, headers: Headers) -> None:
    app = Seen()
    assert ask(Identity(app, at.door), headers=headers).status == 401
    assert not app.scopes


def test_a_long_answer_ends_with_its_session(at: MadeDoor) -> None:
    at.add("aoi")
    signed_in = at.sign_in("aoi")
    sent = []

    async def events(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(10):
            if number == 5:
                at.door.sign_out(signed_in.session)
            sent.append(number)
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})

    answer = ask(Identity(events, at.door, look_again_s=0.0), headers=sent_back(signed_in))
    assert answer.body == b"01234"
    assert answer.pieces == 6, "an empty last one ends it"


def test_a_long_answer_ends_with_its_token(at: MadeDoor) -> None:
    with at.engine.begin() as connection:
        token = make_token(connection, at.trail, CONSOLE, "screen", ["look"], BEGIN_US)

    async def events(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(10):
            if number == 5:
                with at.engine.begin() as connection:
                    revoke_token(connection, at.trail, CONSOLE, "screen", BEGIN_US)
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})

    answer = ask(Identity(events, at.door, look_again_s=0.0), headers={"authorization": f"Bearer {token.text}"})
    assert answer.body == b"01234"


def test_a_store_that_cannot_be_asked_lets_nobody_in(at: MadeDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    at.add("aoi")
    cookie = sent_back(at.sign_in("aoi"))
    sent = []

    def unreachable(*_: object) -> None:
        raise KenpinError("the store cannot be reached; start it.")

    async def events(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        monkeypatch.setattr(at.door, "is_open", unreachable)
        for number in range(3):
            sent.append(number)
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})

    assert ask(Identity(events, at.door, look_again_s=0.0), headers=cookie).body == b""
    assert sent == [0, 1, 2]
    app = Seen()
    for name in ("who_has", "which_machines"):
        monkeypatch.setattr(at.door, name, unreachable)
    for headers in (cookie, {"authorization": "Bearer x"}):
        answer = ask(Identity(app, at.door), headers=headers)
        assert (answer.status, answer.body) == (503, b"the station cannot look up who you are now; its log says why.\n")
    assert ask(Identity(app, at.door)).status == 200, "who brings nothing is nobody, and need not be looked up"
    assert len(app.scopes) == 1
