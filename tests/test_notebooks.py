"""The notebooks are those of the worked examples, and run from top to bottom in a kernel of their own."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from tests import notebooks
from tests.notebooks import FOLDER, NAMES, notebook
from tests.tree import ROOT


def test_there_is_one_of_each_worked_example() -> None:
    assert len(NAMES) == 4
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_its_script_with_what_it_showed(name: str) -> None:
    kept, made = nbformat.read(FOLDER / f"{name}.ipynb", 4), notebook(name)
    nbformat.validate(kept)
    assert [(cell.cell_type, cell.source) for cell in kept.cells] == [
        (cell.cell_type, cell.source) for cell in made.cells
    ], "run `python -m tests.notebooks`"
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run as a whole"
    outputs = [one for cell in code for one in cell.outputs]
    assert [one for one in outputs if one.output_type == "error"] == []
    assert sum("image/jpeg" in one.get("data", {}) for one in outputs) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_names_no_place_of_the_machine_that_ran_it(name: str) -> None:
    file = FOLDER / f"{name}.ipynb"
    texts = [
        text
        for cell in nbformat.read(file, 4).cells
        for output in cell.get("outputs", ())
        for text in (
            output.get("text", ""),
            *(output.get("data", {}).get(f"text/{kind}", "") for kind in ("plain", "html")),
        )
    ]
    assert re.findall(r"(?<![\w.~-])/(?:home|root|tmp|work|usr|opt)/\S*", "\n".join(texts)) == []
    assert file.stat().st_size < 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # its folder is where it looks for recipes and the tests' stand-ins: beside them, in a copy of the links to them
    for part in ("recipes", "src", "tests"):
        (tmp_path / part).symlink_to(ROOT / part)
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "notebooks")
    ran = notebooks.run(notebook(name))
    assert all(cell.execution_count for cell in ran.cells if cell.cell_type == "code")
