"""The closer look at parts that do not pass: maps that say where, known cases that were like it, and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL.Image import Image

from kenpin.cases.case import Found, VectorRun
from kenpin.description import describer_of
from kenpin.description.evidence import Evidence, evidence_of, witness_of
from kenpin.description.options import AblationOptions
from kenpin.drawing import draw_maps
from kenpin.errors import OptionError
from kenpin.files import new_file
from kenpin.inspection.policy import Policy
from kenpin.inspection.runs import Judged, Run, example_of
from kenpin.models.contract import Explained, Localised
from kenpin.models.restoring import vectors_of
from kenpin.predictor import load_conversational
from kenpin.records import Map
from kenpin.run.record import read_record, record_hash, space_of

if TYPE_CHECKING:
    from kenpin.cases.library import CaseLibrary
    from kenpin.description.describer import Described, Describer

_MAPS = "maps"


@dataclass(frozen=True)
class Seen:
    """What a closer look found."""

    maps: Mapping[str, str]
    """Files of drawn maps below the folder of the records, by run; on disk."""
    cases: tuple[Found, ...]
    """Nearest first."""
    described: Described | None


class CloserLook:
    """What the policy asks for beside verdicts."""

    def __init__(self, policy: Policy, runs: Mapping[str, Run], device: str | None) -> None:
        """Raises OptionError, RunError, CaseLibraryError, MissingExtraError."""
        self._policy, self._runs = policy, runs
        for name in policy.maps.of if policy.maps else ():
            if not isinstance(runs[name].predictor.inspector, Explained):
                raise OptionError(f"option `maps`: run {name} has no map of its answers; leave it out.")
        self._library = _library(policy, runs)
        self._describer = _describer(policy, device)

    @property
    def describes_by(self) -> str | None:
        """Hash of the run that describes; None where none does."""
        return None if self._policy.describe is None else record_hash(read_record(self._policy.describe.run))

    def look(self, parts: Sequence[Judged], out: Path | None) -> list[Seen]:
        """At each part as its verdict asks for. out: the folder of the records; None: a rehearsal, of everything."""
        always = out is None
        maps = [self._maps(part, always) for part in parts]
        cases = [self._cases(part, always) for part in parts]
        described = self._describe(parts, maps, cases, always)
        return [
            Seen(self._draw(part, of_part, out), near, said)
            for part, of_part, near, said in zip(parts, maps, cases, described, strict=True)
        ]

    def _maps(self, part: Judged, always: bool) -> dict[str, tuple[Map, ...]]:
        asked = self._policy.maps
        if asked is None or not (always or part.verdict in asked.when):
            return {}
        return {name: _maps_of(self._runs[name], part) for name in asked.of}

    def _draw(self, part: Judged, maps: Mapping[str, tuple[Map, ...]], out: Path | None) -> dict[str, str]:
        files = {}
        for name, shown in maps.items():
            run, image = self._runs[name], part.opened.image
            assert image is not None
            drawn = draw_maps(image, shown, fails_from=run.predictor.fails_on_map)
            # the same picture and run have the same map, so that none is drawn over by another
            files[name] = f"{_MAPS}/{part.opened.picture_hash}-{name}-{run.version[:8]}.png"
            if out is not None:
                _save(drawn, out / files[name])
        return files

    def _cases(self, part: Judged, always: bool) -> tuple[Found, ...]:
        """The nearest known cases, the picture itself left out."""
        asked = self._policy.cases
        if asked is None or self._library is None or not (always or part.verdict in asked.when):
            return ()
        vector = vectors_of(part.said[asked.run].raw).float().numpy()
        (found,) = self._library.search(vector, k=asked.nearest + 1)
        return tuple(one for one in found if one.case.id != part.opened.picture_hash)[: asked.nearest]

    def _describe(
        self,
        parts: Sequence[Judged],
        maps: Sequence[Mapping[str, tuple[Map, ...]]],
        cases: Sequence[tuple[Found, ...]],
        always: bool,
    ) -> list[Described | None]:
        asked, describer = self._policy.describe, self._describer
        said: list[Described | None] = [None] * len(parts)
        if asked is None or describer is None:
            return said
        places = [place for place, part in enumerate(parts) if always or part.verdict in asked.when]
        evidence = [self._evidence(parts[place], maps[place], cases[place]) for place in places]
        images = [image for place in places if (image := parts[place].opened.image) is not None]
        for place, one in zip(places, describer.describe(images, evidence) if places else (), strict=True):
            said[place] = one
        return said

    def _evidence(self, part: Judged, maps: Mapping[str, tuple[Map, ...]], cases: tuple[Found, ...]) -> Evidence:
        image = part.opened.image
        witnesses = [
            witness_of(
                name,
                part.said[name].prediction,
                part.judgements.get(name),
                run.threshold,
                size_wh=None if image is None else image.size,
                map=_against(run, part, maps.get(name, ())),
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


def _maps_of(run: Run, part: Judged) -> tuple[Map, ...]:
    """Read off the raw outputs where the score is, else explained anew."""
    inspector, image = run.predictor.inspector, part.opened.image
    assert image is not None
    if isinstance(inspector, Localised):
        return (inspector.map_of(part.said[run.name].raw["map"][0], image.size),)
    assert isinstance(inspector, Explained)
    (maps,) = inspector.maps([image], [example_of(part.opened)])
    return maps


def _against(run: Run, part: Judged, maps: Sequence[Map]) -> Map | None:
    """The map of what speaks against the part; None where it explains a good class, or single boxes."""
    good = part.said[run.name].prediction.label in run.record.ok_labels
    return maps[0] if maps and not good and run.predictor.target == "label" else None


def _library(policy: Policy, runs: Mapping[str, Run]) -> CaseLibrary | None:
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


def _save(image: Image, path: Path) -> None:
    """Write a picture so that it is whole wherever it has its name."""
    with new_file(path) as unfinished:
        image.save(unfinished, "PNG")
