"""The describer: pictures and evidence in, descriptions out, each with its contradictions of the evidence."""

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
    """A language model's description of a part, and its contradictions of the evidence."""

    description: Description
    contradictions: tuple[Contradiction, ...]
    text: str
    """The raw answer."""


@dataclass(frozen=True, slots=True)
class DescribedPicture:
    """A picture's id, its evidence and its description."""

    id: str
    evidence: Evidence
    described: Described


class Describer:
    """Asks a language model about pictures with their evidence, constrains it by a schema, and checks its answers."""

    def __init__(
        self,
        inspector: Conversational,
        *,
        leave_out: Collection[Piece] = (),
        language: str | None = None,
        text_length: int = TEXT_LENGTH,
        sampling: Sampling | None = None,
    ) -> None:
        """leave_out: pieces of the evidence that are left out of the prompt, though answers are checked against them;
        language: of the free texts; text_length: most characters of each; sampling: None for the likeliest words."""
        self._inspector = inspector
        self._leave_out = frozenset(leave_out)
        self._language = language
        self._text_length = text_length
        self._sampling = sampling

    def leaving_out(self, pieces: Collection[Piece]) -> Describer:
        """The same describer with these pieces left out of the prompt, and no others."""
        return Describer(
            self._inspector,
            leave_out=pieces,
            language=self._language,
            text_length=self._text_length,
            sampling=self._sampling,
        )

    @property
    def vector_dimension(self) -> int | None:
        """Dimension of the embeddings that the model takes; None: it takes none."""
        return self._inspector.vector_dimension

    def question(self, evidence: Evidence) -> str:
        """The prompt for a part."""
        return question_of(evidence, self._leave_out, self._language)

    def describe(
        self,
        images: Sequence[Image],
        evidence: Sequence[Evidence],
        vectors: NDArray[np.float32] | None = None,
    ) -> list[Described]:
        """One description a picture (mode RGB). vectors: (n, d), embeddings instead of the model's own, if it takes
        any.

        Raises ShapeError, LabelError, OptionError, MissingExtraError.
        """
        if len(images) != len(evidence):
            raise ShapeError(f"{counted(len(images), 'picture')} with evidence of {len(evidence)}; give each its own.")
        alike: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)  # pictures of one schema are one batch
        for index, item in enumerate(evidence):
            alike[item.defect_classes].append(index)
        answers = [""] * len(images)
        for indices in alike.values():
            texts = self._inspector.answer(
                [images[index] for index in indices],
                [self.question(evidence[index]) for index in indices],
                schema=schema_of(evidence[indices[0]], self._text_length),
                sampling=self._sampling,
                vectors=None if vectors is None else vectors[indices],
            )
            for index, text in zip(indices, texts, strict=True):
                answers[index] = text
        return [described(text, item) for text, item in zip(answers, evidence, strict=True)]


def described(text: str, evidence: Evidence) -> Described:
    """A raw answer, parsed and checked. Raises ValueError where it does not follow its schema."""
    description = read_answer(text)
    return Described(description, find_contradictions(description, evidence), text)


def question_of(evidence: Evidence, leave_out: Collection[Piece] = (), language: str | None = None) -> str:
    """The prompt: the evidence in words, then the question."""
    known = tell(evidence, leave_out)
    defects = ", ".join([*evidence.defect_classes, UNKNOWN])
    asked = (
        f"Describe the part as JSON. finding: {defects} (another defect), {NONE}. "
        f"place: {', '.join(Place)}, {NONE}. severity: {', '.join(SEVERITIES)}. "
        f"{', '.join(FREE_TEXTS)}: a sentence each. confidence: {', '.join(CONFIDENCES)}. "
        f"Of a good part finding, place and severity are {NONE}, and the sentences empty."
    )
    if language is not None:
        asked += f" Write in {language}."
    return f"{known}\n{asked}" if known else asked
