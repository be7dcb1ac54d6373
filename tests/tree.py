"""The source tree with each file's opening sentence, as docs/architecture.md shows it; a script rewrites it there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "src" / "kenpin"
BLOCK = re.compile(r"(?<=<!-- tree -->\n).*?(?=<!-- end of tree -->)", re.DOTALL)


def opening_sentence(path: Path) -> str:
    """First sentence of a module's docstring; empty where it has none."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split())
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _lines(folder: Path, indent: str) -> Iterator[tuple[str, str]]:
    entries = sorted(
        entry
        for entry in folder.iterdir()
        if (entry / "__init__.py").is_file() or (entry.suffix == ".py" and entry.name != "__init__.py")
    )
    for entry in entries:
        last = entry == entries[-1]
        branch, further = ("└── ", "    ") if last else ("├── ", "│   ")
        if entry.is_dir():
            yield f"{indent}{branch}{entry.name}/", opening_sentence(entry / "__init__.py")
            yield from _lines(entry, indent + further)
        else:
            yield f"{indent}{branch}{entry.name}", opening_sentence(entry)


def tree(package: Path) -> str:
    """The package's tree as a fenced block, file names on the left and their opening sentences on the right."""
    lines = [(f"{package.name}/", opening_sentence(package / "__init__.py")), *_lines(package, "")]
    width = max(len(name) for name, _ in lines)
    return "```text\n" + "".join(f"{name:<{width}}  {sentence}\n" for name, sentence in lines) + "```\n"


def with_tree(page: str, package: Path) -> str:
    """The page's text with the package's tree between its two tree markers."""
    if BLOCK.search(page) is None:
        raise ValueError("the markers <!-- tree --> and <!-- end of tree --> are gone; put them back.")
    return BLOCK.sub(lambda _: tree(package), page, count=1)


def main() -> None:
    """Rewrite the block in docs/architecture.md."""
    PAGE.write_text(with_tree(PAGE.read_text("utf-8"), PACKAGE), "utf-8")


if __name__ == "__main__":
    main()
