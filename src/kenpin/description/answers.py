"""Descriptions: the schema of a language model's answer for a part, and reading the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from kenpin.description.evidence import Evidence
from kenpin.description.places import Place
from kenpin.errors import LabelError

NONE = "none"
"""The finding, the place and the severity of a good part; also an unknown place."""
UNKNOWN = "unknown"
"""The finding of a defect without a name."""
SEVERITIES = (NONE, "minor", "major", "critical")
CONFIDENCES = ("low", "medium", "high")
TEXT_LENGTH = 120
"""Default limit of the characters of a free text."""


@dataclass(frozen=True, slots=True)
class Description:
    """A language model's description of a part: words from lists, and free texts, which are empty for a good part."""

    finding: str
    """A class of defects, `unknown` or `none`."""
    place: str
    """A `Place`, or `none`."""
    severity: str
    appearance: str
    """Its appearance."""
    suggested_cause: str
    suggested_repair: str
    confidence: str


FREE_TEXTS = ("appearance", "suggested_cause", "suggested_repair")


def schema_of(evidence: Evidence, text_length: int = TEXT_LENGTH) -> dict[str, Any]:
    """The JSON schema of a description of this part: its findings are the defects that the evidence names.

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
    names = [column.name for column in fields(Description)]
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
    values = json.loads(text)
    if not isinstance(values, Mapping) or not all(isinstance(word, str) for word in values.values()):
        raise ValueError(f"{text!r:.80} is not a description")
    try:
        return Description(**values)
    except TypeError as error:
        raise ValueError(f"{text!r:.80} is not a description") from error


def write_answer(description: Description) -> str:
    """A description as a model writes it, also the target for training one."""
    return json.dumps(
        {column.name: getattr(description, column.name) for column in fields(description)}, ensure_ascii=False
    )


def _choice(words: Iterable[str]) -> dict[str, Any]:
    return {"enum": [str(word) for word in words]}
