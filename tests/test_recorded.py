"""Recorded sentences in another language: every template finds its own sentences again, and values stay as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.report import write_report
from kenpin.words import Language, Texts
from kenpin.words.recorded import Template, phrases, recorded, templates, translated
from tests.catalogues import TRANSLATED
from tests.languages import Shown
from tests.toy_runs import trained

ALL = (*templates(), *phrases())
_NUMBERS = st.one_of(
    st.integers(0, 10**7).map("{:,}".format),
    st.floats(0, 1).map("{:.2%}".format),
    st.floats(-1e9, 1e9).map("{:.4g}".format),
    st.floats(-1, 1).map("{:+.3f}".format),
)
_NAMES = st.text(st.sampled_from("abz良品划痕'\"%<&>{|}\\—"), min_size=1, max_size=12)
_PHRASE = "stratified"


@st.composite
def _sentences(draw: st.DrawFn) -> tuple[Template, dict[str, str], str]:
    template = draw(st.sampled_from(ALL))
    values = {
        name: draw(_NUMBERS) if kind == "number" else _PHRASE if kind in ("phrase", "told") else draw(_NAMES)
        for name, kind in template.places
    }
    forms = re.sub(r"\{([^{}]*\|[^{}]*)\}", lambda found: draw(st.sampled_from(found[1].split("|"))), template.text)
    return template, values, forms % values


@given(_sentences())
def test_a_sentence_gives_its_values_back(made: tuple[Template, dict[str, str], str]) -> None:
    template, values, sentence = made
    assert template.values(sentence) == values


@given(_sentences())
def test_no_other_template_says_as_much_of_a_sentence(made: tuple[Template, dict[str, str], str]) -> None:
    template, _, sentence = made
    among = templates() if template in templates() else phrases()
    rivals = [one.text for one in among if one.text != template.text and one.values(sentence) is not None]
    assert not [text for text in rivals if Template.of(text).length >= template.length]


@given(_sentences(), st.sampled_from(TRANSLATED))
def test_values_pass_untouched_and_escaped(made: tuple[Template, dict[str, str], str], language: Language) -> None:
    template, values, sentence = made
    page = recorded(sentence, Texts(language))
    plain = re.sub(r"</?span[^>]*>", "", page)
    assert "<" not in plain
    for name, kind in template.places:
        if kind in ("number", "text"):
            assert values[name] in re.sub("<[^>]*>", "", page).replace("&lt;", "<").replace("&gt;", ">").replace(
                "&#39;", "'"
            ).replace("&#34;", '"').replace("&amp;", "&")


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_no_template_knows_stays_english_beside_what_one_knows(language: Language) -> None:
    known = "The training was interrupted."
    page = recorded(f"Nobody <knows>: this. {known}", Texts(language))
    assert page == f'<span lang="en">Nobody &lt;knows&gt;: this.</span> {Texts(language)(known)}'
    assert translated(f"Nobody knows this. {known}", Texts(language)) is None
    assert recorded(known, Texts("en")) == known


def test_a_text_of_thousands_of_joints_takes_no_longer() -> None:
    for hostile in (", " * 1900, "a: " * 1300, "%(text)s. " * 390, "Threshold 1: " * 300):
        assert recorded(hostile, Texts("ja"))


def test_each_origin_holds_templates_of_known_kinds() -> None:
    assert len(ALL) > 400
    with pytest.raises(ValueError, match="no kind"):
        Template.of("%(label)s is odd.")


FAMILIES: list[Any] = [
    ("classifier", {"tuning": "head"}),
    ("classifier", {"tuning": "full", "epochs": 1, "calibrate": "isotonic"}),
    ("mahalanobis", {}),
    pytest.param(("mahalanobis", {"where": "neighbours"}), marks=pytest.mark.slow),
    pytest.param(("mahalanobis", {"select_items": True}), marks=pytest.mark.slow),
    pytest.param(("embedder", {"tuning": "head", "epochs": 1}), marks=pytest.mark.slow),
    pytest.param(("florence2", {"tuning": "lora", "epochs": 1}), marks=pytest.mark.slow),
    pytest.param(("paligemma", {"tuning": "lora", "epochs": 1}), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("way", FAMILIES)
def test_no_english_sentence_is_left_on_the_report_of_a_run(
    way: tuple[str, dict[str, Any]], few_parts: Path, tmp_path: Path
) -> None:
    family, options = way
    of_parts = few_parts if family in ("classifier", "mahalanobis", "embedder") else None
    run = trained(family, tmp_path / "run", of_parts, **options)
    for language in TRANSLATED:
        page = write_report(run, tmp_path / f"{language}.html", language=language)
        # packages of whose versions a run tells have proper names, each a single word
        assert not [text for text in Shown(page.read_text("utf-8")).recorded if " " in text.strip()]
