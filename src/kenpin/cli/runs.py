"""Commands on trained runs: `evaluate`, `report`, `scatter`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._cluster import ClusterOptions
from kenpin.cli._groups import DATA, OUTPUT, REQUIRED, RUN
from kenpin.cli._reading import ReadOptions
from kenpin.cli.data import Overwrite, PageLanguage
from kenpin.plural import counted
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

WithSeen = Annotated[
    bool,
    Parameter(
        group=DATA,
        negative=(),
        help="Include pictures that it has learned from: the figures then promise nothing for others.",
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ReadOptions, ClusterOptions):
    """What an inspector is measured on, and where the evaluation goes."""

    data: Annotated[str, Parameter(group=REQUIRED, help="Data set: folder, file or hub id.")]
    split: Annotated[
        str | None, Parameter(group=DATA, help="Split to take; by default test where there is one, else all.")
    ] = None
    name: Annotated[
        str | None, Parameter(group=OUTPUT, help="Keep the evaluation in the run under this name, beside its own.")
    ] = None
    with_seen: WithSeen = False
    json: Annotated[Path | None, Parameter(group=OUTPUT, help="Write the evaluation to this JSON file.")] = None
    device: Device = None
    engine: Engine = "auto"
    overwrite: Overwrite = False


def evaluate(run: Path, /, *, options: EvaluateOptions) -> int:
    """Measure an inspector on labelled pictures that neither it nor anything below it has learned from.

    Parameters
    ----------
    run:
        Run folder.
    """
    from kenpin.cli import _judged
    from kenpin.data.mistaken import refuse_exchanged
    from kenpin.errors import OptionError
    from kenpin.files import check_writable, write_json
    from kenpin.finished_run import evaluate_run
    from kenpin.models.package import is_package
    from kenpin.predictor import load_predictor
    from kenpin.report.headline import headed_json, headline
    from kenpin.run.layout import evaluation_files
    from kenpin.run.record import read_record

    if options.name is not None and not re.fullmatch(r"\w[\w .+-]*", options.name):
        raise OptionError(f"option `--name`: {options.name!r} must be usable as part of a file name; give a word.")
    refuse_exchanged(run, [options.data], "evaluate RUN --data DATA")
    if not is_package(run):
        read_record(run)
    elif options.name is not None:
        raise OptionError(f"option `--name`: {run} is a package, in which nothing is kept; take --json FILE.")
    kept = None if options.name is None else evaluation_files(run, options.name)
    check_writable(options.json, options.overwrite)
    check_writable(None if kept is None else kept.evaluation, options.overwrite)
    dataset = options.load(options.data)
    with options.started() as cluster:
        if cluster is None:
            predictor = load_predictor(run, device=options.device, engine=options.engine)
        else:
            from kenpin.cluster import ClusterPredictor

            predictor = ClusterPredictor(cluster, run, device=options.device, engine=options.engine)
        evaluation = evaluate_run(predictor, dataset, split=options.split, with_seen=options.with_seen)
    measured_on = f"{counted(len(evaluation.judged), 'picture')}, split {evaluation.split}"
    for sentence in (*headline(evaluation), "", measured_on):
        _show.row(sentence)
    _show.lines(_show.measures(evaluation))
    _show.lines(f"\n{_judged.findings(evaluation)}")
    if options.json is not None:
        write_json(options.json, headed_json(evaluation))
    if kept is not None:
        from kenpin.training.keeping import keep_for_report

        seen_of = {part.id: part.seen for part in evaluation.judged}
        pictures = dataset.select(row for row, id in enumerate(dataset.column("id")) if id in seen_of)
        kept.clear()
        keep_for_report(predictor, pictures, evaluation, kept, held_out=not any(seen_of.values()))
        write_json(kept.evaluation, headed_json(evaluation))  # last: what is kept of it is whole then
    return 0


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
