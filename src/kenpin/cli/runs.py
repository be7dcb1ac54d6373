"""Commands on trained runs: `predict`, `evaluate`, `report`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._groups import ANSWERS, DATA, OUTPUT, REQUIRED, RUN
from kenpin.cli._reading import ReadOptions
from kenpin.cli.data import Overwrite, PageLanguage
from kenpin.plural import counted
from kenpin.records import Example, Judgement, Prediction
from kenpin.runtime.engines import EngineName

if TYPE_CHECKING:  # the command line alone must not load torch
    from kenpin.predictor import Predictor

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
@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """How pictures are predicted, and where the predictions go."""

    json: Annotated[Path | None, Parameter(group=OUTPUT, help="Write all predictions to this JSON file.")] = None
    draw: Annotated[
        Path | None, Parameter(group=OUTPUT, help="Draw each picture with its verdict into this folder.")
    ] = None
    beside_truth: Annotated[
        bool,
        Parameter(
            group=OUTPUT,
            negative=(),
            help="The pictures are data sets with boxes: draw these on the left, predicted ones on the right.",
        ),
    ] = False
    limit: Annotated[int | None, Parameter(group=DATA, help="Predict only this many pictures, the first.")] = None
    prompt: Annotated[
        str | None,
        Parameter(group=ANSWERS, help="Question to a language model, in place of the one it was trained on."),
    ] = None
    checkpoint: Checkpoint = None
    device: Device = None
    engine: Engine = "auto"
    overwrite: Overwrite = False


def predict(
    model: str,
    images: Annotated[tuple[str, ...], Parameter(negative=())],
    /,
    *,
    options: PredictOptions = PredictOptions(),
) -> int:
    """Inspect pictures: one line each. The exit status is 1 where a picture could not be opened, 0 otherwise.

    Parameters
    ----------
    model:
        Run folder, or a run's hub id; or a pretrained model: a hub id, or a folder of save_pretrained.
    images:
        Picture files and folders; tables, for a run that was trained on one; data sets, with --beside-truth.
    """
    from kenpin.data.mistaken import refuse_exchanged
    from kenpin.errors import OptionError
    from kenpin.files import check_writable, write_json
    from kenpin.quality.threshold import judge

    draw = options.draw
    check_writable(options.json, options.overwrite)
    check_writable(draw, options.overwrite, folder=True)
    if options.limit is not None and options.limit < 1:
        raise OptionError(f"option `--limit` is {options.limit}; give 1 or more.")
    if options.beside_truth and draw is None:
        raise OptionError("option `--beside-truth` says how to draw; give a folder with --draw.")
    refuse_exchanged(model, images, "predict RUN DATA")
    predictor = _predictor(model, options)
    if predictor.reads_tables and draw is not None:
        raise OptionError("option `--draw`: this run judges rows of a table, which have no picture; leave it out.")
    if options.beside_truth and not predictor.target.locates:
        raise OptionError(f"option `--beside-truth`: {model} finds no boxes; leave it out.")
    if predictor.undecided is not None:
        _show.say(f"kenpin: {predictor.undecided}")
    if draw is not None:
        from kenpin.drawing import draw_beside_truth, draw_prediction, font_note

        if (note := font_note(predictor.labels)) is not None:
            _show.say(f"kenpin: {note}")
    bad: list[str] = []

    def set_aside(example: Example, error: Exception) -> None:
        bad.append(example.id)
        _show.say(f"kenpin: {error}")

    rows: list[dict[str, Any]] = []
    path_of: dict[str, str] = {}
    answers = _predicted(predictor, images, options.limit, set_aside, path_of, annotated=options.beside_truth)
    for example, prediction in answers:
        judgement = None if predictor.threshold is None else judge(prediction, predictor.threshold)
        _show.row(*_cells(prediction, judgement))
        rows.append(asdict(prediction) | {"verdict": None, "reasons": []} | _decision(judgement))
        if draw is not None and example is not None:
            classes = predictor.labels or tuple(dict.fromkeys(example.boxes.labels if example.boxes else ()))
            draw_beside_truth(example, prediction, judgement, draw, len(rows), labels=classes)
        elif draw is not None:
            picture = Path(path_of.get(prediction.id, prediction.id))
            draw_prediction(picture, prediction, judgement, draw, len(rows), labels=predictor.labels)
    if options.json is not None:
        pictures = [path_of.get(row["id"], row["id"]) for row in rows]
        for row, seen in zip(rows, _seen(predictor, images, pictures), strict=False):
            row["seen"] = seen
        write_json(options.json, {"run": predictor.origin or model, "predictions": rows, "not_opened": bad})
    return FINDINGS if bad else 0


def _predictor(model: str, options: PredictOptions) -> Predictor:
    """Of a run, at a checkpoint or as it ships, or of a base; asked the prompt."""
    from kenpin.errors import OptionError
    from kenpin.hub.fetching import fetched_if_run
    from kenpin.predictor import is_base, load_base, load_predictor

    fetched = fetched_if_run(model)
    if fetched is None and is_base(model):
        if options.checkpoint is not None:
            raise OptionError(
                f"option `--checkpoint`: {model} is not a run, and only runs have checkpoints; leave it out."
            )
        return load_base(model, prompt=options.prompt, device=options.device)
    model = model if fetched is None else str(fetched)
    predictor = load_predictor(model, device=options.device, checkpoint=options.checkpoint, engine=options.engine)
    return predictor if options.prompt is None else predictor.prompted(options.prompt)


def _predicted(
    predictor: Predictor,
    paths: Sequence[str],
    limit: int | None,
    set_aside: Callable[[Example, Exception], None],
    path_of: dict[str, str],
    *,
    annotated: bool,
) -> Iterator[tuple[Example | None, Prediction]]:
    """Predictions of pictures, or rows of tables; with what is annotated of them where they are of data sets.

    path_of: takes the path of each picture whose id is not its path, since that is no UTF-8.
    """
    from kenpin.data.files import picture_files

    if not annotated:
        files = paths if predictor.reads_tables else _remembered(islice(picture_files(paths), limit), path_of)
        yield from ((None, one) for one in islice(predictor.predict_files(files, on_error=set_aside), limit))
        return
    from kenpin.data.loading import load_dataset
    from kenpin.data.targets import annotated as with_boxes
    from kenpin.errors import DatasetError
    from kenpin.targets import Target

    left = limit
    for path in paths:
        known = with_boxes(load_dataset(path), Target.BOXES)
        if not len(known):
            raise DatasetError(f"{path}: no picture in it is annotated with boxes; leave --beside-truth out.")
        known = known.select(range(len(known) if left is None else min(left, len(known))))
        left = None if left is None else left - len(known)
        examples = iter(known)
        for prediction in predictor.predict(known, on_error=set_aside):
            # one that could not be opened has no prediction
            yield next(example for example in examples if example.id == prediction.id), prediction


def _remembered(paths: Iterable[str], path_of: dict[str, str]) -> Iterator[str]:
    from kenpin.data.reading.names import readable

    for path in paths:
        if (id := readable(path)) != path:
            path_of[id] = path
        yield path


def _seen(predictor: Predictor, paths: Sequence[str], pictures: Sequence[str]) -> list[bool]:
    """Whether the inspector has learned from each of these predicted pictures, or rows of tables: then no decision may
    rest on it."""
    from kenpin.data.dataset import Dataset
    from kenpin.data.loading import load_dataset
    from kenpin.records import ImageSource

    if predictor.lineage is None:
        return [False] * len(pictures)
    if predictor.reads_tables:
        return [was for path in paths for was in predictor.lineage.seen(load_dataset(path))]
    examples = (Example(str(row), ImageSource(path=path)) for row, path in enumerate(pictures))
    return predictor.lineage.seen(Dataset.from_examples(examples))


def _decision(judgement: Judgement | None) -> dict[str, Any]:
    return {} if judgement is None else {"verdict": judgement.verdict.value, "reasons": list(judgement.reasons)}


def _cells(prediction: Prediction, judgement: Judgement | None) -> tuple[str, ...]:
    verdict = "-" if judgement is None else judgement.verdict.value
    score = "-" if prediction.defect_score is None else f"{prediction.defect_score:.4f}"
    return prediction.id, verdict, _said(prediction), score


def _said(prediction: Prediction) -> str:
    """The class, the boxes counted by class, or the words."""
    if prediction.detections is not None:
        found = Counter(prediction.detections.labels)
        return ", ".join(f"{count} × {label}" for label, count in found.items()) or "no box"
    # one line a picture, whatever was answered
    return prediction.label or " ".join((prediction.text or "-").split())


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions(ReadOptions):
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
    from kenpin.hub.fetching import folder_of
    from kenpin.models.package import is_package
    from kenpin.predictor import load_predictor
    from kenpin.report.headline import headed_json, headline
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
    check_writable(options.json, options.overwrite)
    check_writable(None if kept is None else kept.evaluation, options.overwrite)
    dataset = options.load(options.data)
    predictor = load_predictor(run, device=options.device, engine=options.engine)
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
    from kenpin.hub.fetching import folder_of
    from kenpin.models.package import folder_of_report, is_package
    from kenpin.report import write_report
    from kenpin.report.findings import read_findings
    from kenpin.run.layout import REPORT

    run = folder_of(run)
    if out is None and is_package(run):
        raise OptionError(f"option `--out`: {run} is a package, in which nothing is written; name another file.")
    check_writable(out, overwrite)
    page = write_report(
        folder_of_report(run),
        out or run / REPORT,
        name=run.resolve().name,  # of a package its own, not that of the part that is shown
        against=None if against is None else folder_of_report(folder_of(against)),
        findings=read_findings(findings),
        umap=umap,
        language=language,
        overwrite=overwrite or out is None,  # a run's own can always be made again from what the run holds
    )
    _show.row(str(page))
    return 0
