"""From reviewed parts to a version that waits for approval: data sets, trainings, and what their runs change."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import select

from kenpin.data.part_names import is_form
from kenpin.errors import KenpinError, OptionError, RunError, check_training_installed
from kenpin.files import write_json
from kenpin.inspection.policy import MapOptions, Policy, RunOptions
from kenpin.models import family_names
from kenpin.models.package import folder_of_report
from kenpin.records import Detections, Verdict
from kenpin.run.record import read_record
from kenpin.station.clock import Clock, now_us
from kenpin.station.folder import StationFolder, check_product
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.learning.applied import CANCELLED, FROZEN, ORDERED
from kenpin.station.learning.commands import repeated_options, training_command
from kenpin.station.learning.data_sets import DATA, FrozenDataSet, freeze, read_frozen
from kenpin.station.learning.jobs import Job, JobOrder, Jobs, JobState, forecast
from kenpin.station.learning.reviewed import ReviewedPart, ReviewedView
from kenpin.station.reviewing.marks import DefectMark, detections_of_marks, kept_marks, on_views
from kenpin.station.store.entering import Entering
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import PARTS
from kenpin.station.store.review_tables import REVIEWS
from kenpin.station.store.views import ViewRow, stream_views
from kenpin.station.versions.deciding import Versions, versions_of
from kenpin.station.versions.installing import read_version
from kenpin.station.who.rights import Person, Right

_log = logging.getLogger(__name__)
RUN = "run"
_COMPARED, _COMPARED_PAGE = "comparison.json", "comparison.html"
_VERSION = "version.json"
"""What came of a job's run: the origin of its version, or why it became none."""
_COMPARES_S = 3_600
_ORDERINGS = 5  # that are told
_OWN_BASES = ("mahalanobis", "classifier")
"""Families whose usual base is in a package."""


@dataclass(frozen=True, slots=True)
class Ordering:
    """A training whose memory and time are being forecast, or that was refused by it."""

    who: str
    product: str
    data_set: str
    family: str
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class NamedDataSet:
    """A frozen data set and its name."""

    name: str
    frozen: FrozenDataSet


