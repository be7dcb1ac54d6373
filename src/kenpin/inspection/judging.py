"""The judges: opened pictures in, part records out, by the runs of a policy, shared features computed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kenpin.cases.case import Found
from kenpin.chained import line_of
from kenpin.errors import OptionError, first_line
from kenpin.inspection.closer_look import CloserLook, Seen
from kenpin.inspection.fusing import Fused, RegionsByRun, fuse
from kenpin.inspection.isolating import Failed, attempt, on_each
from kenpin.inspection.part_regions import RegionFinder
from kenpin.inspection.pictures import Opened, Sighting, as_text
from kenpin.inspection.policy import Policy, RunOptions
from kenpin.inspection.record import MOST_RECORDED, Answer, PartRecord, RecordedCase, from_values, to_values
from kenpin.inspection.recording import part_record
from kenpin.inspection.regions_by_picture import look_in_regions
from kenpin.inspection.runs import JudgedPart, PolicyRun, RunOutput, example_of, load_run
from kenpin.inspection.scale import with_scale
from kenpin.models.framed import framing_of
from kenpin.models.passing import batch_size_of, decode, outputs_together, with_shares
from kenpin.quality.threshold import judge
from kenpin.records import Judgement, Prediction, Verdict
from kenpin.records_json import to_json
from kenpin.regions.region import DefectRegion
from kenpin.runtime.engines import EngineName


class Judges:
    """The loaded runs of a policy."""

    def __init__(self, policy: Policy, *, device: str | None = None, engine: EngineName = "auto") -> None:
        """Load the runs, and judge one picture. Raises OptionError, RunError, CaseLibraryError, MissingExtraError."""
        self._rules = policy.parsed_rules
        self._by_rules = tuple(name for name, options in policy.runs.items() if options.decides == "rules")
        self._runs = {name: load_run(name, options, device, engine) for name, options in policy.runs.items()}
        self._check_rules()
        look_in_regions(policy, self._runs)
        policy, self.notes = with_scale(policy, self._runs)
        self._policy = policy
        self._finder = RegionFinder(policy, self._runs)
        self.closer_look = CloserLook(policy, self._runs, device)
        """The steps beside verdicts."""
        self.identity: dict[str, Any] = {
            "policy": {
                **policy.model_dump(
                    mode="json", include={"rules", "maps", "cases", "describe"}, exclude={"maps": {"layers"}}
                ),
                **policy.model_dump(mode="json", include={"px_per_mm", "places", "roi"}, exclude_none=True),
            },
            "runs": {
                name: {
                    "version": run.version,
                    "threshold": to_json(run.threshold),
                    **_engine_of(run),
                    **_region_options(policy.runs[name]),
                }
                for name, run in self._runs.items()
            },
            "describer": self.closer_look.describes_by,
        }
        """All that determines verdicts and records: with any change it is another inspection."""
        identity = json.dumps(self.identity, sort_keys=True, ensure_ascii=False)
        self._hash = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
        sizes = [batch_size_of(run.predictor.model) for run in self._runs.values()]
        self.batch_size = policy.batch_size or min(sizes)
        self._rehearse()

    @property
    def runs(self) -> Mapping[str, PolicyRun]:
        """The runs by their names in the policy."""
        return self._runs

    @property
    def defects(self) -> tuple[str, ...]:
        """Classes of defects that the runs tell apart, in the policy's order."""
        records = [run.record for run in self._runs.values()]
        return tuple(dict.fromkeys(one for record in records for one in record.labels if one not in record.ok_labels))

    @property
    def engines(self) -> tuple[str, ...]:
        """What computes the networks of the runs: `torch`, or the name and version of another engine."""
        return tuple(dict.fromkeys(run.predictor.engine for run in self._runs.values()))

    def judge(self, pictures: Sequence[Opened], out: Path) -> list[PartRecord]:
        """One record a picture, whatever fails. out: the folder of the records, where maps are written."""
        judged = self.judged(pictures)
        looked_at = [part for part in judged if isinstance(part, JudgedPart)]
        looks = iter(on_each(lambda some: self.closer_look.look(some, out), looked_at))
        records = []
        for picture, part in zip(pictures, judged, strict=True):
            if isinstance(part, JudgedPart):
                records.append(self.whole(part, next(looks)))
            else:  # a part that could not be judged is never passed
                why = f"{picture.error}" if part is None else f"The runs failed on it: {first_line(part.error)}"
                records.append(self.record(picture, Verdict.REVIEW, (why,)))
        return records

    def judged(self, pictures: Sequence[Opened]) -> list[JudgedPart | Failed | None]:
        """What the runs answer on each picture, together where they can, or the error; None for one that could not be
        opened."""
        judged: list[JudgedPart | Failed | None] = [None] * len(pictures)
        for some in _by_what_is_known(pictures):
            answers = on_each(self._judge, [pictures[place] for place in some])
            for place, answer in zip(some, answers, strict=True):
                judged[place] = answer
        return judged

    def fused(self, judgements: Mapping[str, Judgement], regions: RegionsByRun) -> Fused:
        """The verdict by the policy's rules."""
        return fuse(judgements, self._rules, regions, self._by_rules)

    def _judge(self, pictures: Sequence[Opened], *, rehearsing: bool = False) -> list[JudgedPart]:
        """Outputs of each run for each picture, and the verdicts."""
        if not pictures:
            return []
        models = [run.predictor.model for run in self._runs.values()]
        images = [item.image for item in pictures if item.image is not None]
        examples = [example_of(item) for item in pictures]
        known = [item.features for item in pictures]
        outputs = outputs_together(models, images, known, [None] * len(images) if rehearsing else examples)
        predictions = [decode(model, raw, examples, shares=False) for model, raw in zip(models, outputs, strict=True)]
        judged = []
        for index, (picture, *answers) in enumerate(zip(pictures, *predictions, strict=True)):
            outputs_of = {
                name: RunOutput(answer, {key: values[index : index + 1] for key, values in raw.items()})
                for name, answer, raw in zip(self._runs, answers, outputs, strict=True)
            }
            regions = self._finder.find(picture, outputs_of, rehearsing=rehearsing)
            part = self._fused_part(picture, outputs_of, regions)
            if rehearsing or self._is_looked_into(part):
                part = self._fused_part(picture, self._with_shares(outputs_of), regions)
            judged.append(part)
        return judged

    def _fused_part(
        self,
        picture: Opened,
        outputs_of: Mapping[str, RunOutput],
        regions: Mapping[str, tuple[DefectRegion, ...]],
    ) -> JudgedPart:
        judgements = {
            name: judge(outputs_of[name].prediction, run.threshold)
            for name, run in self._runs.items()
            if run.threshold is not None and name not in self._by_rules
        }
        return JudgedPart(picture, outputs_of, judgements, *self.fused(judgements, regions), regions)

    def _is_looked_into(self, part: JudgedPart) -> bool:
        """Whether somebody is told what its distances are made up of: it does not pass, by one run at least, or is
        described."""
        described = self._policy.describe
        verdicts = {part.verdict, *(judgement.verdict for judgement in part.judgements.values())}
        return verdicts != {Verdict.PASS} or (described is not None and part.verdict in described.when)

    def _with_shares(self, outputs_of: Mapping[str, RunOutput]) -> dict[str, RunOutput]:
        return {
            name: replace(one, prediction=with_shares(self._runs[name].predictor.model, one.prediction, one.raw))
            for name, one in outputs_of.items()
        }

    def whole(self, judged: JudgedPart, look: Seen | Failed) -> PartRecord:
        """The record with all results that it can hold; a result that it cannot hold does not change the verdict."""
        seen = Seen(failed={"The closer look": look.error}) if isinstance(look, Failed) else look
        record = self.record(judged.opened, judged.verdict, (*judged.reasons, *seen.notes))
        record = replace(record, rule=judged.rule)
        steps: dict[str, Callable[[], dict[str, Any]]] = {
            "the answers": lambda: self.answers(judged, seen),
            "the known cases": lambda: {"cases": tuple(map(_near_case, seen.cases))},
            "the description": lambda: _described(seen),
        }
        complete = attempt(lambda: with_checked(record, *(step() for step in steps.values())))
        if not isinstance(complete, Failed):
            return complete
        for what, step in steps.items():
            fuller = attempt(lambda record=record, step=step: with_checked(record, step()))  # type: ignore[misc]
            if isinstance(fuller, Failed):
                note = f"The record cannot hold {what}: {first_line(fuller.error)}"
                fuller = replace(record, reasons=(*record.reasons, as_text(note)))
            record = fuller
        return record

    def answers(self, judged: JudgedPart, seen: Seen) -> dict[str, Any]:
        """The fields of a record that hold what the runs answered."""
        answers = tuple(
            replace(
                _answer(run, judged.outputs[name].prediction, judged.judgements.get(name), seen.maps.get(name)),
                **self._regions_of(name, judged),
            )
            for name, run in self._runs.items()
        )
        return {
            "answers": answers,
            "label": next((answer.label for answer in answers if answer.label is not None), None),
            "distance": next((answer.distance for answer in answers if answer.distance is not None), None),
        }

    def _regions_of(self, name: str, judged: JudgedPart) -> dict[str, Any]:
        """The fields of an answer that are on regions; a run that decides by rules has no threshold that judged."""
        cuts = {"fail_from": None, "review_from": None} if name in self._by_rules else {}
        regions = judged.regions.get(name)
        if regions is None:
            return cuts
        shown = regions[:MOST_RECORDED]
        left = len(regions) - len(shown)
        return {**cuts, "region_from": self._finder.cuts.get(name), "regions": shown, "regions_left_out": left}

    def record(self, opened: Opened, verdict: Verdict, reasons: tuple[str, ...]) -> PartRecord:
        """The fields of every record."""
        record = part_record(opened, verdict, reasons, policy=self._hash, lot=self._policy.lot)
        return replace(record, px_per_mm=self._policy.scale)

    def _check_rules(self) -> None:
        """Refuse rules that do not fit these runs. Raises OptionError."""
        deciding = [
            name for name, run in self._runs.items() if run.threshold is not None and name not in self._by_rules
        ]
        if not deciding and not self._by_rules:
            raise OptionError(
                "none of the policy's runs has a threshold, so nothing decides; give one of them a `fail_from`."
            )
        for rule in self._rules:
            for name in sorted(rule.runs & set(self._by_rules)):
                raise OptionError(
                    f"rule {rule.text!r}: run {name} decides by rules on its regions, so it has no verdict; write "
                    "`region of` it, or take `decides: rules` away."
                )
            for name in sorted(rule.runs - set(deciding)):
                raise OptionError(
                    f"rule {rule.text!r}: run {name} has no threshold; give it `fail_from` in the policy."
                )

    def _rehearse(self) -> None:
        """Judge a picture with all steps of the policy, so that errors come before the first part, which then
        does not wait for anything to be loaded."""
        opened = Opened(Sighting("rehearsal", "", 0, 0, 0, 0.0), "", "", self._for_rehearsal(), None)
        if self.batch_size > 1:
            self._judge([opened, opened], rehearsing=True)  # an engine loads a network for several pictures apart
        (part,) = self._judge([opened], rehearsing=True)
        self.closer_look.rehearse(part)

    def _for_rehearsal(self) -> Image.Image:
        """Noise, as large as the first mask where runs look at a region; where they align pictures, the first one's
        reference, which lies over itself."""
        for run in self._runs.values():
            framing = framing_of(run.predictor.model)
            if framing is not None and framing.alignment is not None:
                return Image.fromarray(framing.alignment.reference).convert("RGB")
        rois = (framing.roi for run in self._runs.values() if (framing := framing_of(run.predictor.model)) is not None)
        rows, columns = next((roi.shape for roi in rois if roi is not None), (96, 128))
        return Image.fromarray(np.random.default_rng(0).integers(0, 256, (rows, columns, 3), np.uint8))


