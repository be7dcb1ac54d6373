"""Pages of reviews: one part after the other, and what the person says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from kenpin.errors import OptionError
from kenpin.inspection.record import RecordedCase
from kenpin.records import Verdict
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.pages.marking import Marking, marking_of
from kenpin.station.pages.part_views import ShownView, first_view, shown_views
from kenpin.station.pages.rendering import render
from kenpin.station.pages.shell import Choice
from kenpin.station.reviewing.marks import MarksError, marks_of_text
from kenpin.station.reviewing.queue import ReviewTask
from kenpin.station.store.full_records import read_record
from kenpin.station.store.queries import PartRow
from kenpin.station.who.rights import Right
from kenpin.words.recorded import recorded

ROUTER = APIRouter(include_in_schema=False)
_CLASS, _PRODUCT = "class:", "product:"
_Text = Annotated[str, Form(max_length=4_000)]


@dataclass(frozen=True, slots=True)
class TaskView:
    """A part to review, as it is shown."""

    part: PartRow
    why: str
    shows_verdict: bool
    """Not to somebody whose own look is wanted."""
    classes: Sequence[str]
    products: Sequence[Choice]
    """To which it can be assigned; none where it is known of which it is."""
    nearest: Sequence[RecordedCase]
    description: str | None
    marking: Marking | None
    """To draw where it is defective; None where there is no picture to draw on."""
    views: Sequence[ShownView]
    """Of a part by several pictures, all of them."""
    first: ShownView | None
    """The view that is shown large at first; None of a part by one picture."""


@ROUTER.get("/review")
def review_page(request: Request) -> HTMLResponse:
    """The part that this person is to look at next."""
    asked = asked_page(request, Right.REVIEW)
    return asked.answer("review", "review", **_task(asked, None))


@ROUTER.post("/review/{key}")
def review(request: Request, key: str, say: _Text, note: _Text = "", marks: Annotated[str, Form()] = "") -> Response:
    """What the person says of a part, and then the next one. marks: as `marks_of_text` takes them."""
    asked = asked_page(request, Right.REVIEW)
    reviewing, words = asked.station.reviewing, asked.words
    notice, status, is_hx = None, 200, "hx-request" in request.headers
    try:
        if say == "skip":
            reviewing.leave(asked.who, key)
        elif say.startswith(_PRODUCT):
            asked.station.assigning.assign(asked.who, key, say.removeprefix(_PRODUCT))
            notice = words("Assigned; the part waits for review there.")
            asked.station.news.tell()
        elif say == "undo":
            undone = reviewing.undo(asked.who)
            notice = words("Undone; the part waits again.") if undone else words("There is nothing to undo.")
        else:
            verdict, label = _said(say, asked.station.defects_of(asked.product))
            try:
                drawn = marks_of_text(marks)
                reviewing.review(asked.who, key, verdict, label, note.strip() or None, drawn)
            except MarksError as error:
                if is_hx:  # the page stays as it is, with what was drawn
                    return _in_place(asked, f"{error}")
                raise
            asked.station.news.tell()
    except OptionError as error:  # another person was quicker; the next part is shown with the sentence
        notice, status = recorded(f"{error}", asked.words), 409
    if not is_hx:
        if notice is not None:
            return asked.answer("review", "review", status, **_task(asked, notice))
        return RedirectResponse(f"/review?product={asked.product}", 303)
    task = render("review_task", asked.language, shell=asked.shell("review"), **_task(asked, notice))
    return HTMLResponse(task, status)


def _task(asked: PageAsked, notice: str | None) -> dict[str, Any]:
    """What the page shows of the next part."""
    station = asked.station
    waiting = station.reviewing.waiting(asked.product)
    told = asked.words.count("%(count)s part waits", "%(count)s parts wait", waiting)
    task = station.reviewing.next_task(asked.who, asked.product)
    return {"task": None if task is None else _view(asked, task), "waiting_words": told, "notice": notice}


def _view(asked: PageAsked, task: ReviewTask) -> TaskView:
    part = task.part
    record = read_record(asked.station.folder, part.journal, part.offset_bytes, part.key)
    classes = asked.station.defects_of(part.product)
    drafts = asked.station.reviewing.taken_back(asked.who, part.key)
    views = shown_views(record, asked.station.pictures, is_blind=task.is_blind)
    described = None if record.description is None else record.description.appearance
    return TaskView(
        part=part,
        why=task.why,
        shows_verdict=not task.is_blind,
        classes=classes,
        products=asked.assignable(part),
        nearest=() if task.is_blind else record.cases,
        description=None if task.is_blind else described,
        marking=marking_of(part, record, classes, drafts, is_blind=task.is_blind),
        views=views,
        first=first_view(views),
    )


def _in_place(asked: PageAsked, sentence: str) -> HTMLResponse:
    """A sentence into the page as it stands, so that nothing that was drawn is lost."""
    headers = {"HX-Retarget": "#refused", "HX-Reswap": "innerHTML"}
    return HTMLResponse(render("review_refused", asked.language, sentence=sentence), headers=headers)


def _said(say: str, classes: Sequence[str]) -> tuple[Verdict, str | None]:
    """Verdict and class of what a button sends. Raises OptionError."""
    if say == "pass":
        return Verdict.PASS, None
    if say == "fail":
        return Verdict.FAIL, None
    if say.startswith(_CLASS) and say.removeprefix(_CLASS) in classes:
        return Verdict.FAIL, say.removeprefix(_CLASS)
    raise OptionError(f"review: {say!r:.60} is nothing that can be said of a part.")
