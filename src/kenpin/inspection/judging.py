"""The judges: opened pictures in, their part records out, by the runs of a policy, what these share computed once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kenpin.cases.case import Found
from kenpin.errors import OptionError, first_line
from kenpin.inspection.closer_look import CloserLook, Seen
from kenpin.inspection.fusing import fuse
from kenpin.inspection.isolating import Failed, attempt, on_each
from kenpin.inspection.pictures import Opened, Sighting, as_text
from kenpin.inspection.policy import Policy
from kenpin.inspection.record import Answer, NearCase, PartRecord, from_values, to_line
from kenpin.inspection.runs import Judged, Run, Said, example_of, load_run
from kenpin.models.inference import batch_size_of, decode, infer_together
from kenpin.quality.threshold import judge
from kenpin.records import Judgement, Prediction, Verdict
from kenpin.records_json import to_json


class Judges:
    """The runs of a policy, ready to look at pictures."""

    def __init__(self, policy: Policy, *, device: str | None = None) -> None:
        """Load them, and look at a picture once. Raises OptionError, RunError, CaseLibraryError, MissingExtraError."""
        self._policy = policy
        self._runs = {name: load_run(name, one, device) for name, one in policy.runs.items()}
        self._check_rules()
        self._closer_look = CloserLook(policy, self._runs, device)
        self.identity: dict[str, Any] = {
            "policy": policy.model_dump(mode="json", include={"rules", "maps", "cases", "describe"}),
            "runs": {
                name: {"version": run.version, "threshold": to_json(run.threshold)} for name, run in self._runs.items()
            },
            "describer": self._closer_look.describes_by,
        }
        """What decides verdicts and what is told of them: with another one it is another inspection."""
        told = json.dumps(self.identity, sort_keys=True, ensure_ascii=False)
        self._hash = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
        self._kenpin = version("kenpin")
        sizes = [batch_size_of(run.predictor.inspector) for run in self._runs.values()]
        self.batch_size = policy.batch_size or min(sizes)
        self._rehearse()

    def judge(self, pictures: Sequence[Opened], out: Path) -> list[PartRecord]:
        """One record a picture, whatever the pictures are and whatever the runs do. out: the folder of the records,
        where maps are drawn."""
        answers = iter(on_each(self._judge, [picture for picture in pictures if picture.image is not None]))
        judged = [next(answers) if picture.image is not None else None for picture in pictures]
        looked_at = [part for part in judged if isinstance(part, Judged)]
        looks = iter(on_each(lambda some: self._closer_look.look(some, out), looked_at))
        records = []
        for picture, part in zip(pictures, judged, strict=True):
            if isinstance(part, Judged):
                records.append(self._whole(part, next(looks)))
            else:  # a part that nobody could look at is never passed
                why = f"{picture.error}" if part is None else f"The runs failed on it: {first_line(part.error)}"
                records.append(self._record(picture, Verdict.REVIEW, (why,)))
        return records

    def _judge(self, pictures: Sequence[Opened]) -> list[Judged]:
        """What each run says of each picture, and the verdicts."""
        if not pictures:
            return []
        inspectors = [run.predictor.inspector for run in self._runs.values()]
        outputs = infer_together(inspectors, [one.image for one in pictures if one.image is not None])
        examples = [example_of(one) for one in pictures]
        predictions = [decode(one, raw, examples) for one, raw in zip(inspectors, outputs, strict=True)]
        judged = []
        for index, (picture, *answers) in enumerate(zip(pictures, *predictions, strict=True)):
            said = {
                name: Said(answer, {key: values[index : index + 1] for key, values in raw.items()})
                for name, answer, raw in zip(self._runs, answers, outputs, strict=True)
            }
            judgements = {
                name: judge(said[name].prediction, run.threshold)
                for name, run in self._runs.items()
                if run.threshold is not None
            }
            judged.append(Judged(picture, said, judgements, *fuse(judgements, self._policy.parsed_rules)))
        return judged

    def _whole(self, judged: Judged, look: Seen | Failed) -> PartRecord:
        """The record with all that it can hold of what was found; what it cannot hold leaves the verdict as it is."""
        seen = Seen(failed={"The closer look": look.error}) if isinstance(look, Failed) else look
        record = self._record(judged.opened, judged.verdict, (*judged.reasons, *seen.notes))
        steps: dict[str, Callable[[], dict[str, Any]]] = {
            "the answers": lambda: self._answers(judged, seen),
            "the known cases": lambda: {"cases": tuple(map(_near_case, seen.cases))},
            "the description": lambda: _described(seen),
        }
        whole = attempt(lambda: _with(record, *(step() for step in steps.values())))
        if not isinstance(whole, Failed):
            return whole
        for what, step in steps.items():
            fuller = attempt(lambda record=record, step=step: _with(record, step()))  # type: ignore[misc]
            if isinstance(fuller, Failed):
                note = f"The record cannot hold {what}: {first_line(fuller.error)}"
                fuller = replace(record, reasons=(*record.reasons, as_text(note)))
            record = fuller
        return record

    def _answers(self, judged: Judged, seen: Seen) -> dict[str, Any]:
        answers = tuple(
            _answer(run, judged.said[name].prediction, judged.judgements.get(name), seen.maps.get(name))
            for name, run in self._runs.items()
        )
        return {
            "answers": answers,
            "label": next((answer.label for answer in answers if answer.label is not None), None),
            "distance": next((answer.distance for answer in answers if answer.distance is not None), None),
        }

    def _record(self, opened: Opened, verdict: Verdict, reasons: tuple[str, ...]) -> PartRecord:
        """What every record has."""
        seen, now_s = opened.seen, time.time()
        return PartRecord(
            id=seen.id,
            picture=opened.whole_path,
            picture_hash=opened.picture_hash,
            picture_bytes=seen.size_bytes,
            modified_ns=seen.modified_ns,
            size_wh=None if opened.image is None else opened.image.size,
            verdict=verdict,
            reasons=tuple(map(as_text, reasons)),
            lot=self._policy.lot,
            policy=self._hash,
            kenpin=self._kenpin,
            judged_at=datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds"),
            latency_s=round(max(0.0, now_s - seen.since_s), 6),
        )

    def _check_rules(self) -> None:
        """Refuse rules that these runs cannot follow. Raises OptionError."""
        deciding = [name for name, run in self._runs.items() if run.threshold is not None]
        if not deciding:
            raise OptionError(
                "none of the policy's runs has a threshold, so nothing decides; give one of them a `fail_from`."
            )
        for rule in self._policy.parsed_rules:
            for name in sorted(rule.runs - set(deciding)):
                raise OptionError(
                    f"rule {rule.text!r}: run {name} has no threshold; give it `fail_from` in the policy."
                )

    def _rehearse(self) -> None:
        """Look at a picture of noise with all that the policy asks for: what fails shall fail before the first part,
        and what is loaded on first use shall not keep it waiting."""
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
        (part,) = self._judge([Opened(Sighting("rehearsal", "", 0, 0, 0, 0.0), "", "", noise, None)])
        self._closer_look.rehearse(part)


def _with(record: PartRecord, *found: Mapping[str, Any]) -> PartRecord:
    """A record with more in it. Raises what a journal could not write of it, or not read again."""
    fuller = replace(record, **{name: value for some in found for name, value in some.items()})
    from_values(json.loads(to_line(fuller).encode()), "the part")
    return fuller


def _described(seen: Seen) -> dict[str, Any]:
    described = seen.described
    if described is None:
        return {}
    contradictions = tuple(contradiction.sentence for contradiction in described.contradictions)
    return {"description": described.description, "contradictions": contradictions}


def _near_case(found: Found) -> NearCase:
    case = found.case
    return NearCase(case.id, case.picture, f"{case.verdict}", case.label, case.note, found.distance)


def _answer(run: Run, said: Prediction, judgement: Judgement | None, map: str | None) -> Answer:
    threshold = run.threshold
    return Answer(
        run=run.name,
        version=run.version,
        data_set=str(run.record.dataset.get("fingerprint", "")),
        fail_from=None if threshold is None else threshold.fail_from,
        review_from=None if threshold is None else threshold.review_from,
        verdict=None if judgement is None else judgement.verdict,
        score=said.defect_score,
        reasons=() if judgement is None else judgement.reasons,
        label=said.label,
        probabilities=said.probabilities,
        distance=said.distance,
        contributions=said.contributions,
        boxes=said.detections,
        text=said.text,
        map=map,
    )
