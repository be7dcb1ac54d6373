"""A package in INT8: calibrated on what its run learned from, and taken only where its verdicts cost no more."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.loading import as_dataset, how_to_read, load_dataset
from kenpin.data.taking import DataSource
from kenpin.errors import MissingExtraError, OptionError
from kenpin.evaluation import evaluate
from kenpin.evaluation.comparison import compare
from kenpin.export.packages import check_out, export_package, needs_64_bits
from kenpin.export.quantiser import Quantiser
from kenpin.files import new_folder
from kenpin.installing import installing
from kenpin.models import get_family
from kenpin.models.contract import Judge, Progress
from kenpin.models.package.record import (
    PackageRecord,
    Quantised,
    hashes_below,
    read_package_record,
    write_package_record,
)
from kenpin.models.tables import is_table
from kenpin.plural import counted
from kenpin.predictor import Predictor, load_predictor
from kenpin.quality.costs import realised_cost
from kenpin.quality.threshold import judge
from kenpin.records import Evaluation, Prediction, Verdict
from kenpin.run.lineage import read_lineage, write_lineage
from kenpin.run.record import RunRecord, read_record
from kenpin.targets import Target

TOLERANCE = 0.1


def export_int8(
    run: str | Path,
    out: str | Path,
    *,
    data: DataSource | None = None,
    tolerance: float = TOLERANCE,
    px_per_mm: float | tuple[float, ...] | None = None,
    overwrite: bool = False,
    progress: Progress = lambda *_: None,
) -> Quantised:
    """Write a package for OpenVINO that computes in 8 bits, and tell what that costs on the validation pictures.

    data: the data set that the run was trained on, where it lies elsewhere now; or labelled pictures that judge the
    package, where the run had no validation pictures: they are then no longer held out of it. tolerance: how much the
    cost per part may rise, as a share of the run's own; beyond it more layers stay in 32 bits, and where that does not
    suffice nothing is written. px_per_mm: as `export_package` takes it. Raises RunError, DatasetError,
    OptionError, OutputExistsError, MissingExtraError.
    """
    run, out = Path(run), Path(out)
    if find_spec("nncf") is None:
        raise MissingExtraError(f"option `--precision` int8 needs NNCF: {installing('int8')}")
    if not 0 <= tolerance < math.inf:
        raise OptionError(f"option `--tolerance`: {tolerance} must be a share from 0, such as 0.1 for a tenth.")
    record = read_record(run)
    check_out(run, record, out, overwrite)
    if is_table(record):
        raise needs_64_bits(run)
    if get_family(record.family).target is not Target.LABEL:
        raise OptionError(
            f"{run}: INT8 is judged by verdicts and labels, which family {record.family} does not give; take "
            "--precision fp32."
        )
    if record.parts is not None:
        raise OptionError(
            f"{run}: INT8 is judged by verdicts of single pictures, and this run judges parts by several; take "
            "--precision bf16."
        )
    learned, judging, chosen = _pictures(run, record, data)
    with TemporaryDirectory(prefix="kenpin-export-") as name:
        progress("writing 32 bits", 0, 1)
        exact = export_package(run, Path(name) / "fp32", to="openvino", px_per_mm=px_per_mm)
        progress("writing 32 bits", 1, 1)
        opened, predictor = read_package_record(exact), load_predictor(exact)
        before = _evaluation(predictor, judging, progress)
        costs = _Costs(predictor.model, opened.output, judging, before)
        cost = costs.of([part.prediction for part in before.judged])
        quantiser = Quantiser(exact, opened, predictor.model, learned, judging)
        ways = quantiser.ways()
        with new_folder(out, overwrite=overwrite) as folder:
            shutil.copytree(exact, folder, dirs_exist_ok=True)
            if chosen:
                write_lineage(folder, read_lineage(run).chosen_by(judging), read_lineage(run, of_network=True))
            for tried, way in enumerate(ways):
                progress("quantising", tried, len(ways))
                corrected = quantiser.write(folder, way, tolerance * cost, costs.of_rows)
                _seal(folder, opened, None)
                now = _evaluation(load_predictor(folder), judging, progress)
                found = Quantised(
                    calibrated_on=len(quantiser.calibrating),
                    exact_layers=way.exact_layers,
                    controlled=way.controlled,
                    corrected=corrected,
                    cost_before=cost,
                    cost_now=costs.of([part.prediction for part in now.judged]),
                    **_changes(before, now),
                )
                if found.cost_now <= (1 + tolerance) * cost + 1e-12:
                    progress("quantising", len(ways), len(ways))
                    _seal(folder, opened, found)
                    return found
            raise OptionError(
                f"{run}: in INT8 {told(found)}. That is more than `--tolerance` {tolerance:g} allows, also with the "
                "layers that cost most in 32 bits. Take --precision bf16, or allow more."
            )


def told(found: Quantised) -> str:
    """The figures of a decision in words."""
    text = (
        f"{found.changed} of {counted(found.parts, 'verdict')} changed, and the cost per part goes from "
        f"{found.cost_before:.4g} to {found.cost_now:.4g}"
    )
    if found.auroc_before is None or found.auroc_now is None:
        return text
    between = "" if found.low is None else f" (change {found.low:+.4f} to {found.high:+.4f})"
    return f"{text}; AUROC from {found.auroc_before:.4f} to {found.auroc_now:.4f}{between}"


def _pictures(run: Path, record: RunRecord, data: DataSource | None) -> tuple[Dataset, Dataset, bool]:
    """What calibrates, what judges, and whether the latter was held out so far. Raises DatasetError, OptionError."""
    lineage = read_lineage(run)
    given = None if data is None else as_dataset(data)
    options = get_family(record.family).Options.from_mapping(record.options)
    own = given
    if (own is None or not len(_within(own, lineage.learned))) and str(options.data) != "-":
        own = load_dataset(options.data, **how_to_read(options))
    learned = None if own is None else _within(own, lineage.learned)
    if own is None or learned is None or not len(learned):
        where = "memory" if own is None else own.root or "this data"
        raise OptionError(
            f"{run}: calibration needs the pictures that it learned from, and there are none of them in {where}; name "
            "the data set that it was trained on with --data."
        )
    if len(judging := _within(own, lineage.chosen - lineage.learned)):
        return learned, judging, False
    if given is None or not (unseen := lineage.untouched(given)):
        raise OptionError(
            f"{run}: was trained without validation pictures, by which INT8 could be judged; name labelled pictures "
            "that it has not seen with --data, or take --precision bf16."
        )
    return learned, given.select(unseen), True


def _within(dataset: Dataset, contents: frozenset[str]) -> Dataset:
    return dataset.select(row for row, content in enumerate(dataset.contents()) if content in contents)


class _Costs:
    """What predictions of the judging pictures cost."""

    def __init__(self, model: Judge, output: str, judging: Dataset, before: Evaluation) -> None:
        self._model, self._output, self._judging, self._threshold = model, output, judging, before.threshold
        self._truths = {part.id: part for part in before.judged}

    def of_rows(self, batches: Sequence[tuple[int, NDArray[Any]]]) -> float:
        """From the network's rows. batches: the place of the first picture and the rows, of each."""
        predictions: list[Prediction] = []
        for start, rows in batches:
            examples = list(self._judging.select(range(start, start + len(rows))))
            predictions += self._model.decode({self._output: rows}, examples)
        return self.of(predictions)

    def of(self, predictions: Sequence[Prediction]) -> float:
        """Mean of a part, at the threshold's costs and share of defective parts. Costs that are not given are 1, that
        of a review 0; without a threshold each wrong label is 1, and of good or defective parts alone it is theirs."""
        threshold, known = self._threshold, [one for one in predictions if one.id in self._truths]
        if threshold is None:
            wrong = [one.label != self._truths[one.id].label for one in known]
            return sum(wrong) / max(1, len(wrong))
        scored = [
            (truth, judge(one, threshold).verdict)
            for one in known
            if (truth := self._truths[one.id].defective) is not None
        ]
        defective, verdicts = [one for one, _ in scored], [verdict for _, verdict in scored]
        escape = 1.0 if threshold.cost_escape is None else threshold.cost_escape
        overkill = 1.0 if threshold.cost_overkill is None else threshold.cost_overkill
        review = threshold.cost_review or 0.0
        if any(defective) and not all(defective):
            rate = threshold.defect_rate
            return realised_cost(
                verdicts, defective, cost_escape=escape, cost_overkill=overkill, cost_review=review, defect_rate=rate
            )
        mistake, price = (Verdict.PASS, escape) if any(defective) else (Verdict.FAIL, overkill)
        each = [price if one is mistake else review if one is Verdict.REVIEW else 0.0 for one in verdicts]
        return sum(each) / max(1, len(each))


