"""The pages of embeddings and of a run's evolution in Japanese and Chinese."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kenpin import words
from kenpin.report.evolution import write_evolution
from kenpin.report.scatter import Panel, write_scatters
from kenpin.words import Language
from tests.catalogues import TRANSLATED
from tests.languages import Marking, Shown, outside
from tests.test_evolution import recorded

_DATA = {"a.png", "script", "alert", "png", "one", "lot", "run"}


def _scatters(folder: Path, language: Language) -> Path:
    points = np.random.default_rng(0).normal(size=(40, 3))
    panels = [Panel("lot 7", points, ["one", "no label"] * 20), Panel("lot 8", points, ["one"] * 40)]
    return write_scatters(panels, folder / "page.html", language=language)


def _evolution(folder: Path, language: Language) -> Path:
    run = recorded(folder / "run", range(0, 300, 10))
    return write_evolution(run, folder / "page.html", language=language)


PAGES = (_scatters, _evolution)


@pytest.mark.parametrize("write", PAGES)
def test_every_fixed_text_of_the_page_is_in_the_catalogue(
    write: Callable[[Path, Language], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marking = Marking()
    monkeypatch.setattr(words, "translations", lambda language: marking)
    shown = Shown(write(tmp_path, "ja").read_text("utf-8"))
    assert any("«" in text for text in shown.texts)
    assert not {(rest, text) for text in shown.texts if (rest := outside(text, _DATA))}


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("write", PAGES)
def test_the_page_is_in_its_language(
    write: Callable[[Path, Language], Path], language: Language, tmp_path: Path
) -> None:
    shown = Shown(write(tmp_path, language).read_text("utf-8"))
    assert shown.language == language
    assert not {text for text in shown.texts if outside(text, _DATA | {"mAP"})}
