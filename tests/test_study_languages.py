"""What studies found, on a page of its own and in a report, in Japanese and Chinese: only names stay as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from gettext import NullTranslations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin import words
from kenpin.report import render_report
from kenpin.report.findings import Findings, findings_to_json, read_findings, write_findings
from kenpin.report.plots import Table
from kenpin.report.words import study_title
from kenpin.studies import Rows, study_drift, study_gage
from kenpin.words import Language, Texts, translations
from kenpin.words.sentences import studies
from tests.catalogues import TRANSLATED
from tests.commands import Run
from tests.languages import Shown, outside
from tests.pictures import write_parts
from tests.quality.test_commands import write_manual, write_predictions, write_scores, write_verdicts
from tests.studies_found import KINDS, NAMES, SYMBOLS, everything, found
from tests.test_report import content
from tests.toy_runs import trained

DATA = NAMES | SYMBOLS
_NO_WORDS = re.compile(r"\d+e[-+]?\d+|x\d+|picture/\d+")  # numbers with a power of ten, and ids of parts


def _english(shown: Shown) -> set[str]:
    """What a reader of the page has to read in English."""
    return {text for text in shown.texts if outside(_NO_WORDS.sub("0", text), DATA)} | set(shown.recorded)


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_findings_is_in_its_language(kind: str, language: Language, tmp_path: Path) -> None:
    left = {}
    for name, one in found(kind).items():
        assert one.kind == kind
        shown = Shown(write_findings(one, tmp_path / "page.html", language=language, overwrite=True).read_text("utf-8"))
        assert shown.language == language
        left[name] = _english(shown)
    assert not {name: texts for name, texts in left.items() if texts}


@pytest.mark.parametrize("language", TRANSLATED)
def test_findings_in_a_report_are_in_its_language(language: Language) -> None:
    alone, shown = (Shown(render_report(content(), findings=of, language=language)) for of in ((), everything()))
    assert len(shown.texts) > len(alone.texts) + 1000
    left = _english(shown) - _english(alone)
    assert not left


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_of_a_page_are_the_same_in_each_language(kind: str, language: Language, tmp_path: Path) -> None:
    for name, one in found(kind).items():
        pages = (write_findings(one, tmp_path / f"{at}.html", language=at, overwrite=True) for at in ("en", language))
        english, other = (sorted(_numbers(Shown(page.read_text("utf-8")).texts)) for page in pages)
        assert english == other, name
        assert english


def _numbers(texts: Iterable[str]) -> list[str]:
    """Those of two digits and more: Japanese and Chinese count what English names by a word, as in “per part”."""
    return re.findall(r"\d+[.,]\d+|\d{2,}", " ".join(texts))


def test_every_template_of_studies_has_its_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    said = set()
    japanese = translations("ja")

    class Noting(NullTranslations):
        def gettext(self, message: str) -> str:
            said.add(message)
            return japanese.gettext(message)

    monkeypatch.setattr(words, "translations", lambda language: Noting())
    for one in everything():
        render_report(content(), findings=[one], language="ja")
    assert set(studies.SENTENCES) <= said


@pytest.mark.parametrize("language", TRANSLATED)
def test_names_of_users_stay_where_a_word_of_kenpin_is_the_same(language: Language) -> None:
    texts = Texts(language)
    rows = [
        {"part": row, "trial": trial, "appraiser": who, "verdict": "NG" if row % 2 else "OK", "reference": "OK"}
        for row in range(9)
        for trial in range(2)
        for who in ("everybody", "total")
    ]
    gage, _ = study_gage(Rows(rows, "parts.csv")).in_language(texts)
    who = [row[0] for row in gage.tables[0].rows]
    assert who == ["everybody"] * 3 + ["total"] * 3 + [texts("everybody")] * 2
    assert texts("everybody") != "everybody"
    assert [bar.name.split("：")[0] for bar in gage.bars[0].bars] == who
    assert gage.tables[1].rows[2][0] == "everybody、total"
    scores, verdicts = np.arange(60.0), ["PASS", "FAIL"] * 30
    now = Rows.of("good.csv", distance=scores + 99, verdict=verdicts, lot=["new", "good"] * 30)
    drift, _ = study_drift(now, Rows.of(distance=scores, verdict=verdicts)).in_language(texts)
    assert " new（" in drift.lines[1].described
    assert study_title("drift", drift.name, texts).endswith("：good")
    changes = Table(
        "Other verdicts", ("part", "truth", "before", "now", "now it"), (("FAIL", "PASS", "PASS", "FAIL", "is caught"),)
    )
    (said,) = Findings("succession", "now against new", (), tables=(changes,)).in_language(texts)[0].tables
    assert said.rows == (("FAIL", "PASS", texts("PASS"), texts("FAIL"), texts("is caught")),)
    assert re.fullmatch("now . new .+", study_title("succession", "now against new", texts).split("：")[1])


@pytest.mark.parametrize("language", TRANSLATED)
def test_who_is_not_named_has_a_name_in_the_language(language: Language) -> None:
    texts = Texts(language)
    gage, _ = found("gage")["verdicts as the truth"].in_language(texts)
    assert {"Aiko", texts("The inspector"), f"Aiko、{texts('The inspector')}"} <= {
        row[0] for table in gage.tables for row in table.rows
    }


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_of_another_version_stays_english_whole_and_says_so(language: Language, tmp_path: Path) -> None:
    gage = found("gage")["verdicts that are marginal, with truth"]
    shares, agreement = gage.tables[0], gage.bars[0]
    odd = replace(
        gage,
        tables=(
            replace(shares, rows=(*shares.rows, ("Aiko", "sees double", "1.0 %", "", "1 of 2"))),
            replace(shares, head=("who", *shares.head[1:-1], "parts")),
            Table("Shares of good parts", shares.head, shares.rows),
        ),
        bars=(replace(agreement, label="odds"), replace(agreement, caption="It is well known."), *gage.bars[1:]),
    )
    said, other = odd.in_language(Texts(language))
    assert (len(said.tables), len(said.bars)) == (0, 1)
    assert (other.tables, other.bars) == (odd.tables, odd.bars[:2])
    shown = Shown(write_findings(odd, tmp_path / "page.html", language=language).read_text("utf-8"))
    assert {"Shares of good parts", "odds", "sees double"} <= set(shown.recorded)
    assert not {text for text in shown.texts if outside(text, DATA)}


def test_an_english_page_has_all_as_it_was_found(tmp_path: Path) -> None:
    for one in everything():
        said, other = one.in_language(Texts("en"))
        assert said == one
        assert not (*other.lines, *other.bars, *other.tables)
        path = tmp_path / "found.json"
        path.write_text(json.dumps(findings_to_json(one)), "utf-8")
        assert read_findings([path]) == (replace(one, alarm=False),)


def _command(name: str, folder: Path) -> tuple[Any, ...]:
    match name:
        case "judge":
            write_scores()
            write_verdicts(Path("before.json"), "FFFFPPPPPP")
            write_verdicts(Path("now.json"), "PPPPPPFPFF")
            return "judge", "now.json", "--against", "before.json"
        case "gage":
            write_manual(Path("study.csv"))
            return "gage", "study.csv", "--value", "value"
        case "drift":
            write_predictions(Path("old.json"), np.random.default_rng(0).gamma(4, 0.25, 200))
            write_predictions(Path("new.json"), 3 + np.random.default_rng(1).gamma(4, 0.25, 100))
            return "drift", "new.json", "--reference", "old.json"
        case "compare":
            parts = write_parts(folder / "parts", count=24)
            for run in ("one", "two"):
                trained("mahalanobis" if run == "two" else "classifier", folder / run, parts)
            return "compare", folder / "one", folder / "two", "--data", write_parts(folder / "new", count=6, first=900)
    return "doctor", write_parts(folder / "parts", count=6)


@pytest.mark.parametrize("name", ["judge", "gage", "drift", "compare", "doctor"])
def test_a_command_writes_its_page_in_a_language_and_all_else_in_english(
    name: str, kenpin: Run, tmp_path: Path
) -> None:
    command = _command(name, tmp_path)
    status, plain, _ = kenpin(*command, "--json", "en.json")
    for language in TRANSLATED:
        page = Path(f"{language}.html")
        ran, out, err = kenpin(*command, "--out", page, "--json", f"{language}.json", "--language", language)
        assert (ran, err) == (status, "")
        assert out.splitlines()[: len(plain.splitlines())] == plain.splitlines()
        assert Path(f"{language}.json").read_text("utf-8") == Path("en.json").read_text("utf-8")
        assert f'<html lang="{language}">' in page.read_text("utf-8")
    status, _, err = kenpin(*command, "--language", "ja")
    assert status == 2
    assert "option `--language`" in err
    assert "--out" in err
