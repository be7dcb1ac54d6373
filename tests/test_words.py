"""What a user reads is plain English: nouns agree with their numbers, a and an are right, and no word is a riddle."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.plural import counted, is_are, plural, was_were
from tests.tree import PACKAGE

NOUNS = frozenset(
    re.findall(
        r"\w+",
        """
        answers bits boxes cases categories cells characters classes columns decisions defects dimensions embeddings
        errors evaluations events examples factors features files findings folders folds groups hits images items
        labels lots mistakes notes numbers outcomes pairs parameters parts pictures pieces points questions ratings
        records references regions relations rows runs scores settings shares signals sizes splits steps tokens trials
        vectors verdicts warnings words
        """,
    )
)
"""What is counted in sentences. Units such as pixels, bytes and seconds are measured, not counted."""
NO_ADJECTIVES = frozenset(
    re.findall(
        r"\w+",
        """
        a above all and are as at below by can cannot cuts did do does for from had has have held hold holds in into is
        it its judges lacks may model must name names need needs no not of on or percentage say says than that the to
        was were which with
        """,
    )
)
"""Words behind which a noun is not what the number counts."""
WORDED = frozenset({"value", "way"})
"""Placeholders for a word, or for a number with its unit."""
SPELLED = frozenset(
    {"F1", "FN", "HDF5", "LLM", "MQTT", "MT", "MVTec", "NG", "NPZ", "RGB", "RMS", "RT", "SVG", "SVM", "XML"}
)
"""Read letter by letter, the first of which sounds like `em`, `ef` or `ess`."""
AS_YOU = re.compile(r"eu|one\b|once|ubiq|uint|uni|us[ae]|usual|util|U\b|UMAP|UR[IL]|USB|UTF")
"""Beginnings that are written with a vowel and said with a consonant."""
AS_VOWEL = re.compile(r"8|1[18](?!\d)|heir|hour|honest|https?\b|lm_|svm\b|x-ray|X-ray|xml\b")
"""Beginnings that are said with a vowel and written without one."""
FORBIDDEN = (
    r"\brightly\b",
    r"\b(?:annotated|answered|described|judged|named) otherwise\b",
    r"\bby lot\b",
    r"\bto know\b",
    r"\bthough OK\b",
    r"\bcrew\b",
    r"\bknown to be done with\b",
    r"\bnothing is known\b",
    r"\banew\b",
    r"\bmend(?:ed|s)?\b",
    r"\bflatters?\b",
    r"\bstands? there\b",
    r"\bsaid before\b",
    r"\bdra(?:w|ws|wn) together\b",
    r"(?<!there )\b(?:is|are) no (?:[\w-]+ )?(?:JSON|UTF-8|XML|box|case|class|dict|export|folder|label|list|map|"
    r"name|number|picture|record|reference|run|text|verdict|word)\b",
)
"""What an earlier edition said, of which readers did not know what it meant."""
PLACEHOLDER = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Sentence:
    """A text of the package, its placeholders as one character, and what stands in them."""

    where: str
    text: str
    values: tuple[ast.FormattedValue, ...] = ()


def sentences(source: str, where: str) -> Iterator[Sentence]:
    """The strings of a module but for its docstrings; those that commands and families show are among them."""
    tree = ast.parse(source)
    unseen = _docstrings(tree) - _shown(tree, where)
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(piece) for piece in node.values}
            text = "".join(str(one.value) if isinstance(one, ast.Constant) else PLACEHOLDER for one in node.values)
            values = tuple(one for one in node.values if isinstance(one, ast.FormattedValue))
            yield Sentence(f"{where}:{node.lineno}", text, values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner | unseen:
            yield Sentence(f"{where}:{node.lineno}", node.value)


def _docstrings(tree: ast.Module) -> set[int]:
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    alone = [line.value for body in bodies for line in body if isinstance(line, ast.Expr)]
    return {id(value) for value in alone if isinstance(value, ast.Constant)}


def _shown(tree: ast.Module, where: str) -> set[int]:
    """Docstrings that are read: those of commands, and a family's first sentence."""
    if where.startswith("cli/"):
        return {id(doc) for node in tree.body if isinstance(node, ast.FunctionDef) if (doc := _docstring(node))}
    is_family = re.fullmatch(r"models/[a-z]\w*\.py", where) is not None
    return {id(doc)} if is_family and (doc := _docstring(tree)) else set()


def _docstring(node: ast.Module | ast.FunctionDef) -> ast.Constant | None:
    for line in node.body[:1]:
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
            return None if getattr(node, "name", "").startswith("_") else line.value
    return None


def template_sentences(source: str, where: str) -> Iterator[Sentence]:
    """The words between a template's tags."""
    bare = re.sub(r"\{[%#].*?[%#]\}|<style.*?</style>", " ", source, flags=re.DOTALL)
    for number, line in enumerate(re.sub(r"\{\{.*?\}\}", PLACEHOLDER, bare).splitlines(), start=1):
        for text in re.split(r"<[^>]*>", line):
            yield Sentence(f"{where}:{number}", text)


def all_sentences() -> list[Sentence]:
    found: list[Sentence] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        found += sentences(file.read_text("utf-8"), file.relative_to(PACKAGE).as_posix())
    for file in sorted(PACKAGE.rglob("*.jinja")):
        found += template_sentences(file.read_text("utf-8"), file.relative_to(PACKAGE).as_posix())
    return found


