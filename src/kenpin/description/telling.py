"""Evidence in words for a language model: short sentences, the same for the same evidence, piece by piece."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum

from kenpin.description.evidence import Evidence, PlacedBox, Witness

_PROBABILITIES = 3  # of a classifier, the likeliest
_NOTE = 80  # characters of a person's note


class Piece(StrEnum):
    """A piece of the evidence, which can be left out."""

    VERDICT = "verdict"
    SCORE = "score"
    CLASS = "class"
    BOXES = "boxes"
    DISTANCE = "distance"
    MAP = "map"
    CASES = "cases"


def tell(evidence: Evidence, leave_out: Collection[Piece] = ()) -> str:
    """The evidence in words, a line for each piece of each witness; empty without evidence.

    Reasons of a verdict are not included: score, class and items contain them, and a piece that is left out must not
    come in again.
    """
    return "\n".join(line for piece, line in _lines(evidence) if piece not in leave_out)


def pieces_of(evidence: Evidence) -> tuple[Piece, ...]:
    """The pieces of this evidence, in the order of its words."""
    present = {piece for piece, _ in _lines(evidence)}
    return tuple(piece for piece in Piece if piece in present)


def _lines(evidence: Evidence) -> Iterator[tuple[Piece, str]]:
    if evidence.verdict is not None:
        yield Piece.VERDICT, f"Verdict: {evidence.verdict.value}."
    for witness in evidence.witnesses:
        yield from _lines_of(witness)
    for case in evidence.cases:
        facts = [case.verdict, *([case.label] if case.label else []), f"similarity {case.similarity:.2f}"]
        note = " ".join((case.note or "").split())
        yield Piece.CASES, f"Known case: {', '.join(facts)}" + (f": {_cut(note)}" if note else "") + "."


def _lines_of(witness: Witness) -> Iterator[tuple[Piece, str]]:
    limit = "" if witness.fail_from is None else f", fails from {witness.fail_from:.2f}"
    if witness.score is not None and witness.distance is None:  # else the distance is the score
        yield Piece.SCORE, f"Score: {witness.score:.2f}{limit}."
    if witness.label is not None:
        likeliest = sorted(witness.probabilities.items(), key=lambda item: -item[1])[:_PROBABILITIES]
        yield (
            Piece.CLASS,
            f"Class: {', '.join(f'{label} {chance:.2f}' for label, chance in likeliest) or witness.label}.",
        )
    if witness.boxes is not None:
        yield Piece.BOXES, f"Found: {'; '.join(map(_box, witness.boxes)) or 'nothing'}."
    if witness.distance is not None:
        items = f", mostly by {', '.join(witness.items)}" if witness.items else ""
        yield Piece.DISTANCE, f"Distance: {witness.distance:.2f}{limit}{items}."
    if witness.hottest:
        of = "class" if witness.distance is None else "distance"  # a class's name would come in though it is left out
        yield Piece.MAP, f"Map of the {of}: hottest at {witness.hottest[0]}."


def _box(box: PlacedBox) -> str:
    place = f" at {box.places[0]}" if box.places else ""
    return f"{box.label}{place}" + ("" if box.score is None else f" ({box.score:.2f})")


def _cut(note: str) -> str:
    return note if len(note) <= _NOTE else f"{note[: _NOTE - 1]}…"
