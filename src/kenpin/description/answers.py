"""Descriptions: what a language model is asked for, as a schema of the case at hand, and its answer read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from kenpin.description.evidence import Evidence
from kenpin.description.places import Place
from kenpin.errors import LabelError

NONE = "none"
"""The finding, the place and the severity of a good part; a place also where nobody knows it."""
UNKNOWN = "unknown"
"""The finding where something is wrong that has no name."""
SEVERITIES = (NONE, "minor", "major", "critical")
CONFIDENCES = ("low", "medium", "high")
TEXT_LENGTH = 120
"""Characters of a free text at most, where nobody asks for more."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a language model says of a part: words from lists, and free texts, which are empty on a good part."""

    finding: str
    """A class of defects, `unknown` or `none`."""
    place: str
    """A `Place`, or `none`."""
    severity: str
    appearance: str
    """What it looks like."""
    suggested_cause: str
    suggested_repair: str
    confidence: str


FREE_TEXTS = ("appearance", "suggested_cause", "suggested_repair")


def schema_of(evidence: Evidence, text_length: int = TEXT_LENGTH) -> dict[str, Any]:
    """The JSON schema of a description of this case: the findings are the defects that have a name here.

    Raises LabelError for a defect that is named `none`.
    """
    if NONE in evidence.defect_classes:
        raise LabelError(f"class {NONE!r}: it means a defect here, and no defect in a description; rename the class.")
    words = {
        "finding": dict.fromkeys([*evidence.defect_classes, UNKNOWN, NONE]),
        "place": [*Place, NONE],
        "severity": SEVERITIES,
        "confidence": CONFIDENCES,
    }
    names = [one.name for one in fields(Description)]
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "maxLength": text_length} if name in FREE_TEXTS else _choice(words[name])
            for name in names
        },
        "required": names,
        "additionalProperties": False,
    }


def read_answer(text: str) -> Description:
    """The description in an answer that follows its schema. Raises ValueError where it does not."""
    said = json.loads(text)
    if not isinstance(said, Mapping) or not all(isinstance(word, str) for word in said.values()):
        raise ValueError(f"{text!r:.80} is not a description")
    try:
        return Description(**said)
    except TypeError as error:
        raise ValueError(f"{text!r:.80} is not a description") from error


def write_answer(description: Description) -> str:
    """A description as a model writes it: what a language model can be trained to answer."""
    return json.dumps({one.name: getattr(description, one.name) for one in fields(description)}, ensure_ascii=False)


def _choice(words: Iterable[str]) -> dict[str, Any]:
    return {"enum": [str(word) for word in words]}
