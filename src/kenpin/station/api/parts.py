"""Parts by HTTP: hand one in and get its record, look for those that are recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from kenpin.station.api.answers import LineAnswer, PartAnswer, ReviewedAnswer, part_answer, reviewed_answer
from kenpin.station.api.depending import Asking, asking
from kenpin.station.api.part_forms import PICTURE, received_pictures, views_of
from kenpin.station.arrival import Arrival, PartArrival
from kenpin.station.running import NotThereError, Station
from kenpin.station.store.full_records import read_record
from kenpin.station.store.queries import find_part
from kenpin.station.who.rights import Right

ROUTER = APIRouter(prefix="/api/v1")
_LONGEST_NAME = 200
_BEAT_S = 15.0
"""Seconds after which a stream of events shows that it lives."""
_PAUSE_S, _RETRY_MS = 0.2, 2_000


_Id = Annotated[str, Query(min_length=1, max_length=1_000, description="The part's name on the line.")]
_Product = Annotated[
    str | None,
    Query(max_length=_LONGEST_NAME, description="Without it: the only one, or by the settings the nearest one."),
]
_Lot = Annotated[str | None, Query(max_length=_LONGEST_NAME)]
_REFUSALS: dict[int | str, dict[str, Any]] = {
    413: {"description": "A picture is larger than the station takes."},
    429: {"description": "As many parts wait as may; `Retry-After` says when to send it again."},
    503: {"description": "The line takes no parts now, and says why. What was taken before is safe."},
}


@ROUTER.post(
    "/parts",
    responses=_REFUSALS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def post_part(
    request: Request,
    asked: Annotated[Asking, Depends(asking(Right.SUBMIT))],
    id: _Id,
    product: _Product = None,
    lot: _Lot = None,
) -> PartAnswer:
    """Judge a part. The body is its picture, as a file holds it; the answer comes when its record is on disk.

    The same id with the same picture is the same part: it is judged once, and sent again it gets the record that it
    has. A file that is not a picture is a part too, whose verdict is REVIEW.
    """
    return await _judged(asked, Arrival(id, await _received(request, asked.station), product, lot))


@ROUTER.post(
    "/parts/views",
    responses={400: {"description": "It is no form with pictures, or these are of two parts."}, **_REFUSALS},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "additionalProperties": {"type": "string", "format": "binary"}}
                }
            },
        }
    },
)
async def post_views(
    request: Request,
    asked: Annotated[Asking, Depends(asking(Right.SUBMIT))],
    id: _Id,
    product: _Product = None,
    lot: _Lot = None,
) -> PartAnswer:
    """Judge a part by several pictures, which the runs were trained for with `--by`. The body is a form with a file for
    each picture: its field is named like the view, or `picture` where the file's name tells the view by the form of the
    training, and where views have no names.

    The same id with the same pictures, in any order, is the same part. One that lacks a view, has another one or one
    twice, or a file that is not a picture, is a part too, whose verdict is REVIEW and whose reason says why.
    """
    with asked.station.arriving.body() as body:
        pictures = await received_pictures(request, body, asked.station.settings.limits.picture_bytes)
    has_names = any(one.field == PICTURE for one in pictures)
    views = views_of(pictures, asked.station.known_form(product) if has_names else None)
    return await _judged(asked, PartArrival(id, views, product, lot))


async def _judged(asked: Asking, arrival: Arrival | PartArrival) -> PartAnswer:
    taken = asked.station.submit(arrival)
    record = await asyncio.wrap_future(taken.record)
    if taken.product is not None:
        return part_answer(record, taken.product)
    return part_answer(record, await run_in_threadpool(asked.station.product_of, record))


@ROUTER.get("/parts/{key}", responses={404: {"description": "There is no such part."}})
def get_part(key: str, asked: Annotated[Asking, Depends(asking(Right.LOOK))]) -> ReviewedAnswer:
    """A part's record, what people said of it, and where they drew that it is defective."""
    station = asked.station
    with station.store.reading() as connection:
        part, reviews = find_part(connection, key), station.reviewing.reviews_of(connection, key)
    if part is None:
        raise NotThereError("there is no such part; the address may be of another station.")
    if station.reviewing.looks_blind(asked.person, key):
        raise NotThereError(
            "you look at this part without what runs say of it; say what it is, and its record is here."
        )
    return reviewed_answer(part, read_record(station.folder, part.journal, part.offset_bytes, key), reviews)


async def _received(request: Request, station: Station) -> bytes:
    """The body of a request. Raises LineFullError where many are being received."""
    with station.arriving.body() as body:
        pieces = []
        async for piece in request.stream():
            body.add(len(piece))
            pieces.append(piece)
        return b"".join(pieces)


@ROUTER.get("/state")
def get_state(asked: Annotated[Asking, Depends(asking(Right.LOOK))]) -> dict[str, LineAnswer]:
    """What the line of each product does, and what hinders it."""
    station = asked.station
    alarms = {product: one.alarm for product, one in station.watching.shown.items() if one.alarm is not None}
    return {
        product: LineAnswer(**asdict(state), alarm=alarms[product].kind.value if product in alarms else None)
        for product, state in station.state().items()
    }


@ROUTER.get("/events", response_class=StreamingResponse)
async def get_events(request: Request, asked: Annotated[Asking, Depends(asking(Right.LOOK))]) -> StreamingResponse:
    """Server-sent events: `part` when parts were recorded, or a version was switched to. Ask then for what you show."""

    async def events() -> AsyncIterator[str]:
        loop, told = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(told.set)

        with asked.station.news.listening(wake):
            yield f"retry: {_RETRY_MS}\n\n"
            while not await request.is_disconnected():
                try:
                    await asyncio.wait_for(told.wait(), _BEAT_S)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                told.clear()
                yield "event: part\ndata:\n\n"
                await asyncio.sleep(_PAUSE_S)

    return _Counted(events(), close=request.app.state.streams.open(asked.person.name))


class _Counted(StreamingResponse):
    """A stream of events; `close` is called at its end, whatever ended it."""

    def __init__(self, events: AsyncIterator[str], close: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()
