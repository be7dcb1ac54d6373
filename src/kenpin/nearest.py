"""The known name nearest to a misspelt one, and the remedy that names it, for all kinds of names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from kenpin.visible import short

_LIKE = 0.5  # of 1: `gud` is 0.57 like `good`
_LIKE_OF_OTHER_INITIAL = 0.7  # a slip seldom changes the first letter: `voc` is 0.57 like `coco`
_SHOWN = 20  # names in a sentence
_COMPARED = 200  # letters of a name; the time grows with their square


def nearest_name(name: str, known: Iterable[str], *, like: float = _LIKE) -> str | None:
    """The known name that `name` is most like, whatever their case and dashes; None where none is like it.

    like: share of the letters that must agree, 0 to 1; at least 0.7 where the first letters differ.

    >>> nearest_name("clasifier", ["classifier", "embedder"])
    'classifier'
    """
    bare = _bare(name)
    compared = SequenceMatcher(None, "", bare)
    best, highest = None, 0.0
    for candidate in known:
        other = _bare(candidate)
        least = like if other[:1] == bare[:1] else max(like, _LIKE_OF_OTHER_INITIAL)
        compared.set_seq1(other)
        # upper bounds come first: they take a hundredth of the time, and most names are unlike
        if compared.real_quick_ratio() < least or compared.quick_ratio() < least:
            continue
        if (ratio := compared.ratio()) >= least and (best is None or ratio > highest):
            best, highest = candidate, ratio
    return best


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest known one, or else which names there are.

    >>> did_you_mean("gud", ["good", "scratch"])
    'did you mean `good`?'
    >>> did_you_mean("crack", ["ok", "ng"])
    'there are ok, ng.'
    """
    names = list(dict.fromkeys(known))
    if (near := nearest_name(name, names)) is not None:
        return f"did you mean `{short(near)}`?"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"there are {', '.join(map(short, names[:_SHOWN]))}{more}." if names else "there are none."


def _bare(name: str) -> str:
    return name[:_COMPARED].casefold().replace("_", "-").strip("-")