def miscounted(sentence: Sentence) -> list[str]:
    """Plurals behind a number that may be 1, straight or with up to two words between."""
    found = re.findall(rf"\b1 (?:{'|'.join(sorted(NOUNS))})\b", sentence.text)
    pieces = sentence.text.split(PLACEHOLDER)
    for number, (before, behind) in enumerate(itertools.pairwise(pieces)):
        words = re.match(r"(?: [\w-]+){0,3}", behind)
        first = words.group().split() if words else []
        place = next((place for place, word in enumerate(first) if word in NOUNS), None)
        value = sentence.values[number] if sentence.values else None
        is_area = before.endswith(" × ")
        if place is None or is_area or NO_ADJECTIVES & set(first[:place]) or (value is not None and _is_many(value)):
            continue
        found.append(" ".join(first))
    return found


def _is_many(value: ast.FormattedValue) -> bool:
    """Whether it is no bare count: a constant, a shape, a measured number, a word, or a count with its noun."""
    told = ast.unparse(value.value)
    spec = "" if value.format_spec is None else ast.unparse(value.format_spec)
    if re.fullmatch(r"(?:\w+\.)*_?[A-Z][A-Z_]*(?:\[.*\])?", told) or told.endswith(".shape") or told in WORDED:
        return True
    return re.search(r"[gf%]'", spec) is not None or re.match(r"\w*(?:counted|percent|points)\(", told) is not None


def wrong_articles(text: str) -> list[str]:
    """`a` before a vowel, `an` before a consonant, and either straight before a placeholder."""
    found = []
    for article, word in re.findall(rf"(?<![\w.'`\"/-])([Aa]n?) ({PLACEHOLDER}|[\w-]+)", text):
        if word == PLACEHOLDER or (article.lower() == "an") is not _takes_an(word):
            found.append(f"{article} {word}")
    return found


def _takes_an(word: str) -> bool:
    if word.split("-")[0] in SPELLED or AS_VOWEL.match(word):
        return True
    return word[0].lower() in "aeiou" and AS_YOU.match(word) is None


def riddles(text: str) -> list[str]:
    return [match.group() for pattern in FORBIDDEN for match in re.finditer(pattern, text, re.IGNORECASE)]


@pytest.fixture(scope="module")
def every() -> list[Sentence]:
    found = all_sentences()
    assert len(found) > 5000
    return found


def test_nouns_agree_with_their_numbers(every: list[Sentence]) -> None:
    assert not [f"{one.where}: {found}" for one in every for found in miscounted(one)], "count with kenpin.plural"


def test_a_and_an_are_right(every: list[Sentence]) -> None:
    assert not [f"{one.where}: {found}" for one in every for found in wrong_articles(one.text)]


def test_no_word_is_a_riddle(every: list[Sentence]) -> None:
    assert not [f"{one.where}: {found}" for one in every for found in riddles(one.text)]


@pytest.mark.parametrize("code", ["{n} pictures", "{len(x)} good parts left", "1 boxes", "{n:,} of {m} rows"])
def test_a_miscounted_noun_is_seen(code: str) -> None:
    sentence = next(sentences(f'x = f"{code}"' if "{" in code else f'x = "{code}"', "x.py"))
    assert miscounted(sentence)


@pytest.mark.parametrize(
    "code",
    ["{counted(n, 'picture')} left", "{_FEW} pictures", "{n} of the parts", "{x:.1f} points", "21 boxes", "{n} is"],
)
def test_a_counted_noun_passes(code: str) -> None:
    sentence = next(sentences(f'x = f"{code}"', "x.py"))
    assert not miscounted(sentence)


@pytest.mark.parametrize("text", ["A svm head", "a AUROC", "a MT space", "an unit", "a 8-bit map", f"a {PLACEHOLDER}"])
def test_a_wrong_article_is_seen(text: str) -> None:
    assert wrong_articles(text)


@pytest.mark.parametrize(
    "text", ["an NG part", "a unit", "an 8-bit map", "a ROC curve", "an OK part", "a UMAP", "a.jpg"]
)
def test_a_right_article_passes(text: str) -> None:
    assert not wrong_articles(text)


@pytest.mark.parametrize(
    "text",
    ["named rightly", "answered otherwise", "drawn by lot", "21 to know.", "failed though OK", "is no JSON object"],
)
def test_a_riddle_is_seen(text: str) -> None:
    assert riddles(text)


def test_there_is_no_picture_is_no_riddle() -> None:
    assert not riddles("there is no picture; see otherwise, or it is no longer a run")


def test_what_is_shown_is_read() -> None:
    """Docstrings of commands and families are held to the rules too, those of other functions are not."""
    command = 'def look():\n    """Draw a AUROC."""\n    return f"{1} boxes"\n'
    assert [one.text for one in sentences(command, "cli/look.py")] == ["Draw a AUROC.", f"{PLACEHOLDER} boxes"]
    assert [one.text for one in sentences(command, "data/look.py")] == [f"{PLACEHOLDER} boxes"]
    assert [one.text for one in sentences('"""A family."""', "models/new.py")] == ["A family."]
    assert not [*sentences('"""A part."""', "models/_new.py")]
    assert "1 boxes" in [one.text for one in template_sentences("{% if x %}<p>1 boxes</p>{% endif %}", "x.jinja")]


@given(st.integers(0, 10**7), st.sampled_from(["box", "class", "part", "category", "key", "axis"]))
def test_a_count_has_its_noun(number: int, noun: str) -> None:
    several = {"box": "boxes", "class": "classes", "part": "parts", "category": "categories", "key": "keys"}
    told = counted(number, noun, "axes" if noun == "axis" else "")
    assert told == f"{number:,} {noun if number == 1 else several.get(noun, 'axes')}"
    assert (is_are(number), was_were(number)) == (("is", "was") if number == 1 else ("are", "were"))
    assert noun == "axis" or plural(noun) == several[noun]
