"""Every snippet of the documentation runs, in order, page by page, and shows what the page says."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from kenpin.cli import app
from kenpin.data.formats import format_names
from kenpin.data.loading import write_dataset
from kenpin.models import family_names
from tests.objects import joined, made_objects
from tests.pictures import write_parts
from tests.snippets import Command, commands, run, shows, snippets
from tests.tree import PACKAGE, ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
DEAR = {
    "cases",
    "describe",
    "detection",
    "embeddings",
    "explain",
    "families",
    "lineage",
    "quality",
    "report",
    "training",
}
"""Pages that train for more than five seconds; without them their commands and imports are still looked at."""


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page.parent.name == "docs" and page.stem in DEAR else ())
        for page in PAGES
    ],
    ids=_name,
)
def test_snippets_run(
    page: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page.read_text("utf-8")
    if not any(snippets(text)):
        return

    def kenpin(argv: tuple[str, ...]) -> tuple[int, str]:
        from kenpin.cli import main

        with pytest.raises(SystemExit) as end:
            main(argv)
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out + captured.err

    shutil.copytree(parts, tmp_path / "parts")
    write_parts(tmp_path / "new-parts", first=1000, count=20)
    shutil.copytree(parts / "ok", tmp_path / "good", ignore=lambda _, names: sorted(names)[50:])
    shutil.copy(parts / "scratch" / "000.png", tmp_path / "new.png")
    damaged = write_parts(tmp_path / "damaged", count=3)
    (damaged / "ok" / "001.png").write_bytes((damaged / "ok" / "001.png").read_bytes()[:200])
    objects = joined(
        made_objects(12),
        made_objects(5, first=50, split="validation", empty=3),
        made_objects(4, first=70, split="test"),
    )
    write_dataset(objects, tmp_path / "objects", "coco")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    run(text, page.name, kenpin)


def check_words(page: str) -> None:
    """Every command of a page is one of kenpin's with options it has, and its Python names what kenpin has. Raises."""
    for snippet in snippets(page):
        if snippet.language == "console":
            for command in commands(snippet.body):
                if command.status != 2:
                    app.parse_args(command.argv, exit_on_error=False, print_error=False)
            continue
        for node in ast.walk(ast.parse(snippet.body)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kenpin"):
                exec(ast.unparse(node), {})


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in DEAR], ids=_name)
def test_a_page_types_and_imports_what_there_is(page: Path) -> None:
    check_words(page.read_text("utf-8"))


@pytest.mark.parametrize(
    "wrong",
    [
        "```console\n$ kenpin inspekt policy.yaml\n```",
        "```console\n$ kenpin train classifier --data parts --out run --epoch 3\n```",
        "```python\nfrom kenpin import load_predicter\n```",
        "```python\nx = = 1\n```",
    ],
)
def test_what_there_is_not_is_found(wrong: str) -> None:
    with pytest.raises((CycloptsError, ImportError, SyntaxError)):
        check_words(wrong)


PAGE = """
```python
x = 1
```
1. A list:

   ```console
   $ pip install kenpin
   $ kenpin doctor \\
       'my data'  # exit status 1
   3 findings
   …
   see above
   $ kenpin families
   ```

```python
assert x == 1
```
"""


def test_reads_blocks_and_commands() -> None:
    found = list(snippets(PAGE))
    assert [(snippet.language, snippet.line) for snippet in found] == [("python", 3), ("console", 8), ("python", 18)]
    assert list(commands(found[1].body)) == [
        Command(("doctor", "my data"), 1, "3 findings\n…\nsee above\n"),
        Command(("families",), 0, ""),
    ]


@pytest.mark.parametrize(
    ("output", "agrees"),
    [
        ("3   findings\nin a, b\nsee above", True),
        ("4 findings\nsee above", False),
        ("see above\n3 findings", False),
    ],
)
def test_compares_what_is_shown(output: str, agrees: bool) -> None:
    assert shows("3 findings\n…\nsee above", output) is agrees


@pytest.mark.parametrize(
    ("page", "status", "message"),
    [
        ("```console\n$ kenpin families\n```", 1, "ended with status 1, not 0"),
        ("```console\n$ kenpin families\nthree\n```", 0, "but the page shows:\nthree"),
        ("```python\nassert False, 'here'\n```", 0, "here"),
    ],
)
def test_a_wrong_page_fails(page: str, status: int, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        run(page, "page.md", lambda argv: (status, "two"))


@pytest.mark.parametrize(("page", "names"), [("formats.md", format_names()), ("families.md", family_names())])
def test_each_format_and_family_has_its_place(page: str, names: tuple[str, ...]) -> None:
    headings = re.findall(r"^## `(.+)`$", (ROOT / "docs" / page).read_text("utf-8"), re.M)
    assert sorted(headings) == sorted(names)


def test_doctor_page_names_real_findings() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text("utf-8")
    named = [code for row in re.findall(r"^\| (`.+?) \|", page, re.M) for code in re.findall(r"`([a-z-]+)`", row)]
    source = "".join(path.read_text("utf-8") for path in (PACKAGE / "data").rglob("*.py"))
    assert [code for code in named if f'"{code}"' not in source] == []
