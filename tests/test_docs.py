"""Every snippet of the documentation runs, in order, page by page, and shows what the page says."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import CycloptsError

import kenpin
from kenpin import metrics, quality
from kenpin.cli import app
from kenpin.data.formats import format_names
from kenpin.data.loading import write_dataset
from kenpin.models import family_names
from tests.docstrings import as_markdown
from tests.objects import joined, made_objects
from tests.pictures import write_parts
from tests.snippets import Command, commands, run, shows, snippets
from tests.tree import PACKAGE, ROOT

DOCTESTED = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text("utf-8")]
# commands are the face of one, and what a run's folder holds is had of a `Run`
PLUGIN = sorted((ROOT / "tests" / "plugin").rglob("*.py"))
FACES = sorted({path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"cli", "run"})
PUBLIC = set(re.findall(r"`kenpin\.(\w+)`", (ROOT / "docs" / "python.md").read_text("utf-8")))
TRANSLATED = sorted([*ROOT.glob("*.??.md"), *(ROOT / "docs").rglob("*.??.md")])
"""Their snippets are those of the English page, which run there."""
PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page not in TRANSLATED
]
DEAR = {
    "cases",
    "describe",
    "detection",
    "embeddings",
    "export",
    "explain",
    "families",
    "lineage",
    "quality",
    "report",
    "training",
    "vlm",
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
    source = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    assert [code for code in named if f'"{code}"' not in source] == []


@pytest.mark.parametrize("path", DOCTESTED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_examples_of_docstrings_run(path: Path) -> None:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    assert any(one.examples for one in doctest.DocTestFinder().find(module)), "an example that nobody runs"
    assert doctest.testmod(module).failed == 0


def _deeper(code: str) -> Iterator[str]:
    """What the code takes of kenpin from elsewhere than its public names."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            taken = [(one.name, "") for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            taken = [(node.module or "", one.name) for one in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            taken = [(node.value.id, node.attr)]
        else:
            continue
        for module, name in taken:
            package, _, below = module.removeprefix("kenpin").removeprefix(".").partition(".")
            if module.partition(".")[0] == "kenpin" and not _is_public(package, below, name):
                yield f"{module}.{name}".strip(".")


def _is_public(package: str, below: str, name: str) -> bool:
    if not package:
        return not name or name in kenpin.__all__ or name in PUBLIC
    if below or package not in PUBLIC or name.startswith("_"):
        return False
    return not name or name in getattr(importlib.import_module(f"kenpin.{package}"), "__all__", [name])


@pytest.mark.parametrize("path", [*PAGES, *DOCTESTED, *PLUGIN], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_shown_imports_public_names_alone(path: Path) -> None:
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        codes = [one.body for one in snippets(text) if one.language == "python"]
    elif path in PLUGIN:
        codes = [text]
    else:
        codes = [one.source for one in doctest.DocTestParser().get_examples(text)]
    assert [name for code in codes for name in _deeper(code)] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from kenpin.quality.bounds import at_most", ["kenpin.quality.bounds.at_most"]),
        ("from kenpin.quality import bounds, at_most", ["kenpin.quality.bounds"]),
        ("from kenpin.boxes import _as_boxes", ["kenpin.boxes._as_boxes"]),
        ("from kenpin.run import layout", ["kenpin.run.layout"]),
        ("import kenpin.data.loading as loading, numpy", ["kenpin.data.loading"]),
        ("import kenpin\nkenpin.finished_run.load_run('run')", ["kenpin.finished_run"]),
        ("import kenpin, kenpin.quality\nfrom kenpin import train, boxes\nkenpin.train(kenpin.records.Example)", []),
    ],
)
def test_the_search_finds_what_is_not_public(code: str, found: list[str]) -> None:
    assert list(_deeper(code)) == found


