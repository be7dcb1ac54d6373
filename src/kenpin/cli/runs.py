"""Commands on trained runs: `report`, `scatter`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import DATA, OUTPUT, REQUIRED, RUN
from kenpin.cli.data import Overwrite, PageLanguage
from kenpin.runtime.engines import EngineName

Checkpoint = Annotated[
    str | None,
    Parameter(
        group=RUN, help="Take an earlier checkpoint of the run, finished or not: a step, last, best, or a folder."
    ),
]
Device = Annotated[
    str | None, Parameter(group=RUN, help="Device such as cpu or cuda:0; by default the best available.")
]

Engine = Annotated[
    EngineName,
    Parameter(
        group=RUN,
        help="Program that computes frozen networks on a CPU; auto: the first that is installed of openvino, onnx, "
        "torch.",
    ),
]


def report(
    run: Path,
    /,
    *,
    out: Annotated[
        Path | None, Parameter(group=OUTPUT, help="HTML file to write; by default report.html in the run.")
    ] = None,
    against: Annotated[
        Path | None, Parameter(group=DATA, help="Earlier run to compare with; regressions are shown first.")
    ] = None,
    findings: Annotated[
        tuple[Path, ...],
        Parameter(
            group=DATA,
            name="--with",
            negative=(),
            consume_multiple=True,
            show_default=False,
            help="Findings to add: files that judge, gage or drift wrote with --json.",
        ),
    ] = (),
    umap: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Draw the embeddings by UMAP too (extra `umap`).")
    ] = False,
    language: PageLanguage = "en",
    overwrite: Overwrite = False,
) -> int:
    """Write a run's report as one offline HTML file.

    Parameters
    ----------
    run:
        Run folder.
    """
    from kenpin.errors import OptionError
    from kenpin.files import check_writable
    from kenpin.models.package import folder_of_report, is_package
    from kenpin.report import write_report
    from kenpin.report.findings import read_findings
    from kenpin.run.layout import REPORT

    if out is None and is_package(run):
        raise OptionError(f"option `--out`: {run} is a package, in which nothing is written; name another file.")
    check_writable(out, overwrite)
    page = write_report(
        folder_of_report(run),
        out or run / REPORT,
        name=run.resolve().name,  # of a package its own, not that of the part that is shown
        against=None if against is None else folder_of_report(against),
        findings=read_findings(findings),
        umap=umap,
        language=language,
        overwrite=overwrite or out is None,  # a run's own can always be made again from what the run holds
    )
    _show.row(str(page))
    return 0


def scatter(
    runs: Annotated[tuple[Path, ...], Parameter(negative=())],
    /,
    *,
    out: Annotated[Path, Parameter(group=REQUIRED, help="HTML file to write.")],
    language: PageLanguage = "en",
    overwrite: Overwrite = False,
) -> int:
    """Draw the embeddings of the same pictures by several runs in a plane, side by side, as one offline HTML file.

    Parameters
    ----------
    runs:
        Run folders with embeddings, evaluated on the same pictures.
    """
    from kenpin.files import check_writable
    from kenpin.models.package import folder_of_report
    from kenpin.report.scatter import panels_of_runs, write_scatters

    check_writable(out, overwrite)
    shown = tuple(map(folder_of_report, runs))
    _show.row(str(write_scatters(panels_of_runs(shown), out, language=language, overwrite=overwrite)))
    return 0
