"""The command `evaluate`: an inspector measured on labelled pictures that it has not learned from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._cluster import ClusterOptions
from kenpin.cli._groups import DATA, OUTPUT, REQUIRED
from kenpin.cli._parts import By, tell_parts_by
from kenpin.cli._reading import ReadOptions
from kenpin.cli._regions import RoiOption, tell_regions
from kenpin.cli.data import Overwrite
from kenpin.cli.runs import Device, Engine
from kenpin.plural import counted

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
    by: By = None
    roi: RoiOption = None
    name: Annotated[
        str | None, Parameter(group=OUTPUT, help="Keep the evaluation in the run under this name, beside its own.")
    ] = None
    criteria: Annotated[
        Path | None,
        Parameter(
            group=DATA,
            help="YAML file of acceptance criteria, kept with --name in the run: with its hash, and the time before "
            "anything is judged.",
        ),
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
    from kenpin.evaluation.mistakes import unit_of
    from kenpin.evaluation.parts import pictures_of
    from kenpin.files import check_writable, write_json
    from kenpin.finished_run import evaluate_run
    from kenpin.hub.fetching import folder_of
    from kenpin.models.package import is_package
    from kenpin.predictor import load_predictor
    from kenpin.report.headline import headed_json, headline
    from kenpin.run.criteria import fix_criteria, write_fixed
    from kenpin.run.layout import evaluation_files
    from kenpin.run.record import read_record

    if options.name is not None and not re.fullmatch(r"\w[\w .+-]*", options.name):
        raise OptionError(f"option `--name`: {options.name!r} must be usable as part of a file name; give a word.")
    refuse_exchanged(run, [options.data], "evaluate RUN --data DATA")
    run = folder_of(run)
    if not is_package(run):
        read_record(run)
    elif options.name is not None:
        raise OptionError(f"option `--name`: {run} is a package, in which nothing is kept; take --json FILE.")
    kept = None if options.name is None else evaluation_files(run, options.name)
    if options.criteria is not None and kept is None:
        raise OptionError("option `--criteria` is kept beside an evaluation in the run; name that with --name.")
    fixed = None if options.criteria is None else fix_criteria(options.criteria)
    check_writable(options.json, options.overwrite)
    check_writable(None if kept is None else kept.evaluation, options.overwrite)
    dataset = options.load(options.data)
    with options.started() as cluster:
        if cluster is None:
            predictor = load_predictor(run, device=options.device, engine=options.engine)
        else:
            from kenpin.cluster import ClusterPredictor

            predictor = ClusterPredictor(cluster, run, device=options.device, engine=options.engine)
        tell_parts_by(predictor, options.by, run)
        tell_regions(predictor, options.roi, on_cluster=cluster is not None)
        evaluation = evaluate_run(predictor, dataset, split=options.split, with_seen=options.with_seen)
    measured_on = f"{counted(len(evaluation.judged), unit_of(evaluation))}, split {evaluation.split}"
    for sentence in (*headline(evaluation), "", measured_on):
        _show.row(sentence)
    _show.lines(_show.measures(evaluation))
    _show.lines(f"\n{_judged.findings(evaluation)}")
    if options.json is not None:
        write_json(options.json, headed_json(evaluation))
    if kept is not None:
        from kenpin.training.keeping import keep_for_report

        was_seen = {id: part.seen for part in evaluation.judged for id in pictures_of(part)}
        pictures = dataset.select(row for row, id in enumerate(dataset.column("id")) if id in was_seen)
        kept.clear()
        keep_for_report(predictor, pictures, evaluation, kept, held_out=not any(was_seen.values()))
        write_json(kept.evaluation, headed_json(evaluation))  # last: what is kept of it is whole then
        if fixed is not None:
            write_fixed(kept.criteria, fixed, kept.evaluation)
    return 0
