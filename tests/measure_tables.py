"""The tables of measures, as docs/measures.md shows them; run as a script, it rewrites them there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kenpin.evaluation.kinds import MeasureKind, Section
from kenpin.evaluation.measures import MEASURES
from tests.tree import ROOT

PAGE = ROOT / "docs" / "measures.md"
BLOCK = re.compile(r"(?<=<!-- measures -->\n).*?(?=<!-- end of measures -->)", re.DOTALL)


def tables(measures: Iterable[MeasureKind]) -> str:
    """A heading and a table for each section, a row for each measure."""
    kinds = tuple(measures)
    return "".join(_table(section, [kind for kind in kinds if kind.section is section]) for section in Section)


def _table(section: Section, kinds: list[MeasureKind]) -> str:
    rows = (
        f"| `{kind.name}` | {kind.title} | {kind.meaning} | {kind.unit} | {kind.better or '–'} |\n" for kind in kinds
    )
    head = "| measure | on a page | meaning | unit | better |\n|---|---|---|---|---|\n"
    return f"\n## {section.title}\n\n{head}{''.join(rows)}"


def with_tables(page: str, measures: Iterable[MeasureKind]) -> str:
    """The page's text with the tables between its two markers."""
    if BLOCK.search(page) is None:
        raise ValueError(
            "measures.md: the markers <!-- measures --> and <!-- end of measures --> are gone; restore them."
        )
    return BLOCK.sub(lambda _: tables(measures) + "\n", page, count=1)


def main() -> None:
    """Rewrite the tables."""
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), MEASURES.values()), "utf-8")


if __name__ == "__main__":
    main()
