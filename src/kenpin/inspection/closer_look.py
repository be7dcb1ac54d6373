"""The closer look at parts that do not pass: maps, similar known cases, and descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kenpin.base_predictor import load_conversational
from kenpin.cases.case import Found, VectorRun
from kenpin.data.images import as_rgb
from kenpin.description import describer_of
from kenpin.description.evidence import Evidence, evidence_of, witness_of
from kenpin.description.options import AblationOptions
from kenpin.drawing import draw_layer, draw_maps
from kenpin.errors import OptionError, first_line
from kenpin.files import new_file
from kenpin.inspection.isolating import Failed, attempt, on_each
from kenpin.inspection.policy import Policy
from kenpin.inspection.runs import JudgedPart, PolicyRun, map_against, maps_of
from kenpin.models.contract import Explained
from kenpin.models.outputs import vectors_of
from kenpin.records import Map
from kenpin.run.record import read_record, record_hash, space_of

if TYPE_CHECKING:
    from kenpin.cases.library import CaseLibrary
    from kenpin.description.describer import Described, Describer

_MAPS = "maps"


@dataclass(frozen=True)
class Seen:
    """Results of a closer look, and its failed steps."""

    maps: Mapping[str, str] = field(default_factory=dict)
    """Files of drawn maps below the folder of the records, by run; on disk."""
    cases: tuple[Found, ...] = ()
    """Nearest first."""
    described: Described | None = None
    failed: Mapping[str, BaseException] = field(default_factory=dict)
    """Errors by the name of the failed step."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each step that failed."""
        return tuple(f"{what} failed: {first_line(error)}" for what, error in self.failed.items())


@dataclass(frozen=True)
class _Shown:
    """Results on a part before it is described."""

    maps: Mapping[str, tuple[Map, ...]]
    seen: Seen


