"""Parts by several pictures: the worst view of each run decides, rules count over all views, one record holds all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kenpin.errors import OptionError, first_line
from kenpin.inspection.closer_look import Seen
from kenpin.inspection.fusing import SEVERITY, Fused, RegionsByRun
from kenpin.inspection.isolating import Failed, attempt, on_each
from kenpin.inspection.judging import Judges, with_checked
from kenpin.inspection.part_pictures import PartPictures, View
from kenpin.inspection.pictures import as_text
from kenpin.inspection.policy import Policy
from kenpin.inspection.record import Answer, PartRecord, RecordedView
from kenpin.inspection.runs import JudgedPart, PolicyRun
from kenpin.plural import counted
from kenpin.quality.part_verdicts import SeenView, judge_part, worst_view
from kenpin.records import Judgement, Verdict
from kenpin.regions.region import DefectRegion
from kenpin.views import PartViews


def views_of_runs(policy: Policy, runs: Mapping[str, PolicyRun]) -> PartViews | None:
    """The views by which the deciding runs judge parts; None where they judge single pictures. Raises OptionError where
    some do and some do not, or by other views."""
    deciding = {
        name: run.predictor.views
        for name, run in runs.items()
        # rules on regions promise nothing of single pictures, so that a run that decides by them fits any other
        if run.threshold is not None and (policy.runs[name].decides == "threshold" or run.predictor.views is not None)
    }
    by_part = {name: views for name, views in deciding.items() if views is not None}
    if not by_part:
        return None
    first, views = next(iter(by_part.items()))
    for name, others in deciding.items():
        if others is None or (others.count, others.names) != (views.count, views.names):
            how = f"by {others}" if others else "single pictures"
            raise OptionError(
                f"run {first} judges parts by {views}, and run {name} {how}, so that they have no verdict in common; "
                "train both with the same --by on the same views."
            )
    return views


@dataclass(frozen=True)
class _Joined:
    """A part with the answers on its views, by their places in it."""

    pictures: PartPictures
    judged: Mapping[int, JudgedPart]
    errors: Mapping[int, str]
    """Why others could not be judged."""
    judgements: Mapping[str, Judgement]
    worst_by_run: Mapping[str, int]
    fused: Fused

    @property
    def worst(self) -> int | None:
        """The view that decides: the worst one of the first run with the worst verdict. None where none was judged."""
        named = sorted(
            self.worst_by_run,
            key=lambda name: -SEVERITY[self.judgements[name].verdict] if name in self.judgements else 1,
        )
        return self.worst_by_run[named[0]] if named else None

    def seen_as(self, place: int) -> JudgedPart:
        """A view under the part's verdict, by which its maps are drawn."""
        verdict, reasons, rule = self.fused
        return replace(self.judged[place], verdict=verdict, reasons=reasons, rule=rule)

    def as_one(self, worst: int) -> JudgedPart:
        """The part as if it were one picture, on which each run answers what it answers on its worst view."""
        verdict, reasons, rule = self.fused
        return JudgedPart(
            self.pictures.whole(self.pictures.views[worst]),
            {run: self.judged[place].outputs[run] for run, place in self.worst_by_run.items()},
            self.judgements,
            verdict,
            reasons,
            rule,
            {
                run: self.judged[place].regions[run]
                for run, place in self.worst_by_run.items()
                if run in self.judged[place].regions
            },
        )