def _evaluation(predictor: Predictor, pictures: Dataset, progress: Progress) -> Evaluation:
    assert predictor.record is not None
    return evaluate(
        predictor,
        pictures,
        ok_labels=predictor.record.ok_labels,
        threshold=predictor.threshold,
        split=None,
        with_seen=True,
        progress=partial(progress, "judging"),
    )


def _changes(before: Evaluation, now: Evaluation) -> dict[str, Any]:
    """Verdicts, or labels where nothing is judged, that are others now, and the ranking with its paired interval."""
    ranking = next((one for one in compare(now, before).differences if one.name == "auroc"), None)
    said = [{part.id: (part.verdict, part.prediction.label) for part in run.judged} for run in (before, now)]
    changed = sum(
        verdict is not said[1][id][0] if verdict is not None else label != said[1][id][1]
        for id, (verdict, label) in said[0].items()
    )
    return {
        "parts": len(said[0]),
        "changed": changed,
        "auroc_before": None if ranking is None else ranking.before,
        "auroc_now": None if ranking is None else ranking.now,
        "low": None if ranking is None else ranking.change.low,
        "high": None if ranking is None else ranking.change.high,
    }


def _seal(folder: Path, record: PackageRecord, found: Quantised | None) -> None:
    """Write the record of a package in 32 bits anew, for the files that are there now."""
    # its ranges of numbers come from the run's own pictures, so it computes what no other does
    changed = {"precision": "int8", "quantised": found, "files": hashes_below(folder), "network_key": None}
    write_package_record(folder, record.model_copy(update=changed))
