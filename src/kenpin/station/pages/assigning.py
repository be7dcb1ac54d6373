"""The page's answer to a person who says of which product a part is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from kenpin.station.pages.asking import asked_page
from kenpin.station.who.rights import Right

ROUTER = APIRouter(include_in_schema=False)


@ROUTER.post("/parts/{key}/product")
def assign(request: Request, key: str, product: Annotated[str, Form(max_length=200)]) -> Response:
    """Assign the part, and show it again."""
    asked = asked_page(request, Right.REVIEW)
    asked.station.assigning.assign(asked.who, key, product)
    asked.station.news.tell()
    return RedirectResponse(f"/parts/{key}", 303)