class PartJudges:
    """The loaded runs of a policy, as they judge parts by several pictures."""

    def __init__(self, judges: Judges, policy: Policy, views: PartViews) -> None:
        self._judges, self.views = judges, views
        self._deciding = {
            name: run.threshold
            for name, run in judges.runs.items()
            if run.threshold is not None and policy.runs[name].decides == "threshold"
        }

    def judge(self, parts: Sequence[PartPictures], out: Path) -> list[PartRecord]:
        """One record a part, whatever fails. out: the folder of the records, where maps are written.

        REVIEW where a view is missing, another one came, or one could not be judged, whatever the rules are.
        """
        answers = iter(self._judges.judged([view.opened for part in parts for view in part.views]))
        joined = [self._join(part, [next(answers) for _ in part.views]) for part in parts]
        judged = [(part, part.seen_as(worst)) for part in joined if (worst := part.worst) is not None]
        looks = iter(
            on_each(lambda some: self._judges.closer_look.look(some, out), [of_worst for _, of_worst in judged])
        )
        return [self._record(part, next(looks) if part.judged else Seen(), out) for part in joined]

    def _join(self, part: PartPictures, answers: Sequence[JudgedPart | Failed | None]) -> _Joined:
        judged, errors = dict[int, JudgedPart](), dict[int, str]()
        for place, (view, answer) in enumerate(zip(part.views, answers, strict=True)):
            if isinstance(answer, JudgedPart):
                judged[place] = replace(answer, regions=_on_view(answer.regions, view))
            else:
                failed = None if answer is None else f"The runs failed on it: {first_line(answer.error)}"
                errors[place] = as_text(failed or f"{view.opened.error}")
        judgements, worst_by_run = dict[str, Judgement](), dict[str, int]()
        for name in self._judges.runs if judged else ():
            seen = {
                place: SeenView(part.views[place].name, of.outputs[name].prediction) for place, of in judged.items()
            }
            worst = worst_view([*seen.values()])
            worst_by_run[name] = next(place for place, view in seen.items() if view is worst)
            if name in self._deciding:
                judgements[name] = judge_part(part.id, [*seen.values()], self.views, self._deciding[name])
        hindrance = part.hindrance or self.views.hindrance([view.name for view in part.views])
        if hindrance is not None or errors:
            why = [f"{part.views[place].shown}: {error}" for place, error in errors.items()]
            fused = Fused(Verdict.REVIEW, tuple(why if hindrance is None else [hindrance, *why]))
        else:
            regions = {
                # the largest of all first, as those of a picture are
                name: sorted((one for of in judged.values() for one in of.regions[name]), key=_area, reverse=True)
                for name in judged[0].regions
            }
            fused = self._judges.fused(judgements, regions)
        return _Joined(part, judged, errors, judgements, worst_by_run, fused)

    def _record(self, part: _Joined, look: Seen | Failed, out: Path) -> PartRecord:
        worst, views = part.worst, part.pictures.views
        if worst is None:
            record = self._judges.record(part.pictures.whole(views[0]), part.fused.verdict, part.fused.reasons)
            return self._with_views(record, part, {})
        seen = {worst: Seen(failed={"The closer look": look.error}) if isinstance(look, Failed) else look}
        failed = dict(seen[worst].failed)
        for place in part.judged:
            if place == worst:
                continue
            (drawn,) = on_each(lambda some: self._judges.closer_look.draw(some, out), [part.seen_as(place)])
            seen[place] = Seen(failed={"The maps": drawn.error}) if isinstance(drawn, Failed) else drawn
            failed |= {f"{what}, {views[place].shown}": error for what, error in seen[place].failed.items()}
        maps = {run: seen[place].maps[run] for run, place in part.worst_by_run.items() if run in seen[place].maps}
        record = self._judges.whole(part.as_one(worst), replace(seen[worst], maps=maps, failed=failed))
        answers = tuple(replace(one, view=as_text(views[part.worst_by_run[one.run]].shown)) for one in record.answers)
        return self._with_views(replace(record, answers=answers), part, seen)

    def _with_views(self, record: PartRecord, part: _Joined, seen: Mapping[int, Seen]) -> PartRecord:
        """The record with each view, and where it can hold them the answers on it."""

        def recorded(answers_of: Mapping[int, tuple[Answer, ...]]) -> tuple[RecordedView, ...]:
            return tuple(
                _recorded(view, part.errors.get(place), answers_of.get(place, ()))
                for place, view in enumerate(part.pictures.views)
            )

        def answered() -> PartRecord:
            answers = {place: self._judges.answers(of, seen[place])["answers"] for place, of in part.judged.items()}
            return with_checked(record, {"views": recorded(answers)})

        found = attempt(answered)
        if not isinstance(found, Failed):
            return found
        note = as_text(f"The record cannot hold the answers on each view: {first_line(found.error)}")
        return replace(record, views=recorded({}), reasons=(*record.reasons, note))


def not_by_part(judges: Judges, part: PartPictures) -> PartRecord:
    """The record of a part that came by several pictures to runs that judge single ones."""
    why = f"It came as {counted(len(part.views), 'picture')}, and parts are judged by single ones: a person must look."
    record = judges.record(part.whole(part.views[0]), Verdict.REVIEW, (why,))
    return replace(record, views=tuple(_recorded(view, _error_of(view), ()) for view in part.views))


def _on_view(regions: RegionsByRun, view: View) -> dict[str, tuple[DefectRegion, ...]]:
    return {
        run: tuple(replace(region, view=as_text(view.shown)) for region in of_run) for run, of_run in regions.items()
    }


def _area(region: DefectRegion) -> float:
    return region.area_px


def _error_of(view: View) -> str | None:
    return None if view.opened.error is None else as_text(f"{view.opened.error}")


def _recorded(view: View, error: str | None, answers: tuple[Answer, ...]) -> RecordedView:
    opened = view.opened
    return RecordedView(
        None if view.name is None else as_text(view.name),
        opened.seen.id,
        opened.whole_path,
        opened.picture_hash,
        opened.seen.size_bytes,
        opened.seen.modified_ns,
        None if opened.image is None else opened.image.size,
        error,
        answers,
    )
