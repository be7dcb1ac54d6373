"""Findings of a command on decisions: sentences, charts and tables, as a page, as JSON, and for a run's report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from kenpin.errors import DatasetError, RunError
from kenpin.records_json import from_json, to_json
from kenpin.report.document import fill, write_document
from kenpin.report.drawing import Figure
from kenpin.report.plots import BarPlot, LinePlot, Table, bar_figure, line_figure
from kenpin.report.said_figures import bar_plot_in_language, line_plot_in_language, table_in_language
from kenpin.strict_json import parse_json, read_bounded
from kenpin.words import Language, Texts

_FORM = "kenpin findings 1"
_Part = TypeVar("_Part", LinePlot, BarPlot, Table)


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of a command on some parts."""

    kind: str
    """The kind of findings: `threshold`, `gage`, `drift`, `succession`."""
    name: str
    """Name of the examined file."""
    sentences: tuple[str, ...]
    """Sentences, the leading one first."""
    lines: tuple[LinePlot, ...] = ()
    bars: tuple[BarPlot, ...] = ()
    tables: tuple[Table, ...] = ()
    alarm: bool = False
    """Whether something drifted; files do not hold it."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The charts as figures."""
        return (*map(line_figure, self.lines), *map(bar_figure, self.bars))

    def in_language(self, texts: Texts) -> tuple[Findings, Findings]:
        """The charts and tables that can be said in a language, in it, and the others in English; both with the name,
        and with all sentences, which a page says by `kenpin.words.recorded`."""
        lines, other_lines = _divided(self.lines, line_plot_in_language, texts)
        bars, other_bars = _divided(self.bars, bar_plot_in_language, texts)
        tables, other_tables = _divided(self.tables, table_in_language, texts)
        return (
            replace(self, lines=lines, bars=bars, tables=tables),
            replace(self, lines=other_lines, bars=other_bars, tables=other_tables),
        )


def _divided(
    parts: Sequence[_Part], say: Callable[[_Part, Texts], _Part | None], texts: Texts
) -> tuple[tuple[_Part, ...], tuple[_Part, ...]]:
    said = [say(part, texts) for part in parts]
    return (
        tuple(one for one in said if one is not None),
        tuple(part for part, one in zip(parts, said, strict=True) if one is None),
    )


def write_findings(findings: Findings, out: Path, *, language: Language = "en", overwrite: bool = False) -> Path:
    """One HTML page that needs no other file. language: of the page; what is not known in it stays English, and is
    marked as such. Raises OutputExistsError."""
    return write_document(lambda: fill("findings.html.jinja", Texts(language), findings=findings), out, overwrite)


def findings_to_json(findings: Findings) -> dict[str, Any]:
    """The findings as JSON, the inverse of `read_findings`."""
    return {"form": _FORM, **{name: value for name, value in to_json(findings).items() if name != "alarm"}}


def read_findings(paths: Sequence[Path]) -> tuple[Findings, ...]:
    """Findings that commands wrote with --json. Raises DatasetError."""
    return tuple(map(_read, paths))


def _read(path: Path) -> Findings:
    if not path.is_file():
        raise DatasetError(
            f"{path}: there is no such file; write it with --json of `kenpin judge`, `compare`, `gage` or `drift`."
        )
    remedy = "give what `kenpin judge`, `compare`, `gage` or `drift` wrote with --json"
    try:
        values = parse_json(read_bounded(path))
        if not isinstance(values, dict) or values.pop("form", None) != _FORM:
            raise DatasetError(f"{path}: holds no findings; {remedy}.")
        return from_json(Findings, values, str(path))
    except (OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        why = "is damaged" if isinstance(error, RunError) else "cannot be read as JSON"
        raise DatasetError(f"{path}: {why}; {remedy}.") from error
