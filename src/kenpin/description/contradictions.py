"""The check of a description for contradictions: of the verdict, and of classes and places without evidence.

Free texts are searched for names of classes and places as whole words, in scripts without spaces anywhere.
A negated name ("no scratch", キズなし) does not count. The check does not understand language: a class with an
everyday word for a name, such as `short`, is also found where the word means something else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from kenpin.description.answers import FREE_TEXTS, NONE, UNKNOWN, Description
from kenpin.description.evidence import Evidence
from kenpin.description.places import Place
from kenpin.records import Verdict


class Kind(StrEnum):
    """Kinds of contradictions."""

    DEFECT_ON_PASS = "defect-on-pass"
    NONE_ON_FAIL = "none-on-fail"
    SEVERITY_ON_PASS = "severity-on-pass"
    NO_SEVERITY_ON_FAIL = "no-severity-on-fail"
    REPAIR_ON_PASS = "repair-on-pass"
    SEVERITY_AND_FINDING = "severity-and-finding"
    PLACE_WITHOUT_FINDING = "place-without-finding"
    UNSUPPORTED_CLASS = "unsupported-class"
    UNSUPPORTED_PLACE = "unsupported-place"
    TEXT_NAMES_CLASS = "text-names-class"
    TEXT_NAMES_PLACE = "text-names-place"
    TEXT_DENIES_DEFECT = "text-denies-defect"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A contradiction between a description and the evidence."""

    kind: Kind
    sentence: str


def find_contradictions(description: Description, evidence: Evidence) -> tuple[Contradiction, ...]:
    """All contradictions; empty where the evidence supports the description."""
    return tuple(
        Contradiction(kind, sentence)
        for part in (_with_the_verdict, _with_itself, _with_the_findings, _in_texts)
        for kind, sentence in part(description, evidence)
    )


_Problems = Iterator[tuple[Kind, str]]


def _with_the_verdict(description: Description, evidence: Evidence) -> _Problems:
    if evidence.verdict is Verdict.PASS:
        if description.finding != NONE:
            yield Kind.DEFECT_ON_PASS, f"The verdict is PASS, and the finding is {description.finding}."
        if description.severity != NONE:
            yield Kind.SEVERITY_ON_PASS, f"The verdict is PASS, and the severity is {description.severity}."
        if not _NO_REPAIR.match(_plain(description.suggested_repair)):
            yield Kind.REPAIR_ON_PASS, "The verdict is PASS, and a repair is suggested."
    if evidence.verdict is Verdict.FAIL:
        if description.finding == NONE:
            yield Kind.NONE_ON_FAIL, "The verdict is FAIL, and nothing is found."
        if description.severity == NONE:
            yield Kind.NO_SEVERITY_ON_FAIL, "The verdict is FAIL, and the severity is none."


def _with_itself(description: Description, evidence: Evidence) -> _Problems:
    judged = evidence.verdict in (Verdict.PASS, Verdict.FAIL)  # then one of the two contradicts the verdict already
    if not judged and (description.finding == NONE) is not (description.severity == NONE):
        yield (
            Kind.SEVERITY_AND_FINDING,
            f"The finding is {description.finding}, and the severity is {description.severity}.",
        )
    if description.finding == NONE and description.place != NONE:
        yield Kind.PLACE_WITHOUT_FINDING, f"Nothing is found, and the place is {description.place}."


def _with_the_findings(description: Description, evidence: Evidence) -> _Problems:
    if description.finding not in (NONE, UNKNOWN, *evidence.supported_classes):
        yield (
            Kind.UNSUPPORTED_CLASS,
            f"The finding is {description.finding}, which no run and no similar case supports.",
        )
    if NONE not in (description.finding, description.place) and description.place not in evidence.supported_places:
        known = ", ".join(place for place in Place if place in evidence.supported_places)
        where = f"it was found at {known}" if known else "nothing says where it is"
        yield Kind.UNSUPPORTED_PLACE, f"The place is {description.place}, and {where}."


def _in_texts(description: Description, evidence: Evidence) -> _Problems:
    fine = frozenset[str]() if description.finding == NONE else evidence.supported_classes | {description.finding}
    for name in FREE_TEXTS:
        text, words = getattr(description, name), name.replace("_", " ")
        for label in named_classes(text, evidence.defect_classes, besides=evidence.ok_classes):
            if label not in fine:
                why = "nothing is found" if description.finding == NONE else "no run and no similar case supports it"
                yield Kind.TEXT_NAMES_CLASS, f"The {words} names {label}, and {why}."
    if description.finding != NONE:
        for place in named_places(description.appearance):
            if place not in evidence.supported_places and place != description.place:
                yield Kind.TEXT_NAMES_PLACE, f"The appearance names {place}, where nothing was found."
    if evidence.verdict is Verdict.FAIL and _DENIES_DEFECT.search(_plain(description.appearance)):
        yield Kind.TEXT_DENIES_DEFECT, "The verdict is FAIL, and the appearance denies any defect."


