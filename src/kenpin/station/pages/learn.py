"""The page of learning: data sets of reviewed parts, trainings, and versions that wait for approval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from kenpin.errors import KenpinError
from kenpin.models import family_names
from kenpin.station.learning.jobs import JobState
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.running import NotThereError
from kenpin.station.versions.deciding import switches_of, versions_of
from kenpin.station.who.accounts import list_accounts
from kenpin.station.who.rights import RIGHTS_OF, Right

ROUTER = APIRouter(include_in_schema=False)
_FAMILIES = ("mahalanobis", "classifier")
_SETTLED_STATES = (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED, JobState.DIED)
_Text = Annotated[str, Form(max_length=2_000)]


@dataclass(frozen=True, slots=True)
class JobView:
    """A training, as it is shown."""

    number: int
    who: str
    ordered_us: int
    data_set: str
    state: str
    is_over: bool
    share: float | None
    doing: str
    sentence: str
    forecast: tuple[str, ...]
    has_comparison: bool


@ROUTER.get("/learn")
def learn_page(request: Request) -> HTMLResponse:
    """What was learned, what is being learned, and what waits for a decision."""
    return _page(asked_page(request, Right.LOOK))


@ROUTER.get("/learn/jobs")
def learn_jobs(request: Request) -> HTMLResponse:
    """The same, asked again and again while a training goes on."""
    return _page(asked_page(request, Right.LOOK))


@ROUTER.post("/learn/freeze")
def freeze(request: Request) -> Response:
    """Freeze the reviewed parts as a data set."""
    asked = asked_page(request, Right.LEARN)
    return _done(asked, lambda: asked.station.learning.freeze(asked.who, asked.product))


@ROUTER.post("/learn/train")
def train(request: Request, data_set: _Text, family: _Text) -> Response:
    """Order a training."""
    asked = asked_page(request, Right.LEARN)
    return _done(asked, lambda: asked.station.learning.begin(asked.who, asked.product, data_set, family, {}))


@ROUTER.post("/learn/jobs/{number}/cancel")
def cancel(request: Request, number: int) -> Response:
    """Ask a training to end."""
    asked = asked_page(request, Right.LEARN)
    return _done(asked, lambda: asked.station.learning.cancel(asked.who, number))


@ROUTER.get("/learn/jobs/{number}/log")
def job_log(request: Request, number: int) -> Response:
    """All that a training said."""
    asked = asked_page(request, Right.LOOK)
    log = asked.station.learning.jobs.find(number).log
    if not log.is_file():
        raise NotThereError(f"job {number}: has said nothing yet.")
    return FileResponse(log, media_type="text/plain; charset=utf-8")


@ROUTER.get("/learn/jobs/{number}/comparison")
def job_comparison(request: Request, number: int) -> Response:
    """Its run beside the one that judged, on the same held-out parts."""
    asked = asked_page(request, Right.LOOK)
    page = asked.station.learning.comparison(number)
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
        return _page(asked, f"{error}", 409)
    return RedirectResponse(f"/learn?product={asked.product}", 303)


def _page(asked: PageAsked, notice: str | None = None, status: int = 200) -> HTMLResponse:
    station, product = asked.station, asked.product
    with station.store.reading() as connection:
        versions, switches = versions_of(connection, product), switches_of(connection, product)
    jobs = [
        JobView(
            number=job.number,
            who=job.order.who,
            ordered_us=job.order.ordered_us,
            data_set=job.order.data_set,
            state=job.state.value,
            is_over=job.state in _SETTLED_STATES,
            share=None if job.progress is None or not job.progress.total else job.progress.done / job.progress.total,
            doing="" if job.progress is None else job.progress.doing,
            sentence=job.sentence,
            forecast=job.order.forecast,
            has_comparison=station.learning.comparison(job.number) is not None,
        )
        for job in reversed(station.learning.jobs.all())
        if job.order.product == product
    ]
    values = {
        "data_sets": station.learning.data_sets(product),
        "orderings": station.learning.orderings(product),
        "running": switches[0].version if switches else None,
        "families": [name for name in _FAMILIES if name in family_names()],
    }
    return asked.answer(
        "learn", "learn", status, notice=notice, jobs=jobs, versions=versions, switches=switches,
        rights=asked.who.rights, **values,
    )  # fmt: skip
