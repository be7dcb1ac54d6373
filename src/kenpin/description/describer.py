"""The describer: pictures and evidence in, descriptions out, each with what in it contradicts the evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kenpin.description.answers import (
    CONFIDENCES,
    FREE_TEXTS,
    NONE,
    SEVERITIES,
    TEXT_LENGTH,
    UNKNOWN,
    Description,
    read_answer,
    schema_of,
)
from kenpin.description.contradictions import Contradiction, find_contradictions
from kenpin.description.evidence import Evidence
from kenpin.description.places import Place
from kenpin.description.telling import Piece, tell
from kenpin.errors import ShapeError
from kenpin.plural import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from kenpin.models.contract import Conversational
    from kenpin.records import Sampling


@dataclass(frozen=True, slots=True)
class Described:
    """What a language model said of a part, and what in it contradicts the evidence."""

    description: Description
    contradictions: tuple[Contradiction, ...]
    text: str
    """The answer as it was given."""


@dataclass(frozen=True, slots=True)
class DescribedPicture:
    """A picture by its id, the evidence of it, and what was said."""

    id: str
    evidence: Evidence
    described: Described


class Describer:
    """Asks a language model about pictures with what is known of them, holds it to a schema, and checks its answers."""

    def __init__(
        self,
        inspector: Conversational,
        *,
        leave_out: Collection[Piece] = (),
        language: str | None = None,
        text_length: int = TEXT_LENGTH,
        sampling: Sampling | None = None,
    ) -> None:
        """leave_out: pieces of the evidence that are not told, though the answers are held to them; language: of the
        free texts; text_length: characters that each may have; sampling: by lot, None: the likeliest words."""
        self._inspector = inspector
        self._leave_out = frozenset(leave_out)
        self._language = language
        self._text_length = text_length
        self._sampling = sampling

    def leaving_out(self, pieces: Collection[Piece]) -> Describer:
        """The same describer that does not tell these pieces, and tells all others."""
        return Describer(
            self._inspector,
            leave_out=pieces,
            language=self._language,
            text_length=self._text_length,
            sampling=self._sampling,
        )

    @property
    def vector_dimension(self) -> int | None:
        """Numbers of the vectors that the model is told besides; None: of none."""
        return self._inspector.vector_dimension

    def question(self, evidence: Evidence) -> str:
        """What the model is asked of a part."""
        return question_of(evidence, self._leave_out, self._language)

    def describe(
        self,
        images: Sequence[Image],
        evidence: Sequence[Evidence],
        vectors: NDArray[np.float32] | None = None,
    ) -> list[Described]:
        """One description a picture (mode RGB). vectors: (n, d), for a model that is told vectors, in place of its own.

        Raises ShapeError, LabelError, OptionError, MissingExtraError.
        """
        if len(images) != len(evidence):
            raise ShapeError(f"{counted(len(images), 'picture')} with evidence of {len(evidence)}; give each its own.")
        alike: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)  # those that have one schema go together
        for place, one in enumerate(evidence):
            alike[one.defect_classes].append(place)
        answers = [""] * len(images)
        for places in alike.values():
            said = self._inspector.answer(
                [images[place] for place in places],
                [self.question(evidence[place]) for place in places],
                schema=schema_of(evidence[places[0]], self._text_length),
                sampling=self._sampling,
                vectors=None if vectors is None else vectors[places],
            )
            for place, text in zip(places, said, strict=True):
                answers[place] = text
        return [described(text, one) for text, one in zip(answers, evidence, strict=True)]


def described(text: str, evidence: Evidence) -> Described:
    """An answer, read and checked. Raises ValueError where it does not follow its schema."""
    description = read_answer(text)
    return Described(description, find_contradictions(description, evidence), text)


def question_of(evidence: Evidence, leave_out: Collection[Piece] = (), language: str | None = None) -> str:
    """What the model is asked: the evidence as it is told, then the question."""
    told = tell(evidence, leave_out)
    defects = ", ".join([*evidence.defect_classes, UNKNOWN])
    asked = (
        f"Describe the part as JSON. finding: {defects} (another defect), {NONE}. "
        f"place: {', '.join(Place)}, {NONE}. severity: {', '.join(SEVERITIES)}. "
        f"{', '.join(FREE_TEXTS)}: a sentence each. confidence: {', '.join(CONFIDENCES)}. "
        f"Of a good part finding, place and severity are {NONE}, and the sentences empty."
    )
    if language is not None:
        asked += f" Write in {language}."
    return f"{told}\n{asked}" if told else asked
