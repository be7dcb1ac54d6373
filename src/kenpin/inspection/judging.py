"""The judges: opened pictures in, their part records out, by the runs of a policy, what these share computed once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from kenpin.errors import ImageError, OptionError, first_line
from kenpin.inspection.closer_look import CloserLook, Seen
from kenpin.inspection.fusing import fuse
from kenpin.inspection.pictures import Opened, Sighting, as_text
from kenpin.inspection.policy import Policy
from kenpin.inspection.record import Answer, NearCase, PartRecord
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
        """One record a picture. out: the folder of the records, where maps are drawn. Raises OSError."""
        said = _each(self._judge, [one for one in pictures if one.image is not None])
        judged = [one for one in said if isinstance(one, Judged)]
        looks = iter(_each(lambda some: self._closer_look.look(some, out), judged))
        answers = iter(said)
        records = []
        for one in pictures:
            answer = next(answers) if one.error is None else one.error
            if isinstance(answer, Judged):
                records.append(self._whole(answer, next(looks)))
            else:  # a part that nobody could look at is never passed
                records.append(self._record(one, Verdict.REVIEW, (_why(answer),)))
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
        for place, one in enumerate(pictures):
            said = {
                name: Said(of_run[place], {key: values[place : place + 1] for key, values in raw.items()})
                for name, of_run, raw in zip(self._runs, predictions, outputs, strict=True)
            }
            judgements = {
                name: judge(said[name].prediction, run.threshold)
                for name, run in self._runs.items()
                if run.threshold is not None
            }
            judged.append(Judged(one, said, judgements, *fuse(judgements, self._policy.parsed_rules)))
        return judged

    def _whole(self, judged: Judged, look: Seen | Exception) -> PartRecord:
        seen = look if isinstance(look, Seen) else Seen({}, (), None)
        failed = () if isinstance(look, Seen) else (f"The closer look failed: {first_line(look)}",)
        answers = tuple(
            _answer(run, judged.said[name].prediction, judged.judgements.get(name), seen.maps.get(name))
            for name, run in self._runs.items()
        )
        described = seen.described
        return self._record(
            judged.opened,
            judged.verdict,
            (*judged.reasons, *failed),
            label=next((answer.label for answer in answers if answer.label is not None), None),
            distance=next((answer.distance for answer in answers if answer.distance is not None), None),
            description=None if described is None else described.description,
            contradictions=() if described is None else tuple(one.sentence for one in described.contradictions),
            answers=answers,
            cases=tuple(
                NearCase(case.id, case.picture, f"{case.verdict}", case.label, case.note, one.distance)
                for one in seen.cases
                for case in [one.case]
            ),
        )

    def _record(self, one: Opened, verdict: Verdict, reasons: tuple[str, ...], **found: Any) -> PartRecord:
        seen, now_s = one.seen, time.time()
        return PartRecord(
            id=seen.id,
            picture=as_text(str(Path(seen.path).absolute())),
            picture_hash=one.picture_hash,
            picture_bytes=seen.size_bytes,
            modified_ns=seen.modified_ns,
            size_wh=None if one.image is None else one.image.size,
            verdict=verdict,
            reasons=reasons,
            lot=self._policy.lot,
            policy=self._hash,
            kenpin=self._kenpin,
            judged_at=datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds"),
            latency_s=round(max(0.0, now_s - seen.since_s), 6),
            **found,
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
        self._closer_look.look(self._judge([Opened(Sighting("rehearsal", "", 0, 0, 0, 0.0), "", noise, None)]), None)


Thing = TypeVar("Thing")
Found = TypeVar("Found")


def _each(work: Callable[[Sequence[Thing]], Sequence[Found]], things: Sequence[Thing]) -> list[Found | Exception]:
    """What work makes of all these; where it fails, of each alone, or how it fails on it: one must not hold up a line.

    Raises OSError: where nothing can be written, it is not the picture's fault.
    """
    try:
        return [*work(things)]
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 a network may fail in any way; who looks at the record is told of it
        if len(things) == 1:
            return [error]
        return [found for thing in things for found in _each(work, [thing])]


def _why(error: Exception) -> str:
    """Why nobody looked at a picture."""
    return f"{error}" if isinstance(error, ImageError) else f"The runs failed on it: {first_line(error)}"


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