def _skeleton(text: str) -> dict[str, list[str]]:
    """What a page has in any language: snippets, depths of headings, where it leads, names, and cells of tables."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return {
        "snippets": re.findall(r"^ *```.*?^ *```$", text, re.DOTALL | re.MULTILINE),
        "headings": re.findall(r"^#+", prose, re.MULTILINE),
        # each page leads to the same page in the other languages
        "links": sorted(re.sub(r"\.(ja|zh)\.md", ".md", link) for link in re.findall(r"\]\(([^)]+)\)", prose)),
        "names": sorted({" ".join(name.split()) for name in re.findall(r"`[^`]+`", prose)}),
        "rows": [str(row.count("|")) for row in re.findall(r"^\|.*", prose, re.MULTILINE)],
        "tabs": re.findall(r'^=== "(?:Shell|シェル|终端|Python)"$', prose, re.MULTILINE),
    }


@pytest.mark.parametrize("page", TRANSLATED, ids=_name)
def test_a_translated_page_follows_the_english_one(page: Path) -> None:
    english = page.with_name(page.name.split(".")[0] + ".md")
    told, original = (_skeleton(one.read_text("utf-8")) for one in (page, english))
    told["tabs"], original["tabs"] = ([str(len(one["tabs"]))] for one in (told, original))
    assert told == original


def test_readme_and_quickstart_are_there_in_three_languages() -> None:
    names = {_name(page) for page in TRANSLATED}
    assert names == {f"{page}.{language}.md" for page in ("README", "docs/quickstart") for language in ("ja", "zh")}


@pytest.mark.parametrize("page", TRANSLATED, ids=_name)
def test_no_sentence_of_a_translated_page_is_english(page: Path) -> None:
    code = r"^ *```.*?^ *```$|`[^`]+`|\]\([^)]+\)|<!--.*?-->"
    prose = re.sub(code, "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"(?:[A-Za-z'-]+ +){4,}[A-Za-z]+", prose) == []


def _modules() -> set[str]:
    return {name for name in PUBLIC if (PACKAGE / f"{name}.py").is_file() or (PACKAGE / name).is_dir()}


def test_the_reference_has_a_page_of_each_public_module() -> None:
    pages = {path.stem: path.read_text("utf-8") for path in (ROOT / "docs" / "reference").glob("*.md")}
    assert pages.pop("index").endswith("\n::: kenpin\n")
    assert pages == {name: f"# kenpin.{name}\n\n::: kenpin.{name}\n" for name in _modules()}


def test_a_docstring_becomes_markdown() -> None:
    text = "Says.\n\n>>> 1 + 1\n2\n>>> print('# 3')\n# 3\n\n# Source 1951, p. 5.\n\n>>> 4\n4\n"
    assert as_markdown(text) == (
        "Says.\n\n```pycon\n>>> 1 + 1\n2\n>>> print('# 3')\n# 3\n```\n\nSource 1951, p. 5.\n\n```pycon\n>>> 4\n4\n```\n"
    )


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_pictures_of_a_page_are_there(page: Path) -> None:
    for picture in re.findall(r"!\[[^]]*\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / picture).is_file()


@pytest.mark.parametrize("package", FACES)
def test_a_face_is_told_of_and_its_names_resolve(package: str) -> None:
    face = importlib.import_module(f"kenpin.{package}")
    assert package in PUBLIC
    assert {name for name in face.__all__ if getattr(face, name, None) is None} == set()
    if hasattr(face, "__getattr__"):
        with pytest.raises(AttributeError, match=rf"'kenpin\.{package}' has no attribute 'no_such_name'"):
            _ = face.no_such_name


def test_the_table_of_statistics_names_what_can_be_imported() -> None:
    page = (ROOT / "docs" / "quality.md").read_text("utf-8").partition("\n## Sources\n")[2]
    named = [
        name for cell in re.findall(r"^\| [^|]+ \| (`[^|]+`) \|", page, re.M) for name in re.findall(r"`(\w+)`", cell)
    ]
    assert len(named) > 30
    assert set(named) <= {*quality.__all__, *metrics.__all__}
