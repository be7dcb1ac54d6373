"""Commands on trained runs: `predict`, `evaluate`, `report`, `scatter`."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._groups import ANSWERS, DATA, OUTPUT, REQUIRED, RUN
from kenpin.cli.data import Overwrite
from kenpin.records import Example, Judgement, Prediction

Device = Annotated[
    str | None, Parameter(group=RUN, help="Device such as cpu or cuda:0; by default the best available.")
]


def predict(
    run: Path,
    images: Annotated[tuple[str, ...], Parameter(negative=())],
    /,
    *,
    json: Annotated[Path | None, Parameter(group=OUTPUT, help="Write all predictions to this JSON file.")] = None,
    draw: Annotated[
        Path | None, Parameter(group=OUTPUT, help="Draw each picture with its verdict into this folder.")
    ] = None,
    prompt: Annotated[
        str | None,
        Parameter(group=ANSWERS, help="Question to a language model, in place of the one it was trained on."),
    ] = None,
    device: Device = None,
    overwrite: Overwrite = False,
) -> int:
    """Inspect pictures: one line each. The exit status is 1 where a picture could not be opened, 0 otherwise.

    Parameters
    ----------
    run:
        Run folder.
    images:
        Picture files and folders of pictures; tables of numbers for a run that was trained on a table.
    """
    from kenpin.data.files import picture_files
    from kenpin.drawing import draw_prediction, font_note
    from kenpin.errors import OptionError
    from kenpin.predictor import load_predictor
    from kenpin.quality.threshold import judge
    from kenpin.run_folder import check_writable, write_json

    for target in (json, draw):
        if target is not None:
            check_writable(target, overwrite, folder=target is draw)
    predictor = load_predictor(run, device=device)
    if predictor.reads_tables and draw is not None:
        raise OptionError("option `--draw`: this run judges rows of a table, which have no picture; leave it out.")
    if prompt is not None:
        predictor = predictor.prompted(prompt)
    if draw is not None and (note := font_note(predictor.labels)) is not None:
        print(f"kenpin: {note}", file=sys.stderr)
    bad: list[str] = []

    def set_aside(example: Example, error: Exception) -> None:
        bad.append(example.id)
        print(f"kenpin: {error}", file=sys.stderr)

    rows: list[dict[str, Any]] = []
    files = images if predictor.reads_tables else picture_files(images)
    for prediction in predictor.predict_files(files, on_error=set_aside):
        judgement = None if predictor.threshold is None else judge(prediction, predictor.threshold)
        print(_line(prediction, judgement))
        rows.append(asdict(prediction) | {"verdict": None, "reasons": []} | _decision(judgement))
        if draw is not None:
            number = len(rows)
            draw_prediction(Path(prediction.id), prediction, judgement, draw, number, labels=predictor.labels)
    if json is not None:
        write_json(json, {"run": str(run), "predictions": rows, "not_opened": bad})
    return FINDINGS if bad else 0


def _decision(judgement: Judgement | None) -> dict[str, Any]:
    return {} if judgement is None else {"verdict": judgement.verdict.value, "reasons": list(judgement.reasons)}


def _line(prediction: Prediction, judgement: Judgement | None) -> str:
    verdict = "-" if judgement is None else judgement.verdict.value
    score = "-" if prediction.defect_score is None else f"{prediction.defect_score:.4f}"
    return f"{prediction.id}\t{verdict}\t{_said(prediction)}\t{score}"


def _said(prediction: Prediction) -> str:
    """The class, the boxes counted by class, or the words."""
    if prediction.detections is not None:
        found = Counter(prediction.detections.labels)
        return ", ".join(f"{count} × {label}" for label, count in found.items()) or "no box"
    # one line a picture, whatever was answered
    return prediction.label or " ".join((prediction.text or "-").split())


def evaluate(
    run: Path,
    /,
    *,
    data: Annotated[str, Parameter(group=REQUIRED, help="Data set: folder, file or hub id.")],
    split: Annotated[
        str | None, Parameter(group=DATA, help="Split to take; by default test where there is one, else all.")
    ] = None,
    format: Annotated[
        str | None, Parameter(group=DATA, help="Format of the data set, where it cannot be told from its files.")
    ] = None,
    name: Annotated[
        str | None, Parameter(group=OUTPUT, help="Keep the evaluation in the run under this name, beside its own.")
    ] = None,
    json: Annotated[Path | None, Parameter(group=OUTPUT, help="Write the evaluation to this JSON file.")] = None,
    device: Device = None,
    overwrite: Overwrite = False,
) -> int:
    """Measure an inspector on labelled pictures.

    Parameters
    ----------
    run:
        Run folder.
    """
    from kenpin.data.loading import load_dataset
    from kenpin.errors import OptionError
    from kenpin.evaluation import evaluate as measure
    from kenpin.predictor import load_predictor
    from kenpin.records_json import evaluation_to_json
    from kenpin.run_folder import check_writable, read_record, write_json

    if name is not None and not re.fullmatch(r"\w[\w .+-]*", name):
        raise OptionError(f"option `--name`: {name!r} is to be part of a file's name; give a word.")
    read_record(run)
    kept = None if name is None else run / f"evaluation-{name}.json"
    for target in (json, kept):
        if target is not None:
            check_writable(target, overwrite)
    predictor = load_predictor(run, device=device)
    dataset = load_dataset(data, format=format)
    if split is None and "test" in dataset.splits:
        split = "test"
    assert predictor.record is not None
    evaluation = measure(
        predictor, dataset, ok_labels=predictor.record.ok_labels, threshold=predictor.threshold, split=split
    )
    print(f"{len(evaluation.judged)} pictures, split {split or 'all'}")
    print(_show.measures(evaluation))
    for target in (json, kept):
        if target is not None:
            write_json(target, evaluation_to_json(evaluation))
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
    overwrite: Overwrite = False,
) -> int:
    """Write a run's report as one offline HTML file.

    Parameters
    ----------
    run:
        Run folder.
    """
    from kenpin.report import write_report
    from kenpin.report.findings import read_findings
    from kenpin.run_folder import check_seal, check_writable, read_record

    for folder in (run, against):
        if folder is not None:
            check_seal(folder, read_record(folder).files)
    if out is not None:
        check_writable(out, overwrite)
    page = write_report(
        run,
        out or run / "report.html",
        against=against,
        findings=read_findings(findings),
        umap=umap,
        overwrite=overwrite or out is None,  # a run's own can always be made again from what the run holds
    )
    print(page)
    return 0


def scatter(
    runs: Annotated[tuple[Path, ...], Parameter(negative=())],
    /,
    *,
    out: Annotated[Path, Parameter(group=REQUIRED, help="HTML file to write.")],
    overwrite: Overwrite = False,
) -> int:
    """Draw the embeddings of the same pictures by several runs in a plane, side by side, as one offline HTML file.

    Parameters
    ----------
    runs:
        Run folders with embeddings, evaluated on the same pictures.
    """
    from kenpin.report.scatter import panels_of_runs, write_scatters
    from kenpin.run_folder import check_seal, check_writable, read_record

    for folder in runs:
        check_seal(folder, read_record(folder).files)
    check_writable(out, overwrite)
    print(write_scatters(panels_of_runs(runs), out, name="Vectors in a plane", overwrite=overwrite))
    return 0
