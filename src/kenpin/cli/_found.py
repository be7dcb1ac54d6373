"""What the commands on decisions found, handed over: told on the terminal, as a page, as JSON for a run's report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import DATA, OUTPUT
from kenpin.cli.data import Overwrite, PageLanguage, check_page

if TYPE_CHECKING:
    from kenpin.report.findings import Findings


def given_findings(of: str) -> Parameter:
    """The option `--with`. of: the commands whose findings are taken."""
    return Parameter(
        group=DATA,
        name="--with",
        negative=(),
        consume_multiple=True,
        show_default=False,
        help=f"Findings to add: files that {of} wrote with --json.",
    )


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOptions:
    """Where the findings go."""

    out: Annotated[Path | None, Parameter(group=OUTPUT, help="Write charts and tables to this HTML file.")] = None
    json: Annotated[
        Path | None, Parameter(group=OUTPUT, help="Write the findings to this JSON file, for `kenpin report --with`.")
    ] = None
    language: PageLanguage = "en"
    overwrite: Overwrite = False


def check_targets(to: FoundOptions) -> None:
    """Refuse before the work what could not be written after it. Raises OutputExistsError, OptionError."""
    from kenpin.files import check_writable

    check_writable(to.out, to.overwrite)
    check_writable(to.json, to.overwrite)
    check_page(to.out, to.language)


def hand_over(findings: Findings, to: FoundOptions) -> None:
    """Print sentences and tables, and write what was asked for."""
    from kenpin.files import write_json
    from kenpin.report.findings import findings_to_json, write_findings
    from kenpin.report.plots import as_text

    for sentence in findings.sentences:
        _show.row(sentence)
    for table in findings.tables:
        _show.lines(f"\n{as_text(table)}")
    if to.json is not None:
        write_json(to.json, findings_to_json(findings))
    if to.out is not None:
        _show.row(str(write_findings(findings, to.out, language=to.language, overwrite=to.overwrite)))