def named_classes(text: str, classes: Iterable[str], besides: Collection[str] = ()) -> tuple[str, ...]:
    """The classes that a text names without negation, whatever their case, plural and separators.

    besides: further names, in which no class is found: within the OK class 傷なし there is no 傷. A name without two
    letters in a row, such as 3, is not searched for.
    """
    plain = _plain(text)
    wanted = dict.fromkeys(classes)
    named = set()
    # longest first, and each match is blanked out: solder bridge does not name bridge
    for name in sorted({*wanted, *besides}, key=lambda word: (-len(word), word)):
        pattern = _pattern(name)
        if pattern is None:
            continue
        if any(not _is_denied(plain, *match.span()) for match in pattern.finditer(plain)):
            named.add(name)
        plain = pattern.sub(lambda match: "\0" * len(match[0]), plain)
    return tuple(name for name in wanted if name in named)


def named_places(text: str) -> tuple[Place, ...]:
    """The places that a text names without negation, in English or Japanese; the centre only with a preposition, for
    the word has other uses."""
    plain = _plain(text)
    return tuple(
        place
        for place, pattern in _PLACES.items()
        if any(not _is_denied(plain, *match.span()) for match in pattern.finditer(plain))
    )


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


# kana, Chinese characters, Hangul with its particles, Thai: no spaces between words
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_LETTER = rf"[^\W_{_UNSPACED}]"


def _pattern(name: str) -> re.Pattern[str] | None:
    plain = _plain(name)
    parts = re.findall(r"[^\W_]+", plain)
    if not re.search(rf"[{_UNSPACED}]|[^\W\d_]{{2}}", plain):
        return None
    before = rf"(?<!{_LETTER})" if re.match(_LETTER, parts[0]) else ""
    behind = rf"(?:'?s|es)?(?!{_LETTER})" if re.search(rf"{_LETTER}$", parts[-1]) else ""
    return re.compile(before + r"[\W_]+".join(map(re.escape, parts)) + behind)


_DENIED_BEFORE = re.compile(
    r"\b(?:no(?! longer| doubt)|without|free (?:of|from)|neither|nor|absence of|lacks?|kein\w*|ohne)\b[^.;:!?。]*$"
    r"|(?:\b(?:not|cannot|never|nicht)\b|n't\b)(?:\W+\w+){0,3}\W*$"
    r"|(?:無|非|没有|沒有|无|未见|未見)\s*$"
)
_DENIED_BEHIND = re.compile(
    r"[-\s]?free\b|\s+(?:is|are|was|were) (?:absent|ruled out|not (?:\w+ )?(?:visible|present|seen|found|there)\b)"
    r"|[^。、.;]{0,8}?(?:なし|無し|ない|無い|ません|なく)"
)
_RESUMES = re.compile(r"\b(?:but|however|except|yet|only)\b|が、")  # a negation before it ends here


def _is_denied(plain: str, start: int, end: int) -> bool:
    before = re.split(r"[.;!?。\n]", plain[:start])[-1]
    before = _RESUMES.split(before)[-1]
    return bool(_DENIED_BEFORE.search(before) or _DENIED_BEHIND.match(plain, end))


_ROWS = {"upper": "(?:upper|top)", "middle": "(?:middle|cent(?:re|er)|mid)", "lower": "(?:lower|bottom)"}
_COLUMNS = {"left": "left", "middle": "(?:middle|cent(?:re|er))", "right": "right"}
_JAPANESE = {
    Place.UPPER_LEFT: "左上",
    Place.UPPER_RIGHT: "右上",
    Place.LOWER_LEFT: "左下",
    Place.LOWER_RIGHT: "右下",
    Place.CENTRE: "(?<![上下左右])中央(?![上下左右])",
}


def _place_pattern(place: Place) -> re.Pattern[str]:
    if place is Place.CENTRE:
        english = rf"\b(?:in|at|near|around) the {_COLUMNS['middle']}\b(?!\W+(?:left|right))"
    else:
        row, column = place.split()
        english = rf"\b{_ROWS[row]}[\s-]+{_COLUMNS[column]}\b"
    return re.compile("|".join([english, *([_JAPANESE[place]] if place in _JAPANESE else [])]))


_PLACES = {place: _place_pattern(place) for place in Place}
_NO_REPAIR = re.compile(
    r"[\W_]*$|(?:none|no|not|nothing|n/?a|kein\w*|nicht)\b"
    r"|(?:修理|補修)?(?:は|の必要は|必要)?(?:なし|無し|不要|ない|ありません)|特になし"
)
_NOTHING_WRONG = r"(?:異常|欠陥|不良|問題|損傷|キズ|傷)"
_DENIES_DEFECT = re.compile(
    r"\b(?:no(?! (?:other|further|more|additional|longer))|without(?: any)?|free (?:of|from)(?: any)?) (?:\w+ ){0,2}?"
    r"(?:defects?|damages?|faults?|flaws?|anomal(?:y|ies)|abnormalit(?:y|ies)|problems?)\b"
    r"|\b(?:defect|fault|flaw|damage)[- ]?(?:free|less)\b|\bnothing (?:is |looks )?wrong\b"
    rf"|{_NOTHING_WRONG}(?:は|が|も)?(?:なし|無し|ない|無い|ありません|なく|見られ(?:ない|ません)|認められ(?:ない|ません))"
)
