"""The house has walls: no private name is imported across packages, and no family knows another."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kenpin.models import family_names
from tests.tree import PACKAGE

ROOMS = tuple(
    sorted(
        path.stem for path in (PACKAGE / "models").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    )
)
SOURCES = sorted(PACKAGE.rglob("*.py"))


def _module(path: Path) -> tuple[str, ...]:
    names = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return names[:-1] if names[-1] == "__init__" else names


def _imports(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """What is imported of kenpin, each as the parts of its dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.split(".")[0] == "kenpin":
            yield from (tuple(f"{node.module}.{name.name}".split(".")) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(name.name.split(".")) for name in node.names if name.name.split(".")[0] == "kenpin")


def _private(of: tuple[str, ...], package: tuple[str, ...], tree: ast.AST) -> list[str]:
    """What the module `of`, in `package`, imports although it is private to another package."""
    return [
        ".".join(name)
        for name in _imports(tree)
        for depth, part in enumerate(name)
        if part.startswith("_") and not part.startswith("__") and package[:depth] != name[:depth] and of != name[:depth]
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_private_name_is_imported_across_packages(path: Path) -> None:
    module = _module(path)
    package = module if path.name == "__init__.py" else module[:-1]
    assert _private(module, package, ast.parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("from kenpin.data.images import _decode", ["kenpin.data.images._decode"]),
        ("from kenpin.data._hidden import decode", ["kenpin.data._hidden.decode"]),
        ("import kenpin.data._hidden", ["kenpin.data._hidden"]),
        ("from kenpin.training._own import start", []),
        ("from kenpin.training import __doc__", []),
    ],
)
def test_the_search_finds_what_is_private_elsewhere(statement: str, found: list[str]) -> None:
    assert _private(("kenpin", "training", "job"), ("kenpin", "training"), ast.parse(statement)) == found


@pytest.mark.parametrize("family", family_names())
def test_a_family_is_a_folder_with_the_same_files_as_the_others(family: str) -> None:
    files = {path.name for path in (PACKAGE / "models" / family).glob("*.py")}
    assert files >= {"__init__.py", "family.py", "inspector.py", "options.py"}


def _families_of(path: Path) -> set[str]:
    """Families that the file names in its imports."""
    names = _imports(ast.parse(path.read_text("utf-8")))
    return {name[2] for name in names if name[:2] == ("kenpin", "models") and len(name) > 2} & set(family_names())


@pytest.mark.parametrize("room", ROOMS)
def test_no_family_is_known_to_another_or_to_what_they_share(room: str) -> None:
    found = PACKAGE / "models" / room
    paths = sorted(found.rglob("*.py")) if found.is_dir() else [found.with_suffix(".py")]
    for path in paths:
        assert _families_of(path) <= {room}, f"{path} knows another family"


def test_the_rest_of_the_house_knows_no_family() -> None:
    others = [path for path in SOURCES if (PACKAGE / "models") not in path.parents]
    known = {str(path.relative_to(PACKAGE)): found for path in others if (found := _families_of(path))}
    # a published file of PaliGemma has a form of its own, which nothing but `kenpin export` writes
    assert known == {"export/networks.py": {"paligemma"}}


def _crowded(tree: ast.AST) -> list[str]:
    """Functions that take more than eight parameters besides `self`."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            of = node.args
            named = [one.arg for one in (*of.posonlyargs, *of.args, *of.kwonlyargs, of.vararg, of.kwarg) if one]
            if len([name for name in named if name not in ("self", "cls")]) > 8:
                names.append(node.name)
    return names


def test_no_function_takes_more_than_eight_parameters() -> None:
    found = [name for path in SOURCES for name in _crowded(ast.parse(path.read_text("utf-8")))]
    assert found == ["summarise"], "hand on an object, or add a decision as 0055 does"
    assert _crowded(ast.parse("def f(self, a, b, c, /, d, e, *f, g, **h): ...")) == []
    assert _crowded(ast.parse("async def f(a, b, c, d, e, f, g, *h, i): ...")) == ["f"]


def test_no_option_travels_without_a_type() -> None:
    assert not [path.name for path in SOURCES if "options: Any" in path.read_text("utf-8")]


def test_a_public_class_has_a_name_of_its_own() -> None:
    names = Counter(
        node.name
        for path in SOURCES
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []
