"""What was recorded in English, said in the language of a page: sentences are found again by their templates.

Records stay English, those of old runs too. A page splits a recorded text into sentences, finds the template that each
was made from (`kenpin.words.sentences`), and says it in its own language with the values of the record. What matches no
template stays English and is marked as such.

A place `%(kind_name)s` of a template says what stands in it: a `number` and a `text` (labels, names and questions of
users) are taken over as they are, of `names` the end “and 3 more” is said in the page's language, a `phrase` is one of
the known phrases, what was `told` is said in the page's language where it is known, and what is `known` is known to its
end, or the template does not fit. `who` is a name too; where kenpin itself named who gave none, that is said in the
page's language. `{was|were}` stands for one of its forms, which translations leave out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from markupsafe import Markup, escape

from kenpin.words import FULL_ENDS, Texts
from kenpin.words.sentences import NAMELESS, PHRASES, SENTENCES

_LONGEST = 4_000  # letters of a text that is looked at: a sentence with a list of many names stays below
_MOST_SENTENCES = 24
_DEEPEST = 4  # a basis within a note, in it an error, in it a phrase
_PIECES = re.compile(r"%\((?P<kind>[a-z]+)(?P<name>_[a-z_]+)?\)s|\{(?P<forms>[^{}]*\|[^{}]*)\}|(?P<percent>%%)")
_NUMBER = r"[-+−]?(?:\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?|inf|nan)%?"
_ENDS = re.compile(r"(?<=[.!?…:\"'”)\]]) (?=\S)")
_JOINTS = ("; ", ", ")  # of lists: those of the larger parts first
_MORE = re.compile(r"(?P<names>.+) and (?P<more>\d[\d,]*) more", re.DOTALL)
KINDS = frozenset({"number", "text", "names", "who", "phrase", "told", "known"})


class Blank(NamedTuple):
    """A place of a template, by its whole name and its kind."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with places, as a pattern."""

    text: str
    """The English one, the key of the catalogue."""
    places: tuple[Blank, ...]
    pattern: re.Pattern[str]
    literals: tuple[str, ...]
    """What stands between places and forms, in this order: a text without these need not be matched."""
    length: int
    """Letters of the literals: of two templates that match, the one that says more by itself is meant."""

    @classmethod
    def of(cls, text: str) -> Template:
        """The template of a text in this module's notation. Raises ValueError for a kind that does not exist."""
        parts: list[str | tuple[str, ...] | Blank] = []
        end = 0
        for found in _PIECES.finditer(text):
            parts.append(text[end : found.start()])
            end = found.end()
            if found["kind"]:
                if found["kind"] not in KINDS:
                    raise ValueError(f"{text}: {found['kind']} is no kind of place; take one of {sorted(KINDS)}.")
                parts.append(Blank(found["kind"] + (found["name"] or ""), found["kind"]))
            else:
                parts.append("%" if found["percent"] else tuple(found["forms"].split("|")))
        parts = _joined([*parts, text[end:]])
        literals = tuple(part for part in parts if isinstance(part, str))
        return cls(
            text,
            tuple(part for part in parts if isinstance(part, Blank)),
            re.compile(_pattern(parts) + r"\Z", re.DOTALL),
            literals,
            sum(map(len, literals)),
        )

    def values(self, sentence: str) -> Mapping[str, str] | None:
        """The values of a sentence that was made from this template, by the names of their places; None for another."""
        start = 0
        for literal in self.literals:
            if (at := sentence.find(literal, start)) < 0:
                return None
            start = at + len(literal)
        found = self.pattern.match(sentence)
        return None if found is None else found.groupdict()


def _joined(parts: Iterable[str | tuple[str, ...] | Blank]) -> list[str | tuple[str, ...] | Blank]:
    """The parts without empty texts, and texts that follow each other as one."""
    whole: list[str | tuple[str, ...] | Blank] = []
    for part in parts:
        if isinstance(part, str) and whole and isinstance(last := whole[-1], str):
            whole[-1] = last + part
        elif part:
            whole.append(part)
    return whole


def _pattern(parts: list[str | tuple[str, ...] | Blank]) -> str:
    """Each place ends where what follows it begins, up to the next place, and is not tried again: a text of thousands
    of commas takes no longer than another."""
    pattern, following, last = "", "", True
    for part in reversed(parts):
        if isinstance(part, Blank):
            ahead = following + (r"\Z" if last else "")
            value = _NUMBER if part.kind == "number" else r".+?"
            pattern = rf"(?P<{part.name}>(?>{value}(?={ahead}))){pattern}"
            following, last = "", False
            continue
        # the longest form first: what could be the rest of one is no value
        forms = (part,) if isinstance(part, str) else sorted(part, key=len, reverse=True)
        own = f"(?:{'|'.join(map(re.escape, forms))})"
        pattern, following = own + pattern, own + following
    return pattern


class _Said(NamedTuple):
    """A text in the page's language: how many letters of it stayed English, and how many templates gave."""

    text: Markup
    english: int
    known: int


@cache
def templates() -> tuple[Template, ...]:
    """Those of whole sentences."""
    return tuple(map(Template.of, SENTENCES))


@cache
def phrases() -> tuple[Template, ...]:
    """Those that stand within sentences."""
    return tuple(map(Template.of, PHRASES))


@cache
def made(*among: str) -> tuple[Template, ...]:
    """Templates of their texts."""
    return tuple(map(Template.of, among))


def translated_by(among: tuple[Template, ...], text: str, texts: Texts) -> str | None:
    """A text that one of these templates made, in a language that is not English, not escaped; None for another."""
    said = _by_templates(among, text, texts, 0)
    return None if said is None or said.english else said.text.unescape()


def translated(text: str, texts: Texts) -> str | None:
    """A recorded text in the page's language, not escaped; None where some of it is not known in it."""
    if texts.language == "en":
        return text
    said = _said(text, texts)
    return None if said.english else said.text.unescape()


def recorded(text: str, texts: Texts) -> str:
    """A recorded text for a page, with what is not known in its language marked as English.

    >>> from kenpin.words import Texts
    >>> recorded("Split lot <7> was left out, as asked: this run has not looked at its pictures.", Texts("zh"))
    Markup('已按要求排除数据划分 lot &lt;7&gt;：本模型未看过其中的图片。')
    >>> recorded("Nobody knows this sentence.", Texts("zh"))
    Markup('<span lang="en">Nobody knows this sentence.</span>')
    """
    return text if texts.language == "en" else _said(text, texts).text


@lru_cache(4096)
def _said(text: str, texts: Texts, depth: int = 0) -> _Said:
    """The sentences of a text, divided so that the least stays English and templates give the most."""
    ends = [found.start() for found in _ENDS.finditer(text)]
    if len(text) > _LONGEST or len(ends) >= _MOST_SENTENCES or depth > _DEEPEST:
        return _as_english(text)
    starts, stops = [0, *(end + 1 for end in ends)], [*ends, len(text)]
    best: list[tuple[int, int, tuple[_Said, ...]]] = [(0, 0, ())]
    for stop in range(len(stops)):
        ways = []
        for start in range(stop + 1):
            one = text[starts[start] : stops[stop]]
            said = _by_templates(templates(), one, texts, depth) or _as_english(one)
            english, known, before = best[start]
            ways.append((english + said.english, known - said.known, (*before, said)))
        best.append(min(ways, key=lambda way: (*way[:2], len(way[2]))))
    english, known, sentences = best[-1]
    return _Said(_in_a_row(sentences), english, -known)


def _in_a_row(sentences: tuple[_Said, ...]) -> Markup:
    """Sentences after each other; Japanese and Chinese ones without a space between them."""
    row = Markup()
    for before, said in zip((None, *sentences), sentences, strict=False):
        full = before is not None and not before.english and str(before.text).endswith(FULL_ENDS)
        row += ("" if before is None or full else " ") + said.text
    return row


def _as_english(text: str) -> _Said:
    return _Said(Markup('<span lang="en">{}</span>').format(text) if text else Markup(), len(text.replace(" ", "")), 0)


def _phrase(phrase: str, texts: Texts, depth: int) -> _Said | None:
    """A known phrase, or a list of such; None for another."""
    if depth > _DEEPEST:
        return None
    if (said := _by_templates(phrases(), phrase, texts, depth)) is not None:
        return said
    for joint in _JOINTS:
        each = [_by_templates(phrases(), one, texts, depth) for one in phrase.split(joint)]
        known = [one for one in each if one is not None]
        if 1 < len(each) == len(known):
            return _Said(Markup(texts(joint)).join(one.text for one in known), 0, sum(one.known for one in known))
    return None


def _by_templates(among: tuple[Template, ...], text: str, texts: Texts, depth: int) -> _Said | None:
    found = ((template, values) for template in among if (values := template.values(text)) is not None)
    for template, values in sorted(found, key=lambda one: -one[0].length):
        if (said := _filled(template, values, texts, depth)) is not None:
            return said
    return None


def _filled(template: Template, values: Mapping[str, str], texts: Texts, depth: int) -> _Said | None:
    filled, english, known = {}, 0, template.length
    for name, kind in template.places:
        value = values[name]
        if kind == "names" and (more := _MORE.fullmatch(value)):
            filled[name] = Markup(texts("%(names)s and %(count)s more")) % {
                "names": more["names"],
                "count": more["more"],
            }
            continue
        if kind not in ("phrase", "told", "known"):
            filled[name] = escape(texts(value) if kind == "who" and value == NAMELESS else value)
            continue
        said = _phrase(value, texts, depth + 1)
        if said is None and kind != "phrase":
            said = _said(value, texts, depth + 1)
        if said is None or (kind == "known" and said.english):
            return None
        filled[name], english, known = said.text, english + said.english, known + said.known
    return _Said(Markup(texts(template.text)) % filled, english, known)
