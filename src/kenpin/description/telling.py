"""How evidence is told to a language model: short sentences, always the same for the same evidence, piece by piece."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum

from kenpin.description.evidence import Evidence, PlacedBox, Witness

_PROBABILITIES = 3  # of a classifier, the likeliest
_NOTE = 80  # characters of a person's note


class Piece(StrEnum):
    """A piece of the evidence, which can be told or left out."""

    VERDICT = "verdict"
    SCORE = "score"
    CLASS = "class"
    BOXES = "boxes"
    DISTANCE = "distance"
    MAP = "map"
    CASES = "cases"


def tell(evidence: Evidence, leave_out: Collection[Piece] = ()) -> str:
    """The evidence in words, a line for each piece of each witness; empty where nothing is known or told.

    Why a verdict was given is not told: score, class and items say it, and what is left out must not come in again.
    """
    return "\n".join(line for piece, line in _lines(evidence) if piece not in leave_out)


def pieces_of(evidence: Evidence) -> tuple[Piece, ...]:
    """The pieces that there are, in the order in which they are told."""
    there = {piece for piece, _ in _lines(evidence)}
    return tuple(piece for piece in Piece if piece in there)


def _lines(evidence: Evidence) -> Iterator[tuple[Piece, str]]:
    if evidence.verdict is not None:
        yield Piece.VERDICT, f"Verdict: {evidence.verdict.value}."
    for one in evidence.witnesses:
        yield from _lines_of(one)
    for case in evidence.cases:
        said = [case.verdict, *([case.label] if case.label else []), f"similarity {case.similarity:.2f}"]
        note = " ".join((case.note or "").split())
        yield Piece.CASES, f"Known case: {', '.join(said)}" + (f": {_cut(note)}" if note else "") + "."


def _lines_of(one: Witness) -> Iterator[tuple[Piece, str]]:
    limit = "" if one.fail_from is None else f", fails from {one.fail_from:.2f}"
    if one.score is not None and one.distance is None:  # else the distance is the score
        yield Piece.SCORE, f"Score: {one.score:.2f}{limit}."
    if one.label is not None:
        likeliest = sorted(one.probabilities.items(), key=lambda item: -item[1])[:_PROBABILITIES]
        yield Piece.CLASS, f"Class: {', '.join(f'{label} {chance:.2f}' for label, chance in likeliest) or one.label}."
    if one.boxes is not None:
        yield Piece.BOXES, f"Found: {'; '.join(map(_box, one.boxes)) or 'nothing'}."
    if one.distance is not None:
        items = f", mostly by {', '.join(one.items)}" if one.items else ""
        yield Piece.DISTANCE, f"Distance: {one.distance:.2f}{limit}{items}."
    if one.hottest:
        of = "class" if one.distance is None else "distance"  # a class's name would come in though it is left out
        yield Piece.MAP, f"Map of the {of}: hottest at {one.hottest[0]}."


def _box(box: PlacedBox) -> str:
    place = f" at {box.places[0]}" if box.places else ""
    return f"{box.label}{place}" + ("" if box.score is None else f" ({box.score:.2f})")


def _cut(note: str) -> str:
    return note if len(note) <= _NOTE else f"{note[: _NOTE - 1]}…"
