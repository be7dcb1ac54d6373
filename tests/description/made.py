"""Made evidence and descriptions, and a double that answers at random but by the schema."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kenpin.description.answers import Description, write_answer
from kenpin.description.evidence import Evidence, NearCase, PlacedBox, Witness
from kenpin.description.places import Place
from kenpin.records import Verdict

CLASSES = ("scratch", "solder-bridge", "bridge", "dent", "キズ", "傷")
SCRATCHED = Evidence(
    verdict=Verdict.FAIL,
    reasons=("The score 0.93 reaches 0.5, from which parts fail.",),
    witnesses=(
        Witness("head", Verdict.FAIL, (), 0.93, 0.5, "scratch", {"scratch": 0.7, "dent": 0.2, "ok": 0.1}),
        Witness(
            "boxes",
            boxes=(PlacedBox("キズ", 0.8, (0.0, 0.0, 9.0, 9.0), (Place.UPPER_LEFT, Place.UPPER_MIDDLE)),),
        ),
        Witness("space", Verdict.FAIL, (), 8.25, 3.0, distance=8.25, items={"mean 3": 2.0}, hottest=(Place.CENTRE,)),
    ),
    cases=(NearCase(0.971, "POSITIVE", "solder-bridge", "remelt the  joint"),),
    defect_classes=CLASSES,
    ok_classes=("ok", "傷なし"),
)
GOOD = replace(
    SCRATCHED,
    verdict=Verdict.PASS,
    witnesses=(Witness("head", Verdict.PASS, (), 0.02, 0.5, "ok", {"ok": 0.98, "scratch": 0.02}),),
    cases=(),
)
SAYS_SCRATCH = Description(
    finding="scratch",
    place="upper left",
    severity="major",
    appearance="A bright scratch at the upper left.",
    suggested_cause="The gripper slipped.",
    suggested_repair="Polish the surface.",
    confidence="high",
)
SAYS_GOOD = Description("none", "none", "none", "", "", "", "high")


class RandomAnswers:
    """Answers by lot whatever the schema allows, and keeps what it was asked."""

    vector_dimension: int | None = None

    def __init__(self, seed: int = 0) -> None:
        self._lots = random.Random(seed)
        self.asked: list[str] = []

    def answer(
        self, images: Sequence[Any], questions: Sequence[str], *, schema: Mapping[str, Any], **rest: Any
    ) -> list[str]:
        """One answer a question."""
        self.asked += questions
        return [self._one(schema) for _ in questions]

    def _one(self, schema: Mapping[str, Any]) -> str:
        words = {
            name: self._lots.choice(part["enum"]) if "enum" in part else "a" * self._lots.randint(0, part["maxLength"])
            for name, part in schema["properties"].items()
        }
        return write_answer(Description(**words))


class BelievesEvidence(RandomAnswers):
    """Says what it is told under Class and Found, and otherwise what is on top of each list."""

    def answer(
        self, images: Sequence[Any], questions: Sequence[str], *, schema: Mapping[str, Any], **rest: Any
    ) -> list[str]:
        """One answer a question."""
        self.asked += questions
        answers = []
        for question in questions:
            told = dict(line.split(": ", 1) for line in question.splitlines()[:-1])
            found = told.get("Found", "").split(" (")[0]
            name, _, place = found.partition(" at ")
            finding = told.get("Class", name or "none").split()[0]
            good = finding in ("none", "ok", "nothing.")
            said = replace(SAYS_GOOD if good else SAYS_SCRATCH, finding="none" if good else finding, appearance="")
            answers.append(write_answer(replace(said, place="none" if good else place or "lower right")))
        return answers
