"""The page of learning: data sets of reviewed parts, trainings, and versions that wait for approval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from kenpin.errors import KenpinError, RunError
from kenpin.station.api.app import sentence_of
from kenpin.station.learning.jobs import Job
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.pages.rendering import render
from kenpin.station.running import NotThereError
from kenpin.station.versions.deciding import switches_of, versions_of
from kenpin.station.who.accounts import list_accounts
from kenpin.station.who.rights import RIGHTS_OF, Right

ROUTER = APIRouter(include_in_schema=False)
_CLASSES, _BOXES = "classes", "boxes"
_Text = Annotated[str, Form(max_length=2_000)]


@ROUTER.get("/learn")
def learn_page(request: Request) -> HTMLResponse:
    """What was learned, what is being learned, and what waits for a decision."""
    return _page(asked_page(request, Right.LOOK))


@ROUTER.get("/learn/jobs")
def learn_jobs(request: Request) -> HTMLResponse:
    """What changes on the page while a training goes on."""
    asked = asked_page(request, Right.LOOK)
    return HTMLResponse(render("learn_jobs", asked.language, shell=asked.shell("learn"), **_jobs(asked)))


@ROUTER.post("/learn/freeze")
def freeze(request: Request, form: _Text = _CLASSES) -> Response:
    """Freeze the reviewed parts as a data set of classes, or of boxes."""
    asked = asked_page(request, Right.LEARN)
    if form not in (_CLASSES, _BOXES):
        raise NotThereError("there is no such form of a data set.")
    return _done(asked, lambda: asked.station.learning.freeze(asked.who, asked.product, of_boxes=form == _BOXES))


@ROUTER.post("/learn/train")
def train(request: Request, data_set: _Text, family: _Text) -> Response:
    """Order a training."""
    asked = asked_page(request, Right.LEARN)
    return _done(asked, lambda: asked.station.learning.begin(asked.who, asked.product, data_set, family))


@ROUTER.post("/learn/jobs/{number}/cancel")
def cancel(request: Request, number: int) -> Response:
    """Ask a training to end."""
    asked = asked_page(request, Right.LEARN)
    return _done(asked, lambda: asked.station.learning.cancel(asked.who, number))


@ROUTER.get("/learn/jobs/{number}/log")
def job_log(request: Request, number: int) -> Response:
    """All that a training said."""
    asked = asked_page(request, Right.LOOK)
    log = _job(asked, number).log
    if not log.is_file():
        raise NotThereError(f"job {number}: has said nothing yet.")
    return FileResponse(log, media_type="text/plain; charset=utf-8")


@ROUTER.get("/learn/jobs/{number}/comparison")
def job_comparison(request: Request, number: int) -> Response:
    """Its run beside the one that judged, on the same held-out parts."""
    asked = asked_page(request, Right.LOOK)
    page = asked.station.learning.comparison(_job(asked, number))
    if page is None:
        raise NotThereError(f"job {number}: was compared with nothing.")
    # a page of its own, whose style stands in it
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return FileResponse(page, media_type="text/html", headers={"Content-Security-Policy": policy})


@ROUTER.post("/learn/versions/{version}")
def decide(request: Request, version: int, decision: _Text, reason: _Text) -> Response:
    """Approve or reject a version, or let an approved one judge."""
    asked = asked_page(request, Right.APPROVE)
    versions, who, product = asked.station.versions, asked.who, asked.product
    decisions: dict[str, Callable[[], None]] = {
        "approve": lambda: versions.approve(who, product, version, reason, four_eyes=_four_eyes(asked)),
        "reject": lambda: versions.reject(who, product, version, reason),
        "switch": lambda: versions.switch(who, product, version, reason),
    }
    if decision not in decisions:
        raise NotThereError("there is no such decision.")
    return _done(asked, decisions[decision])


def _job(asked: PageAsked, number: int) -> Job:
    """The job of a number that stands in an address. Raises NotThereError."""
    try:
        return asked.station.learning.jobs.find(number)
    except RunError as error:
        raise NotThereError("there is no such training; its number is one of the list.") from error


def _four_eyes(asked: PageAsked) -> bool:
    """Whether another person must approve: where the settings want it, and there is one."""
    if not asked.station.settings.four_eyes:
        return False
    with asked.station.store.reading() as connection:
        accounts = list_accounts(connection)
    may = [one for one in accounts if not one.disabled and Right.APPROVE in RIGHTS_OF[one.role]]
    return any(one.name != asked.who.name for one in may)


def _done(asked: PageAsked, work: Callable[[], object]) -> Response:
    """Do something, and show the page again; where it is refused, with the reason."""
    try:
        work()
    except KenpinError as error:
        return _page(asked, sentence_of(asked.request, error), 409)
    return RedirectResponse(f"/learn?product={asked.product}", 303)


def _page(asked: PageAsked, notice: str | None = None, status: int = 200) -> HTMLResponse:
    station, product = asked.station, asked.product
    with station.store.reading() as connection:
        versions, switches = versions_of(connection, product), switches_of(connection, product)
    return asked.answer(
        "learn",
        "learn",
        status,
        notice=notice,
        data_sets=station.learning.data_sets(product),
        families=station.learning.families(product),
        versions=versions,
        switches=switches,
        running=switches[0].version if switches else None,
        **_jobs(asked),
    )


def _jobs(asked: PageAsked) -> dict[str, Any]:
    """The trainings of a product, the newest first, as their part of the page shows them."""
    learning = asked.station.learning
    jobs = [job for job in reversed(learning.jobs.all()) if job.order.product == asked.product]
    return {
        "jobs": jobs,
        "compared": {job.number for job in jobs if learning.comparison(job) is not None},
        "orderings": learning.orderings(asked.product),
        "rights": asked.who.rights,
    }
