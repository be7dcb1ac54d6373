"""Commands on trained runs: `predict`, `evaluate`, `report`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._cluster import ClusterOptions
from kenpin.cli._found import given_findings
from kenpin.cli._groups import ANSWERS, DATA, OUTPUT, RUN
from kenpin.cli._parts import By, in_parts, tell_parts_by
from kenpin.cli._predicted import cells, decision, predicted, seen_of
from kenpin.cli._regions import RoiOption, tell_regions
from kenpin.cli._scale import PxPerMmOption, scale_in_force, typed_scale
from kenpin.cli.data import Overwrite, PageLanguage
from kenpin.records import Example, Judgement, Prediction
from kenpin.runtime.engines import EngineName

if TYPE_CHECKING:  # the command line alone must not load torch
    from kenpin.cluster import Cluster
    from kenpin.predictor import Predictor
    from kenpin.regions.region import PxPerMm

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


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PredictOptions(ClusterOptions):
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
    px_per_mm: PxPerMmOption = None
    roi: RoiOption = None
    by: By = None
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
    with options.started() as cluster:
        return _predict(model, images, options, cluster)


def _predict(model: str, images: Sequence[str], options: PredictOptions, cluster: Cluster | None) -> int:
    from kenpin.data.mistaken import refuse_exchanged
    from kenpin.errors import OptionError
    from kenpin.files import check_writable, write_json

    draw = options.draw
    check_writable(options.json, options.overwrite)
    check_writable(draw, options.overwrite, folder=True)
    if options.limit is not None and options.limit < 1:
        raise OptionError(f"option `--limit` is {options.limit}; give 1 or more.")
    if options.beside_truth and draw is None:
        raise OptionError("option `--beside-truth` says how to draw; give a folder with --draw.")
    refuse_exchanged(model, images, "predict RUN DATA")
    predictor = _predictor(model, options, cluster)
    tell_parts_by(predictor, options.by, model)
    tell_regions(predictor, options.roi, on_cluster=cluster is not None)
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
    scale = _scale_of(predictor, model, options)
    regions: dict[str, list[dict[str, Any]] | None] = {}

    def measure(files: Iterable[str]) -> Iterator[Prediction]:
        for prediction, found in predictor.measured_files(files, px_per_mm=scale, on_error=set_aside):
            regions[prediction.id] = None if found is None else [asdict(region) for region in found]
            yield prediction

    measures = options.json is not None and cluster is None and not (predictor.reads_tables or options.beside_truth)
    answers = predicted(
        predictor,
        images,
        options.limit,
        set_aside,
        path_of,
        annotated=options.beside_truth,
        measure=measure if measures else None,
    )
    number = 0
    for example, prediction, judgement, views in _units(predictor, answers, bad):
        _show.row(*cells(prediction, judgement))
        rows.append(asdict(prediction) | {"verdict": None, "reasons": []} | decision(judgement))
        rows[-1] |= {"regions": regions[prediction.id]} if measures and predictor.views is None else {}
        if predictor.views is not None:
            rows[-1]["views"] = [asdict(view) | ({"regions": regions[view.id]} if measures else {}) for view in views]
        for view in views:
            number += 1
            if draw is None:
                continue
            if example is not None:
                classes = predictor.labels or tuple(dict.fromkeys(example.boxes.labels if example.boxes else ()))
                draw_beside_truth(example, view, judgement, draw, number, labels=classes)
            else:
                picture = Path(path_of.get(view.id, view.id))
                draw_prediction(picture, view, judgement, draw, number, labels=predictor.labels)
    if options.json is not None:
        pictures_of = [[view["id"] for view in row["views"]] if "views" in row else [row["id"]] for row in rows]
        pictures = [path_of.get(id, id) for ids in pictures_of for id in ids]
        seen = iter(seen_of(predictor, images, pictures))
        for row, ids in zip(rows, pictures_of, strict=True):
            of_row = list(islice(seen, len(ids)))
            row["seen"] = any(of_row)
        told = {"run": predictor.origin or model, "px_per_mm": scale, "predictions": rows, "not_opened": bad}
        write_json(options.json, told)
    return FINDINGS if bad else 0


def _scale_of(predictor: Predictor, model: str, options: PredictOptions) -> PxPerMm | None:
    """The scale by which regions are measured. Raises OptionError where none would be."""
    from kenpin.errors import OptionError

    typed = typed_scale(options.px_per_mm)
    if typed is not None and (options.json is None or options.cluster is not None or options.beside_truth):
        raise OptionError(
            "option `--px-per-mm` measures the regions that --json FILE holds; give that option too, and neither "
            "--cluster nor --beside-truth."
        )
    if typed is not None and not (predictor.localises or predictor.target.locates):
        raise OptionError(f"option `--px-per-mm`: {model} finds no regions that would be measured; leave it out.")
    return scale_in_force(typed, predictor.px_per_mm, model)


def _units(
    predictor: Predictor, answers: Iterable[tuple[Example | None, Prediction]], not_opened: list[str]
) -> Iterator[tuple[Example | None, Prediction, Judgement | None, list[Prediction]]]:
    """What is judged, with its verdict and the predictions of its pictures: each picture, or each part by several."""
    from kenpin.quality.threshold import judge

    if predictor.views is None:
        for example, prediction in answers:
            verdict = None if predictor.threshold is None else judge(prediction, predictor.threshold)
            yield example, prediction, verdict, [prediction]
        return
    for part in in_parts(predictor, (prediction for _, prediction in answers), not_opened):
        views = [view.prediction for view in part.views]
        yield None, part.prediction(predictor), part.judgement(predictor), views


def _predictor(model: str, options: PredictOptions, cluster: Cluster | None) -> Predictor:
    """Of a run, at a checkpoint or as it ships, or of a base; asked the prompt."""
    from kenpin.base_predictor import is_base, load_base
    from kenpin.errors import OptionError
    from kenpin.hub.fetching import fetched_if_run
    from kenpin.predictor import load_predictor

    fetched = fetched_if_run(model)
    if cluster is not None:
        is_run = fetched is not None or not is_base(model)
        if not is_run or options.checkpoint is not None or options.prompt is not None:
            raise OptionError(
                "option `--cluster`: workers load a finished run as it ships; leave --cluster, or --checkpoint and "
                "--prompt, out."
            )
        from kenpin.cluster import ClusterPredictor

        return ClusterPredictor(cluster, fetched or model, device=options.device, engine=options.engine)
    if fetched is None and is_base(model):
        if options.checkpoint is not None:
            raise OptionError(
                f"option `--checkpoint`: {model} is not a run, and only runs have checkpoints; leave it out."
            )
        return load_base(model, prompt=options.prompt, device=options.device)
    model = model if fetched is None else str(fetched)
    predictor = load_predictor(model, device=options.device, checkpoint=options.checkpoint, engine=options.engine)
    return predictor if options.prompt is None else predictor.prompted(options.prompt)


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
    findings: Annotated[tuple[Path, ...], given_findings("judge, compare, gage or drift")] = (),
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