class Learning:
    """What a station learns from what people said; for any thread."""

    def __init__(
        self, folder: StationFolder, store: Store, entering: Entering, versions: Versions, pictures: KeptPictures,
        clock: Clock = now_us,
    ) -> None:  # fmt: skip
        self._folder, self._store, self._entering = folder, store, entering
        self._versions, self._pictures, self._clock = versions, pictures, clock
        self.jobs = Jobs(folder, entering.node)
        self._forecasting = ThreadPoolExecutor(1, "forecast")
        self._orderings: dict[int, Ordering] = {}
        self._changing = Lock()

    # ---- data sets ----

    def data_sets(self, product: str) -> list[NamedDataSet]:
        """The frozen data sets of a product, the newest first. Raises RunError where one is not as it was frozen."""
        return [NamedDataSet(name, read_frozen(self._folder.data_sets / name)) for name in self._names(product)]

    def _names(self, product: str) -> list[str]:
        """Of the data sets of a product, the newest first."""
        numbers = [
            int(number)
            for path in self._folder.data_sets.glob(f"{product}-*")
            if (number := path.name.removeprefix(f"{product}-")).isdecimal()
        ]
        return [f"{product}-{number}" for number in sorted(numbers, reverse=True)]

    def freeze(self, who: Person, product: str, *, of_boxes: bool = False) -> NamedDataSet:
        """Freeze all settled parts of a product, and the good ones that it was set up with, as its next data set. What
        was held out stays held out. of_boxes: with what people drew, in place of classes of pictures. Raises
        NotAllowedError, DatasetError, OptionError, OutputError, StoreError."""
        who.check(Right.LEARN)
        check_product(product)
        reviewed = self._reviewed(product)
        known = {part.content for part in reviewed}
        return self._freeze(who, product, [*self._uploaded(product, known), *reviewed], of_boxes=of_boxes)

    def _freeze(
        self, who: Person, product: str, parts: Sequence[ReviewedPart], *, of_boxes: bool = False
    ) -> NamedDataSet:
        with self._changing:
            earlier = self.data_sets(product)
            number = max((int(one.name.rpartition("-")[2]) for one in earlier), default=0) + 1
            name = f"{product}-{number}"
            self._folder.data_sets.mkdir(exist_ok=True)
            frozen = freeze(
                parts, self._folder.data_sets / name, who=who.name, at_us=self._clock(),
                earlier=[one.frozen for one in reversed(earlier)], of_boxes=of_boxes, by=self._by(product),
            )  # fmt: skip
            about = {"product": product, "data_set": name, "fingerprint": frozen.fingerprint}
            self._entering.enter(who.name, FROZEN, {**about, "parts": len(frozen.parts)})
            return NamedDataSet(name, frozen)

    def take_good(self, who: Person, product: str, pictures: Iterable[tuple[str, str, Path]]) -> NamedDataSet:
        """Freeze pictures of good parts as a data set to begin with. pictures: of each its name, the hash of its
        content, and its file on the station's disk. Raises NotAllowedError, DatasetError where there are none,
        OutputError."""
        who.check(Right.UPLOAD)
        check_training_installed()
        check_product(product)
        now, parts = self._clock(), dict[str, ReviewedPart]()
        for name, content, came in pictures:
            self._pictures.take(content, came)
            file = self._pictures.path(content)
            parts[content] = ReviewedPart(name, content, file, Verdict.PASS, None, None, who.name, now, sampled=False)
        return self._freeze(who, product, [*parts.values()])

    def _uploaded(self, product: str, known: Collection[str]) -> list[ReviewedPart]:
        """Good parts of the set-up, which never came over the line. known: contents that people settled since."""
        parts = {
            part.content: ReviewedPart(
                part.id, part.content, self._pictures.path(part.content), Verdict.PASS, None, None, part.settled_by,
                part.settled_us, part.sampled,
            )
            for one in self.data_sets(product)
            for part in one.frozen.parts
            if part.verdict is Verdict.PASS and not part.views and part.content not in known
        }  # fmt: skip
        return [*parts.values()]

    def _reviewed(self, product: str) -> list[ReviewedPart]:
        settled = select(PARTS).where(PARTS.c.product == product, PARTS.c.settled_verdict.is_not(None))
        said = select(REVIEWS.c.key, REVIEWS.c.who, REVIEWS.c.at_us).where(~REVIEWS.c.undone).order_by(REVIEWS.c.at_us)
        drawn = select(REVIEWS.c.key, REVIEWS.c.marks).where(REVIEWS.c.marks_hold)
        with self._store.reading(most_s=None) as connection:
            rows = connection.execute(settled.order_by(PARTS.c.seq)).all()
            last = {row.key: row for row in connection.execute(said)}
            marks = {row.key: row.marks for row in connection.execute(drawn)}
        views: dict[str, list[ViewRow]] = {}
        for view in stream_views(self._store, product):
            views.setdefault(view.key, []).append(view)
        drawn_on = {
            key: _by_view(
                on_views(kept_marks(of), next((one.number for one in views.get(key, ()) if one.decides), None))
            )
            for key, of in marks.items()
        }
        nothing: dict[int | None, Detections | None] = {}
        return [
            ReviewedPart(
                id=row.id,
                content=row.content if row.key in views else row.picture_hash,
                picture=self._pictures.path(row.picture_hash),
                verdict=Verdict(row.settled_verdict),
                label=row.settled_label,
                boxes=drawn_on.get(row.key, nothing).get(None),
                settled_by=last[row.key].who if row.key in last else "",
                settled_us=last[row.key].at_us if row.key in last else row.judged_us,
                sampled=row.sampled is not None,
                is_picture=all(one.width_px is not None for one in views.get(row.key, (row,))),
                views=tuple(
                    ReviewedView(
                        view.name, view.picture_hash, self._pictures.path(view.picture_hash),
                        drawn_on.get(row.key, nothing).get(view.number),
                    )
                    for view in views.get(row.key, ())
                ),
            )
            for row in rows
            if row.picture_hash
        ]  # fmt: skip

    # ---- trainings ----

    def families(self, product: str) -> tuple[str, ...]:
        """What can be trained: those that need nothing else, and those of the runs that judge now, whose options are
        taken again: others have bases that would be loaded from elsewhere."""
        policy = self._running(product)
        running = () if policy is None else (_family(one.run) for one in policy.runs.values())
        return tuple(dict.fromkeys(name for name in (*_OWN_BASES, *running) if name in family_names()))

    def begin(
        self, who: Person, product: str, data_set: str, family: str, values: Mapping[str, Any] | None = None
    ) -> Future[int | None]:
        """Order a training, which takes a while: its first steps are tried for the forecast. values: options of the
        family; None: those of the run of this family that judges now. The result is the number of its job, or None
        where the forecast refused it, as `orderings` tells. Raises NotAllowedError, OptionError."""
        who.check(Right.LEARN)
        check_training_installed()
        if values is None:
            if family not in (known := self.families(product)):
                raise OptionError(f"family {family!r:.60}: is not trained here; take one of {', '.join(known)}.")
            former = self._run_that_judges(product, family)
            values = {} if former is None else repeated_options(former)
        self._command(product, data_set, family, values)
        ordering = Ordering(who.name, product, data_set, family)
        with self._changing:
            number = max(self._orderings, default=0) + 1
            self._orderings[number] = ordering

        def work() -> int | None:
            refusal: str | None = None
            try:
                return self.order(who, product, data_set, family, values)
            except (KenpinError, OSError) as error:
                refusal = f"{error}"
                return None
            finally:
                with self._changing:
                    self._orderings.pop(number)
                    if refusal is not None:
                        self._orderings[number] = replace(ordering, refusal=refusal)

        return self._forecasting.submit(work)

    def orderings(self, product: str) -> list[Ordering]:
        """Trainings that are being forecast, and the last that were refused by it, the newest first."""
        with self._changing:
            return [one for one in reversed(self._orderings.values()) if one.product == product][:_ORDERINGS]

    def close(self) -> None:
        """End forecasts; trainings go on."""
        self._forecasting.shutdown(cancel_futures=True)

    def _command(self, product: str, data_set: str, family: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        if data_set not in self._names(product):
            raise OptionError(f"data set {data_set!r:.60}: {product} has none of this name; freeze one.")
        frozen = read_frozen(self._folder.data_sets / data_set)
        data = self._folder.data_sets / data_set / DATA
        own = {} if frozen.by is None else {"by": frozen.by}
        return training_command(family, data, Path(RUN), {"ok_labels": [*frozen.ok_labels], **values, **own})

    def order(self, who: Person, product: str, data_set: str, family: str, values: Mapping[str, Any]) -> int:
        """Order a training on a frozen data set, and return the number of its job. values: options of the family.
        Raises NotAllowedError, OptionError where the options or the forecast do not fit, OutputError."""
        who.check(Right.LEARN)
        command = self._command(product, data_set, family, values)
        told = forecast(command)
        with self._changing:
            number = self.jobs.order(
                JobOrder(self._entering.node, product, command, RUN, data_set, who.name, self._clock(), told)
            )
            about = {"product": product, "job": number, "data_set": data_set, "family": family}
            self._entering.enter(who.name, ORDERED, about)
        return number

    def cancel(self, who: Person, number: int) -> Job:
        """Ask a job to end. Raises NotAllowedError, OptionError, RunError."""
        who.check(Right.LEARN)
        job = self.jobs.cancel(number, who.name)
        self._entering.enter(who.name, CANCELLED, {"product": job.order.product, "job": number})
        return job

    def tend(self) -> None:
        """What a service does every few seconds: begin jobs that wait, and make versions of the runs of finished ones.
        A fault of one job is in the log, and hinders no other."""
        self.jobs.tend()
        for job in self.jobs.all():
            is_mine = job.order.node == self._entering.node
            if is_mine and job.state is JobState.FINISHED and not (job.folder / _VERSION).is_file():
                write_json(job.folder / _VERSION, self._make_version(job))

    def _make_version(self, job: Job) -> dict[str, object]:
        """Compare its run, and make a version of it; returns what came of it."""
        if not self._is_version(job):  # else the service was killed before it was written down
            try:
                self._compare(job)
                self._install(job)
            except (KenpinError, OSError, subprocess.SubprocessError) as error:
                _log.error("job %s became no version: %s", job.number, error)
                return {"error": f"{error}"}
        return {"origin": _origin(job)}

    def comparison(self, job: Job) -> Path | None:
        """The page on which a job's run is compared with the version that judged then; None where there was none."""
        page = job.folder / _COMPARED_PAGE
        return page if page.is_file() else None

    def _is_version(self, job: Job) -> bool:
        with self._store.reading() as connection:
            return any(one.origin == _origin(job) for one in versions_of(connection, job.order.product))

    def _running(self, product: str) -> Policy | None:
        version = self._versions.running().get(product)
        return None if version is None else read_version(self._folder, product, version)

    def _by(self, product: str) -> str | None:
        """What tells parts by several pictures to the runs that judge; None where they judge single ones."""
        policy = self._running(product)
        return None if policy is None else next(filter(None, (_by_of(one.run) for one in policy.runs.values())), None)

    def _run_that_judges(self, product: str, family: str) -> Path | None:
        policy = self._running(product)
        name = None if policy is None else _run_of(policy, family)
        return None if policy is None or name is None else policy.runs[name].run

    def _compare(self, job: Job) -> None:
        """Compare with the run of its family that judges now, in a process of its own."""
        before = self._run_that_judges(job.order.product, _family(job.run))
        if before is None or (job.folder / _COMPARED).is_file():
            return
        frozen = read_frozen(self._folder.data_sets / job.order.data_set)
        data = self._folder.data_sets / job.order.data_set / DATA
        words = [
            *job.order.command[:4], "compare", str(before), str(job.run), f"--data={data}",
            *(f"--ok-labels={label}" for label in frozen.ok_labels), f"--json={job.folder / _COMPARED}",
            f"--out={job.folder / _COMPARED_PAGE}", "--overwrite",
        ]  # fmt: skip
        with (job.folder / "comparison.txt").open("wb") as log:
            subprocess.run(
                words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, timeout=_COMPARES_S, check=False
            )  # what cannot be compared is told beside the version, which a person decides about

    def _install(self, job: Job) -> None:
        """Make a version of its run, which then waits for a decision."""
        policy = self._running(job.order.product)
        who = Person(job.order.who, None, frozenset(), None)
        self._versions.install(who, job.order.product, with_run(policy, job.run), _origin(job))


def _by_view(marks: Iterable[DefectMark]) -> dict[int | None, Detections | None]:
    """Marks as boxes, by the views that they are on."""
    found: dict[int | None, list[DefectMark]] = {}
    for mark in marks:
        found.setdefault(mark.view, []).append(mark)
    return {view: detections_of_marks(of) for view, of in found.items()}


def with_run(policy: Policy | None, run: Path) -> Policy:
    """A policy with a new run in place of the one of its family; where there is none, of this run alone, with maps of
    what does not pass where the family can show them. Raises RunError."""
    family = _family(run)
    if policy is None:
        maps = MapOptions(of=(family,), layers=True) if family == "mahalanobis" else None
        return Policy(runs={family: {"run": str(run)}}, maps=maps)
    name = _run_of(policy, family)
    if name is None:
        raise RunError(
            f"{run}: is of family {family}, and the version that judges has no run of it; train one of the kind "
            "that it has, or set up another product with it."
        )
    # its own threshold, and regions from there: what was set for the former run belongs to other scores
    former = policy.runs[name]
    options = RunOptions(run=run, decides=former.decides, ignore_below=former.ignore_below)
    by = _by_of(run)
    if by is not None and not is_form(by):  # a column tells nothing of files: their form stays that of the former run
        former_by = policy.by or _by_of(former.run)
        by = former_by if former_by is not None and is_form(former_by) else None
    else:
        by = None if by is None else policy.by
    return policy.model_copy(update={"runs": {**policy.runs, name: options}, "by": by})


def _run_of(policy: Policy, family: str) -> str | None:
    """The run of a policy that is of this family."""
    return next((name for name, one in policy.runs.items() if _family(one.run) == family), None)


def _by_of(run: Path) -> str | None:
    """What tells a run, or that of a package, the parts by several pictures; None where it judges single ones."""
    parts = read_record(folder_of_report(run)).parts
    return None if parts is None else parts["by"]


def _family(run: Path) -> str:
    """The family of a run, or of the run that a package came from."""
    return read_record(folder_of_report(run)).family


def _origin(job: Job) -> str:
    return f"job {job.number}"
