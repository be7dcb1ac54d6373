"""The house keeps its order: sentences, sizes, the tree in the docs, and what may be loaded when."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tree import PACKAGE, PAGE, ROOT, opening_sentence, tree, with_tree

SOURCES = sorted(PACKAGE.rglob("*.py"))
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
LIGHT = next(contract["source_modules"] for contract in CONTRACTS if contract["id"] == "light")
HEAVY = {"torch", "transformers", "datasets", "sklearn", "peft", "accelerate", "kornia", "lancedb", "pandas"}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def _loaded(statement: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys; print('loaded:', *({HEAVY} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_opens_with_one_sentence_and_is_short(path: Path) -> None:
    assert opening_sentence(path).endswith("."), "open the file with a docstring of one sentence"
    assert len(path.read_text("utf-8").splitlines()) <= 400, "past 400 lines a second idea has moved in"


def test_the_documentation_shows_the_tree() -> None:
    page = PAGE.read_text("utf-8")
    assert page == with_tree(page, PACKAGE), "run `make tree`"


def test_the_readme_is_for_newcomers() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_navigation_lists_every_page() -> None:
    listed = set(re.findall(r"\S+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} == listed


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="put them back"):
        with_tree("# kenpin\n", PACKAGE)


def test_tree_tells_a_changed_sentence(tmp_path: Path) -> None:
    package = tmp_path / "kenpin"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text('"""The whole. More."""')
    (package / "inner" / "__init__.py").write_text('"""The part."""')
    (package / "inner" / "file.py").write_text('"""Two lines\nmake one sentence. This is the next."""')
    assert tree(package) == (
        "```text\nkenpin/          The whole.\n└── inner/       The part.\n"
        "    └── file.py  Two lines make one sentence.\n```\n"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import kenpin",
        "import kenpin.cli",
        "from kenpin.cli import main\ntry: main(['--help'])\nexcept SystemExit as end: assert not end.code",
        "from kenpin.cli import main\ntry: main(['families'])\nexcept SystemExit as end: assert not end.code",
        "import kenpin.description.describer, kenpin.description.options",
        "import " + ", ".join(name for name in map(_module, SOURCES) if ".".join(name.split(".")[:2]) in LIGHT),
    ],
)
def test_loads_nothing_heavy(statement: str) -> None:
    assert _loaded(statement) == set()


def test_the_probe_sees_what_is_loaded() -> None:
    assert "sklearn" in _loaded("import sklearn")


def test_public_names_resolve() -> None:
    import kenpin
    import kenpin.training  # loads nearly every module: one of a function's name would now hide it

    functions = {"load_dataset", "train", "load_predictor", "evaluate", "write_report"}
    assert functions <= set(kenpin.__all__)
    assert all(callable(getattr(kenpin, name)) for name in functions)
    assert all(getattr(kenpin, name) is not None for name in kenpin.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = kenpin.no_such_name
