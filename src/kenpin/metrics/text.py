"""Measures of an answer in words against the true one: exact match, F1 of its words, edit distance."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter

import numpy as np

_ARTICLES = re.compile(r"\b(a|an|the)\b")
# scripts that put no space between words: hiragana and katakana, CJK ideographs, and the latter's wide forms
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f])")


def words_of(text: str) -> list[str]:
    """The words that count: lower case, without punctuation and English articles; each character of a script without
    spaces is a word.

    # Rajpurkar et al. 2016 (SQuAD), evaluate-v1.1.py, normalize_answer; Lewis et al. 2020 (MLQA) for other scripts.
    """
    plain = "".join(" " if _is_unspaced_mark(c) else "" if _is_punctuation(c) else c for c in text.lower())
    return _UNSPACED.sub(r" \1 ", _ARTICLES.sub(" ", plain)).split()


def exact_match(answer: str, truth: str) -> bool:
    """Whether both have the same words in the same order.

    >>> exact_match("The scratch.", "scratch")
    True
    """
    return words_of(answer) == words_of(truth)


def token_f1(answer: str, truth: str) -> float:
    """Harmonic mean of the share of the answer's words that are true and of the true words in the answer, 0 to 1.

    # Rajpurkar et al. 2016, evaluate-v1.1.py, f1_score; where one side has no word, 1 if neither has (SQuAD 2.0).

    >>> round(token_f1("a deep scratch", "The scratch."), 2)
    0.67
    """
    ours, theirs = words_of(answer), words_of(truth)
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))


def edit_distance(answer: str, truth: str) -> float:
    """Characters to insert, delete or replace, over the length of the longer text, 0 to 1; spaces at the ends aside.

    # Levenshtein 1966, row by row: a deletion may follow a deletion, so each row ends in a running minimum.

    >>> round(edit_distance("scrach", "scratch"), 2)
    0.14
    """
    ours, theirs = (np.array([ord(c) for c in text.strip()], np.int64) for text in (answer, truth))
    if not max(len(ours), len(theirs)):
        return 0.0
    columns = np.arange(len(theirs) + 1)
    row = columns
    for count, character in enumerate(ours, start=1):
        stepped = np.minimum(row[1:] + 1, row[:-1] + (theirs != character))
        row = np.minimum.accumulate(np.concatenate([[count], stepped]) - columns) + columns
    return float(row[-1]) / max(len(ours), len(theirs))


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def _is_unspaced_mark(character: str) -> bool:
    """Whether it is punctuation of a script without spaces, such as 、 and 。, which separates words."""
    return "\u3000" <= character <= "\u303f"