class CloserLook:
    """The steps that the policy asks for beside verdicts."""

    def __init__(self, policy: Policy, runs: Mapping[str, PolicyRun], device: str | None) -> None:
        """Raises OptionError, RunError, CaseLibraryError, MissingExtraError."""
        self._policy, self._runs = policy, runs
        for name in policy.maps.of if policy.maps else ():
            if not isinstance(runs[name].predictor.model, Explained):
                raise OptionError(f"option `maps`: run {name} has no map of its answers; leave it out.")
        self._library = _library(policy, runs)
        self._describer = _describer(policy, device)

    @property
    def describes_by(self) -> str | None:
        """Hash of the describing run; None where none describes."""
        return None if self._policy.describe is None else record_hash(read_record(self._policy.describe.run))

    def rehearse(self, part: JudgedPart) -> None:
        """Take every step on a part without keeping results. Raises the error of a failed step."""
        (seen,) = self.look([part], None)
        for error in seen.failed.values():
            raise error

    def draw(self, views: Sequence[JudgedPart], out: Path) -> list[Seen]:
        """The maps alone, of further views of parts. out: as for `look`."""
        return [self._show(view, False, out, with_cases=False).seen for view in views]

    def look(self, parts: Sequence[JudgedPart], out: Path | None) -> list[Seen]:
        """Look at each part as its verdict asks for. A failed step on a part leaves the part's other steps, and other
        parts, unchanged.

        out: the folder of the records; None in a rehearsal, which takes every step whatever the verdict.
        """
        always = out is None
        shown = [self._show(part, always, out) for part in parts]
        asked = self._policy.describe
        if asked is None:
            return [entry.seen for entry in shown]
        indices = [index for index, part in enumerate(parts) if always or part.verdict in asked.when]
        seen = [entry.seen for entry in shown]
        answers = on_each(self._describe, [(parts[index], shown[index]) for index in indices])
        for index, answer in zip(indices, answers, strict=True):
            if isinstance(answer, Failed):
                seen[index] = replace(seen[index], failed={**seen[index].failed, "The description": answer.error})
            else:
                seen[index] = replace(seen[index], described=answer)
        return seen

    def _show(self, part: JudgedPart, always: bool, out: Path | None, *, with_cases: bool = True) -> _Shown:
        """Maps, and known cases."""
        maps: dict[str, tuple[Map, ...]] = {}
        files: dict[str, str] = {}
        cases: tuple[Found, ...] = ()
        failed: dict[str, BaseException] = {}
        asked = self._policy.maps
        for name in asked.of if asked is not None and (always or part.verdict in asked.when) else ():
            found_maps = attempt(partial(maps_of, self._runs[name], part.opened, part.outputs[name]))
            file = (
                found_maps
                if isinstance(found_maps, Failed)
                else attempt(partial(self._draw, part, name, found_maps, out))
            )
            if not isinstance(found_maps, Failed):
                maps[name] = found_maps
            if isinstance(file, Failed):
                failed[f"The map of {name}"] = file.error
            else:
                files[name] = file
        near = attempt(lambda: self._cases(part, always) if with_cases else ())
        if isinstance(near, Failed):
            failed["The search for known cases"] = near.error
        else:
            cases = near
        return _Shown(maps, Seen(files, cases, None, failed))

    def _draw(self, part: JudgedPart, name: str, maps: tuple[Map, ...], out: Path | None) -> str:
        """The file of a run's map, below the folder of the records."""
        run, image = self._runs[name], part.opened.image
        assert image is not None
        picture = draw_maps(image, maps, fails_from=run.predictor.fails_on_map, regions=part.regions.get(name, ()))
        # the same picture and run have the same map, so no map overwrites a different one
        file = f"{_MAPS}/{part.opened.picture_hash}-{name}-{run.version[:8]}.png"
        if out is not None:
            with new_file(out / file) as unfinished:
                picture.save(unfinished, "PNG")
            if maps and self._policy.maps is not None and self._policy.maps.layers:
                with new_file(out / layer_of(file)) as unfinished:
                    draw_layer(maps[0], fails_from=run.predictor.fails_on_map).save(unfinished, "PNG")
        return file

    def _cases(self, part: JudgedPart, always: bool) -> tuple[Found, ...]:
        """The nearest known cases, without the picture itself."""
        asked = self._policy.cases
        if asked is None or self._library is None or not (always or part.verdict in asked.when):
            return ()
        vector = vectors_of(part.outputs[asked.run].raw)
        (hits,) = self._library.search(vector, k=asked.nearest + 1)
        return tuple(near for near in hits if near.case.id != part.opened.picture_hash)[: asked.nearest]

    def _describe(self, parts: Sequence[tuple[JudgedPart, _Shown]]) -> list[Described]:
        assert self._describer is not None
        evidence = [self._evidence(part, shown.maps, shown.seen.cases) for part, shown in parts]
        images = [as_rgb(part.opened.image) for part, _ in parts if part.opened.image is not None]
        return self._describer.describe(images, evidence)

    def _evidence(self, part: JudgedPart, maps: Mapping[str, tuple[Map, ...]], cases: tuple[Found, ...]) -> Evidence:
        image = part.opened.image
        witnesses = [
            witness_of(
                name,
                part.outputs[name].prediction,
                part.judgements.get(name),
                run.threshold,
                size_wh=None if image is None else image.size,
                map=map_against(run, part.outputs[name], maps.get(name, ())),
            )
            for name, run in self._runs.items()
        ]
        return evidence_of(
            witnesses,
            cases,
            metric="cosine" if self._library is None else self._library.metric,
            verdict=part.verdict,
            reasons=part.reasons,
            classes=[label for run in self._runs.values() for label in run.record.labels],
            ok_classes=[label for run in self._runs.values() for label in run.record.ok_labels],
        )


def layer_of(map_file: str) -> str:
    """The file of the layer beside that of a map.

    >>> layer_of("maps/ab-distance-12.png")
    'maps/ab-distance-12-layer.png'
    """
    return f"{map_file.removesuffix('.png')}-layer.png"


def _library(policy: Policy, runs: Mapping[str, PolicyRun]) -> CaseLibrary | None:
    asked = policy.cases
    if asked is None:
        return None
    from kenpin.cases.library import CaseLibrary

    library = CaseLibrary.open(asked.library)
    folder = policy.runs[asked.run].run
    library.check(VectorRun(space_of(runs[asked.run].record), folder.name, str(folder)))
    return library


def _describer(policy: Policy, device: str | None) -> Describer | None:
    asked = policy.describe
    if asked is None:
        return None
    options = AblationOptions(evidence=(asked.run,), language=asked.language, text_length=asked.text_length)
    return describer_of(load_conversational(str(asked.run), device=device), options).leaving_out(asked.leave_out)
