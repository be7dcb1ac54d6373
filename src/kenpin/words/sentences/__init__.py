"""Templates of the sentences that kenpin records in English: `kenpin.words.recorded` has their notation.

A sentence that is recorded no more stays here, for the runs that hold it.
"""

from kenpin.words.sentences import (
    artefacts,
    comparisons,
    decisions,
    devices,
    doctor,
    evaluations,
    families,
    pictures,
    readers,
    refusals,
    spaces,
    station,
    studies,
    trainings,
    unlearned,
    verdicts,
)
from kenpin.words.sentences.figures import NAMELESS
from kenpin.words.sentences.phrases import PHRASES
from kenpin.words.sentences.settings import SETTINGS

__all__ = ["NAMELESS", "PHRASES", "SENTENCES", "SETTINGS"]

SENTENCES: tuple[str, ...] = tuple(
    dict.fromkeys(
        sentence
        for origin in (
            trainings,
            unlearned,
            spaces,
            artefacts,
            decisions,
            families,
            evaluations,
            comparisons,
            studies,
            doctor,
            pictures,
            readers,
            refusals,
            station,
            devices,
            verdicts,
        )
        for sentence in origin.SENTENCES
    )
)
"""Whole sentences, and what findings and maps say without a full stop."""
