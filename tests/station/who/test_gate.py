"""The whole gate: each guard is in it, around the others as it should be."""

import asyncio
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI, Form, Request, UploadFile

from kenpin.station.who.gate import guarded
from kenpin.station.who.headers import CONTENT_SECURITY_POLICY
from kenpin.station.who.identity import CSRF_HEADER, person_of, person_with
from kenpin.station.who.rights import RIGHTS_OF, NotAllowedError, Right, Role
from kenpin.station.who.secret import csrf_token
from tests.station.who.asking import LOCAL, OWN, Seen, ask, sent_back
from tests.station.who.made import MadeDoor


@pytest.mark.parametrize("role", list(Role))
def test_through_the_whole_gate_a_person_has_their_rights_and_no_others(at: MadeDoor, role: Role) -> None:
    at.add("aoi", role)
    signed_in = at.sign_in("aoi")
    app = Seen()
    gate = guarded(app, at.door, LOCAL, lambda _: 1000)
    headers = {**sent_back(signed_in), **OWN, CSRF_HEADER: csrf_token(signed_in.session)}
    answer = ask(gate, "POST", headers=headers, body=b"x" * 1000)
    assert answer.status == 200
    assert person_of(app.scopes[-1]).rights == RIGHTS_OF[role]
    for right in Right:
        if right not in RIGHTS_OF[role]:
            with pytest.raises(NotAllowedError):
                person_with(app.scopes[-1], right)
    assert ask(gate, "POST", headers=headers, body=b"x" * 1001).status == 413
    assert ask(gate, "POST", headers={**headers, "origin": "http://evil.example"}).status == 403
    assert ask(gate, "POST", headers={**headers, CSRF_HEADER: "x"}).status == 403
    refused = ask(gate, "POST", headers=headers, host="evil.example")
    assert (refused.status, refused.header("content-security-policy")) == (421, CONTENT_SECURITY_POLICY)
    assert len(app.bodies) == 1


def test_the_start_and_end_of_the_service_pass(at: MadeDoor) -> None:
    reached = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    asyncio.run(guarded(app, at.door, LOCAL, lambda _: 1)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert reached == ["lifespan"]


@pytest.mark.parametrize("kind", ["form", "multipart", "json", "stream"])
def test_fastapi_makes_no_other_answer_of_a_refusal(at: MadeDoor, kind: str) -> None:
    """It turns whatever goes wrong while a body is read into a 400 of its own."""
    app = FastAPI()
    taken: list[object] = []

    @app.post("/form")
    def form(text: Annotated[str, Form()]) -> None:
        taken.append(text)

    @app.post("/multipart")
    def multipart(file: UploadFile) -> None:
        taken.append(file)

    @app.post("/json")
    def json(values: Annotated[dict[str, str], Body()]) -> None:
        taken.append(values)

    @app.post("/stream")
    async def stream(request: Request) -> None:
        async for piece in request.stream():
            assert piece is not None
        taken.append(request)

    begins = {
        "form": ("application/x-www-form-urlencoded", b"text="),
        "multipart": ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"; '
                      b'filename="f"\r\n\r\n'),
        "json": ("application/json", b'{"text": "'),
        "stream": ("application/octet-stream", b""),
    }  # fmt: skip
    content, begin = begins[kind]
    ends = {"multipart": b"\r\n--b--\r\n", "json": b'"}'}
    gate = guarded(app, at.door, LOCAL, lambda _: 1000)
    for size, status in ((10, 200), (2000, 413)):
        body = [begin, *[b"x" * 10] * (size // 10), ends.get(kind, b"")]
        answer = ask(gate, "POST", f"/{kind}", {**OWN, "content-type": content}, body)
        assert (answer.status, len(taken)) == (status, 1), answer.body
