"""Counts in sentences: a number with its noun, and the verbs that agree with it."""

from __future__ import annotations


def counted(number: int, noun: str, several: str = "") -> str:
    """A number with its noun, which takes the plural unless the number is 1; `several` is an irregular plural.

    >>> counted(1, "defective part"), counted(0, "box"), counted(2, "class"), counted(1200, "category")
    ('1 defective part', '0 boxes', '2 classes', '1,200 categories')
    >>> counted(2, "picture without a label", "pictures without a label")
    '2 pictures without a label'
    """
    return f"{number:,} {noun if number == 1 else several or plural(noun)}"


def plural(noun: str) -> str:
    """The regular plural.

    >>> [plural(noun) for noun in ("part", "box", "class", "category", "key")]
    ['parts', 'boxes', 'classes', 'categories', 'keys']
    """
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def is_are(number: int) -> str:
    """The verb of a count, now."""
    return "is" if number == 1 else "are"


def was_were(number: int) -> str:
    """The verb of a count, in the past."""
    return "was" if number == 1 else "were"
