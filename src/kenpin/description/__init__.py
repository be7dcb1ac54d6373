"""Descriptions in words that are held to the evidence: what is known of a part is told, and what is said is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kenpin.lazy import on_first_use

if TYPE_CHECKING:  # the parts that hold an answer to the evidence work without torch
    from kenpin.description.answers import Description, write_answer
    from kenpin.description.contradictions import find_contradictions
    from kenpin.description.describer import DescribedPicture, Describer, question_of
    from kenpin.description.evidence import Evidence, Witness, evidence_of, witness_of
    from kenpin.description.gathering import load_gatherer
    from kenpin.description.options import AblationOptions
    from kenpin.errors import ImageError
    from kenpin.models.contract import Conversational, Progress
    from kenpin.records import Example

__all__ = [
    "DescribedPicture",
    "Describer",
    "Description",
    "Evidence",
    "Witness",
    "describe",
    "evidence_of",
    "find_contradictions",
    "load_gatherer",
    "question_of",
    "witness_of",
    "write_answer",
]

# whoever holds an answer to the evidence loads no torch
__getattr__ = on_first_use(
    __name__,
    {
        "DescribedPicture": "describer",
        "Describer": "describer",
        "Description": "answers",
        "Evidence": "evidence",
        "Witness": "evidence",
        "evidence_of": "evidence",
        "find_contradictions": "contradictions",
        "load_gatherer": "gathering",
        "question_of": "describer",
        "witness_of": "evidence",
        "write_answer": "answers",
    },
)


def describe(
    model: str | Path,
    images: Iterable[str | Path],
    *,
    device: str | None = None,
    progress: Progress | None = None,
    on_error: Callable[[Example, ImageError], None] | None = None,
    **values: Any,
) -> Iterator[DescribedPicture]:
    """Describe picture files. model: a run of family `vlm`, or a base as it comes; values: fields of
    `DescriptionOptions`, `evidence` among them.

    A picture that cannot be opened goes to `on_error`, if given. Raises KenpinError.
    """
    from kenpin.base_predictor import load_conversational
    from kenpin.data.dataset import Dataset
    from kenpin.description.describer import DescribedPicture
    from kenpin.description.gathering import load_gatherer
    from kenpin.description.options import DescriptionOptions
    from kenpin.records import Example, ImageSource

    chosen = DescriptionOptions.from_mapping(values)
    describer = describer_of(load_conversational(str(model), device=device), chosen).leaving_out(chosen.leave_out)
    gatherer = load_gatherer(chosen.evidence, chosen.cases, nearest=chosen.nearest, device=device)
    pictures = Dataset.from_examples(Example(id=str(path), image=ImageSource(path=str(path))) for path in images)
    for parts in gatherer.gather(pictures, progress=progress, on_error=on_error):
        said = describer.describe([part.image for part in parts], [part.evidence for part in parts])
        for part, one in zip(parts, said, strict=True):
            yield DescribedPicture(part.example.id, part.evidence, one)


def describer_of(inspector: Conversational, options: AblationOptions) -> Describer:
    """A describer that does what the options say, and tells all of the evidence."""
    from kenpin.description.describer import Describer
    from kenpin.records import Sampling

    drawn = options.temperature is not None
    return Describer(
        inspector,
        language=options.language,
        text_length=options.text_length,
        sampling=Sampling(options.temperature or 1.0, options.min_p, options.seed) if drawn else None,
    )
