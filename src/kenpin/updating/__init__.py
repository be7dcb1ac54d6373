"""An update: a unit space takes further good parts by the moments of those that it knows, as a new run beside the old.

Neither the old pictures nor a training are needed: moments are added, and the space is the one that a fit to all parts
together gives, to rounding.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from kenpin.cluster import ClusterPredictor, contents_on, examine_on
from kenpin.cluster.features import features_of_run_on
from kenpin.data.dataset import Dataset
from kenpin.data.loading import as_dataset
from kenpin.data.taking import DataSource
from kenpin.errors import DatasetError
from kenpin.evaluation import summarise
from kenpin.files import new_folder, write_json
from kenpin.finished_run import Run
from kenpin.models import get_family
from kenpin.models.devices import device_of
from kenpin.models.framed import framing_of
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.records import Evaluation
from kenpin.report import write_report
from kenpin.report.headline import headed_json
from kenpin.run.layout import MODEL, REPORT, evaluation_files
from kenpin.run.lineage import read_lineage, write_lineage
from kenpin.run.moments import write_moments
from kenpin.run.record import check_run_free, record_hash, seal_of, write_record
from kenpin.targets import Target
from kenpin.training.deciding import Decided, Scored
from kenpin.training.keeping import keep_for_report
from kenpin.training.learning import Learned
from kenpin.training.listener import SILENT, Listener
from kenpin.training.parts import Parts
from kenpin.training.processes import Processes
from kenpin.training.recording import record_of
from kenpin.training.stages import Training
from kenpin.training.start import Start
from kenpin.updating.given import Before, Further, first_look, further_parts, opened, refuse_where_cluster_idles
from kenpin.updating.refit import kept_decision, refitted

__all__ = ["Decide", "update"]

Decide = Literal["kept", "again"]
"""Where the threshold comes from: the run before; or the parts that are given, as a training takes them."""
_UNMEASURED = (
    "The figures of {run} are of its space before the update; measure this run on the same parts again with kenpin "
    "evaluate. Parts that it took now are held out no more."
)


def update(
    run: str | Path | ClusterPredictor,
    data: DataSource,
    out: str | Path,
    *,
    ok_labels: Sequence[str] | None = None,
    decide: Decide = "kept",
    device: str | None = None,
    overwrite: bool = False,
    listener: Listener = SILENT,
) -> Run:
    """Write a new run that also knows the good parts of `data`, as if `run` had been fitted to all of them together.

    Pictures that the run knows are left out, by their content. Computed from all parts: means, scales, correlations,
    ridge, which items vary, and a limit by the distribution of the distance. Kept: the base, items that were selected,
    and with `decide` kept threshold and calibration, which were chosen on distances before the update: a note says what
    they are worth on the new parts. With `decide` again these parts choose them, as in a training: good ones, each
    scored by a fit without it, and defective ones. ok_labels: further classes of good parts; where nothing has a label,
    all are good. The new run is evaluated on the test pictures of `data`, else on all that nothing below has seen, good
    ones by fits without them. The predictor of a cluster has its workers examine the pictures and compute their
    features; moments and space are made here. Raises KenpinError.
    """
    started = time.monotonic()
    on = run if isinstance(run, ClusterPredictor) else None
    run = Path(run.run if isinstance(run, ClusterPredictor) else run)
    out, dataset = Path(out), as_dataset(data)
    check_run_free(out, overwrite, (run, dataset.root, Path.cwd()))
    before = opened(run, device if on is None else on.load.device)
    if on is None:
        further = further_parts(before, dataset, ok_labels)
        return _updated(before, further, dataset, out, started, decide, overwrite, listener)
    refuse_where_cluster_idles(before, dataset)
    dataset = contents_on(on.cluster, dataset)
    further = further_parts(before, dataset, ok_labels, partial(examine_on, on.cluster))
    parts = [part for part in (further.parts.training, further.parts.validation, further.parts.test) if part]
    with features_of_run_on(on, before.inspector, parts, listener.progress):
        return _updated(before, further, dataset, out, started, decide, overwrite, listener)


def _updated(
    before: Before,
    further: Further,
    dataset: Dataset,
    out: Path,
    started: float,
    decide: Decide,
    overwrite: bool,
    listener: Listener,
) -> Run:
    run, needed = before.run, (before.run, dataset.root, Path.cwd())
    looked = first_look(before, further.good)
    notes = (
        f"Updated from {run}: {counted(len(further.good), 'good part')} added to those that it knows.",
        *further.notes,
        *looked.notes,
    )
    for note in notes:
        listener.say(note)
    scored, space_notes, moments = refitted(before, further, listener.progress)
    for note in space_notes:
        listener.say(note)
    start = _start(before, dataset, further.parts, out, notes)
    if (
        decide == "again" and "made_defects" in type(start.options).model_fields
    ):  # the given parts choose, and no made one
        start = replace(start, options=start.options.model_copy(update={"made_defects": 0}))
    learned = Learned(before.inspector, space_notes, "fp32", str(device_of(before.inspector)), 0.0)
    with new_folder(out, overwrite=overwrite) as folder:
        training = Training(start, folder, Processes(device_of(before.inspector)), listener)
        (folder / MODEL).mkdir()
        before.inspector.save(folder / MODEL)
        if (framing := framing_of(before.inspector)) is not None:
            framing.write(folder / MODEL)
        write_moments(folder, moments, {*before.known.contents, *further.good.contents()})
        if decide == "again":
            decided = training.decide(learned, scored)
            if decided.threshold is None:
                raise DatasetError(f"{decided.why} Or keep the threshold of {run}, without --decide again.")
        else:
            decided = kept_decision(before, scored, looked.distances, folder)
            listener.say(decided.why)
        evaluation = _evaluated(training, learned, scored, decided, decide)
        _keep(folder, before, training, scored, decided, evaluation)
        seen = before.lineage.having_learned(further.good)
        seen = seen.chosen_by(scored.pictures) if decide == "again" else seen
        write_lineage(folder, seen, read_lineage(run, of_network=True))
        sentences = (*notes, *space_notes, *decided.meaning, decided.why, _UNMEASURED.format(run=run))
        record = record_of(
            start,
            replace(learned, seconds=time.monotonic() - started),
            folder,
            seal_of({"before": str(before.record.dataset.get("fingerprint")), "added": dataset.fingerprint()}),
            notes=sentences,
            threshold=decided.threshold,
            measures=evaluation.measures,
        )
        updated = {"run": str(run), "seal": record_hash(before.record), "dataset": before.record.dataset}
        write_record(folder, record.model_copy(update={"dataset": record.dataset | {"before": updated}}))
        write_report(folder, folder / REPORT, name=out.name, overwrite=True)
        check_run_free(out, overwrite, needed)  # what lies there may have changed since
    return Run(out)


def _start(before: Before, dataset: Dataset, parts: Parts, out: Path, notes: tuple[str, ...]) -> Start:
    """What the stages of a training begin with, as if it were one on the given parts."""
    return Start(
        name=before.record.family,
        family=get_family(before.record.family),
        options=before.options.model_copy(update={"out": out}),
        dataset=dataset,
        parts=parts,
        task=before.task,
        inspector=before.inspector,
        notes=notes,
        needed=(),
        retrieval=None,
        lineage=before.lineage,
        judging=before.lineage,
        folding=None,
    )


def _evaluated(training: Training, learned: Learned, scored: Scored, decided: Decided, decide: Decide) -> Evaluation:
    """On the test pictures; without any, on those that were scored, whose truth the kept threshold has not seen."""
    start = training.start
    if start.parts.test is not None or decide == "again":
        return training.evaluate(learned, scored, decided)
    return summarise(
        scored.pictures,
        decided.predictions,
        labels=learned.inspector.labels,
        ok_labels=start.task.ok_labels,
        threshold=decided.threshold,
        split=scored.split,
        seed=start.options.seed,
        notes=("No split is named test: good parts are judged here by fits without them, by the kept threshold.",),
    )


def _keep(
    folder: Path, before: Before, training: Training, scored: Scored, decided: Decided, evaluation: Evaluation
) -> None:
    """Write the evaluation, and what the report shows of its pictures."""
    kept, test = evaluation_files(folder), training.start.parts.test
    write_json(kept.evaluation, headed_json(evaluation))
    predictor = Predictor(before.inspector, decided.threshold, target=Target.LABEL)
    pictures = scored.pictures if test is None else test
    if len(pictures):
        keep_for_report(
            predictor, pictures, evaluation, kept, held_out=test is not None or scored.split == "validation"
        )