def _by_what_is_known(pictures: Sequence[Opened]) -> list[list[int]]:
    """Places of the pictures that could be opened, apart where networks computed some of them already."""
    known: dict[bool, list[int]] = {}
    for place, picture in enumerate(pictures):
        if picture.image is not None:
            known.setdefault(bool(picture.features), []).append(place)
    return [*known.values()]


def with_checked(record: PartRecord, *additions: Mapping[str, Any]) -> PartRecord:
    """A record with further fields. Raises the error of a record that a journal cannot write or read again."""
    fuller = replace(record, **{name: value for some in additions for name, value in some.items()})
    from_values(json.loads(line_of(to_values(fuller), "").encode()), "the part")
    return fuller


def _described(seen: Seen) -> dict[str, Any]:
    described = seen.described
    if described is None:
        return {}
    contradictions = tuple(contradiction.sentence for contradiction in described.contradictions)
    return {"description": described.description, "contradictions": contradictions}


def _near_case(found: Found) -> RecordedCase:
    case = found.case
    return RecordedCase(case.id, case.picture, f"{case.verdict}", case.label, case.note, found.distance)


def _answer(run: PolicyRun, prediction: Prediction, judgement: Judgement | None, map: str | None) -> Answer:
    threshold = run.threshold
    return Answer(
        run=run.name,
        version=run.version,
        data_set=str(run.record.dataset.get("fingerprint", "")),
        fail_from=None if threshold is None else threshold.fail_from,
        review_from=None if threshold is None else threshold.review_from,
        verdict=None if judgement is None else judgement.verdict,
        score=prediction.defect_score,
        reasons=() if judgement is None else judgement.reasons,
        label=prediction.label,
        probabilities=prediction.probabilities,
        distance=prediction.distance,
        contributions=prediction.contributions,
        layer_contributions=prediction.layer_contributions,
        boxes=prediction.detections,
        text=prediction.text,
        map=map,
    )


def _engine_of(run: PolicyRun) -> dict[str, str]:
    """What computes the run's network, where it is not torch: its rounding may decide of a part at the threshold."""
    engine = run.predictor.engine
    return {} if engine == "torch" else {"engine": engine}


def _region_options(options: RunOptions) -> dict[str, Any]:
    """What the policy says of the run's regions, where it says something: records of an earlier kenpin know none."""
    return options.model_dump(mode="json", include={"decides", "region_from", "ignore_below"}, exclude_defaults=True)
