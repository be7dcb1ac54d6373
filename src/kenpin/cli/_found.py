"""What the commands on decisions found, handed over: told on the terminal, as a page, as JSON for a run's report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kenpin.cli._groups import OUTPUT

if TYPE_CHECKING:
    from kenpin.report.findings import Findings

Page = Annotated[Path | None, Parameter(group=OUTPUT, help="Write charts and tables to this HTML file.")]
Json = Annotated[
    Path | None, Parameter(group=OUTPUT, help="Write the findings to this JSON file, for `kenpin report --with`.")
]


def check_targets(out: Path | None, json: Path | None, overwrite: bool) -> None:
    """Refuse before the work what could not be written after it. Raises OutputExistsError, OptionError."""
    from kenpin.files import check_writable

    for target in (out, json):
        if target is not None:
            check_writable(target, overwrite)


def hand_over(findings: Findings, out: Path | None, json: Path | None, overwrite: bool) -> None:
    """Print sentences and tables, and write what was asked for."""
    from kenpin.files import write_json
    from kenpin.report.findings import findings_to_json, write_findings
    from kenpin.report.plots import as_text

    print("\n".join(findings.sentences))
    for table in findings.tables:
        print(f"\n{as_text(table)}")
    if json is not None:
        write_json(json, findings_to_json(findings))
    if out is not None:
        print(write_findings(findings, out, overwrite=overwrite))
