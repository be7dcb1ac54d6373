"""A package in INT8: calibrated on what its run learned from, and taken only where its verdicts cost no more."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.data.loading import as_dataset, how_to_read, load_dataset
from kenpin.data.streaming import IN_FLIGHT_BYTES
from kenpin.data.taking import DataSource
from kenpin.errors import MissingExtraError, OptionError, first_line
from kenpin.evaluation import evaluate
from kenpin.evaluation.comparison import Comparison, compare
from kenpin.export.packages import check_out, export_package
from kenpin.files import new_folder
from kenpin.models import get_family
from kenpin.models.package.record import (
    NETWORK,
    PackageRecord,
    Quantised,
    hashes_below,
    read_package_record,
    write_package_record,
)
from kenpin.plural import counted
from kenpin.predictor import Predictor, load_predictor
from kenpin.quality.threshold import judge
from kenpin.records import Evaluation, Threshold, Verdict
from kenpin.run.lineage import read_lineage, write_lineage
from kenpin.run.record import RunRecord, read_record
from kenpin.runtime.network import NETWORK_FILES

TOLERANCE = 0.1
_CALIBRATED_ON = 300
"""Pictures that the ranges of numbers are read from; more change them no further (NNCF's own default)."""
_ROWS = 32


def export_int8(
    run: str | Path,
    out: str | Path,
    *,
    data: DataSource | None = None,
    tolerance: float = TOLERANCE,
    overwrite: bool = False,
) -> Quantised:
    """Write a package for OpenVINO that computes in 8 bits, and tell what that costs on the validation pictures.

    data: the data set that the run was trained on, where it lies elsewhere now; or labelled pictures that judge the
    package, where the run had no validation pictures: they are then no longer held out of it. tolerance: how much the
    cost per part may rise, as a share of the run's own; beyond it the layers that cost most stay in 32 bits, and where
    that does not suffice nothing is written. Raises RunError, DatasetError, OptionError, OutputExistsError,
    MissingExtraError.
    """
    run, out = Path(run), Path(out)
    if find_spec("nncf") is None:
        raise MissingExtraError('option `--precision` int8 needs NNCF: pip install "kenpin[int8]"')
    if not 0 <= tolerance < math.inf:
        raise OptionError(f"option `--tolerance`: {tolerance} must be a share from 0, such as 0.1 for a tenth.")
    record = read_record(run)
    check_out(run, record, out, overwrite)
    learned, judging, chosen = _pictures(run, record, data)
    with TemporaryDirectory(prefix="kenpin-export-") as name:
        exact = export_package(run, Path(name) / "fp32", to="openvino")
        opened, predictor = read_package_record(exact), load_predictor(exact)
        before = _evaluation(predictor, judging)
        most = tolerance * _cost(before)
        quantiser = _Quantiser(opened, predictor, before, learned, judging)
        with new_folder(out, overwrite=overwrite) as folder:
            shutil.copytree(exact, folder, dirs_exist_ok=True)
            if chosen:
                write_lineage(folder, read_lineage(run).chosen_by(judging), read_lineage(run, of_network=True))
            for controlled in (False, True):
                quantiser.write(exact, folder, most if controlled else None)
                _seal(folder, opened, None)
                now = _evaluation(load_predictor(folder), judging)
                found = _figures(before, now, controlled, len(quantiser.calibrating))
                if found.cost_now <= found.cost_before + most + 1e-12:
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


class _Quantiser:
    """A package's network in INT8, with pictures as the network takes them."""

    def __init__(
        self, opened: PackageRecord, predictor: Predictor, before: Evaluation, learned: Dataset, judging: Dataset
    ) -> None:
        self._resizing, self._output = opened.resizing, opened.output
        self._predictor, self._judging = predictor, judging
        self._defective = {part.id: part.defective for part in before.judged}
        self._kept: dict[int, NDArray[np.uint8]] = {}
        drawn = np.random.default_rng(0).permutation(len(learned))[:_CALIBRATED_ON]
        self.calibrating = self._prepared(learned.select(sorted(drawn.tolist())))

    def write(self, exact: Path, folder: Path, most: float | None) -> None:
        """Write a package's network in INT8 into another. most: by how much the cost may rise; None: by anything."""
        from kenpin.runtime.openvino import imported

        openvino = imported()  # its telemetry is left out before NNCF looks for it
        import nncf

        logging.getLogger("nncf").setLevel(logging.ERROR)  # its own function would mute others' handlers too
        file = Path(NETWORK) / NETWORK_FILES["openvino"]
        model = openvino.Core().read_model(exact / file)
        calibrating = nncf.Dataset([row[None] for row in self.calibrating])
        try:
            with redirect_stdout(StringIO()):  # its bars have no switch
                if most is None:
                    found = nncf.quantize(model, calibrating)
                else:
                    starts = list(range(0, len(self._judging), _ROWS))
                    found = nncf.quantize_with_accuracy_control(
                        model,
                        calibrating,
                        nncf.Dataset(starts, self._batch),
                        self._worth,
                        max_drop=most,
                        drop_type=nncf.DropType.ABSOLUTE,
                    )
        except Exception as error:  # whatever breaks first in the quantiser
            raise OptionError(f"{folder.name}: NNCF cannot quantise this network ({first_line(error)}).") from error
        for ending in (".xml", ".bin"):  # not in place: the one before may still be mapped into memory
            (folder / file).with_suffix(ending).unlink()
        openvino.save_model(found, folder / file, compress_to_fp16=False)

    def _prepared(self, dataset: Dataset) -> list[NDArray[np.uint8]]:
        return [self._resizing.of(read_image(dataset.source_of(example))) for example in dataset]

    def _batch(self, start: int) -> NDArray[np.uint8]:
        """Judging pictures from a row on; those that were opened first are kept, for they are asked for often."""
        if start in self._kept:
            return self._kept[start]
        rows = np.stack(self._prepared(self._judging.select(range(start, min(start + _ROWS, len(self._judging))))))
        if sum(kept.nbytes for kept in self._kept.values()) + rows.nbytes <= IN_FLIGHT_BYTES:
            self._kept[start] = rows
        return rows

    def _worth(self, model: Any, starts: Iterable[int]) -> float:
        """Minus the cost per part, which the quantiser keeps from falling."""
        decided: list[tuple[bool | None, Verdict | None]] = []
        for start in starts:
            examples = list(self._judging.select(range(start, min(start + _ROWS, len(self._judging)))))
            rows = np.array(next(iter(model(self._batch(start)).values())))
            for said in self._predictor.model.decode({self._output: rows}, examples):
                verdict = None if self._predictor.threshold is None else judge(said, self._predictor.threshold).verdict
                decided.append((self._defective.get(said.id), verdict))
        return -_mean_cost(decided, self._predictor.threshold)


def _evaluation(predictor: Predictor, pictures: Dataset) -> Evaluation:
    assert predictor.record is not None
    ok_labels = predictor.record.ok_labels
    return evaluate(predictor, pictures, ok_labels=ok_labels, threshold=predictor.threshold, split=None, with_seen=True)


def _cost(evaluation: Evaluation) -> float:
    return _mean_cost([(part.defective, part.verdict) for part in evaluation.judged], evaluation.threshold)


def _mean_cost(decided: Sequence[tuple[bool | None, Verdict | None]], threshold: Threshold | None) -> float:
    """Cost per part at the threshold's costs and share of defective parts; without costs each wrong verdict is 1."""
    costs = (None, None) if threshold is None else (threshold.cost_escape, threshold.cost_overkill)
    escape, overkill = (1.0 if cost is None else cost for cost in costs)
    review = 0.0 if threshold is None or threshold.cost_review is None else threshold.cost_review
    rate = None if threshold is None else threshold.defect_rate
    means = []
    for side, wrong, cost in ((True, Verdict.PASS, escape), (False, Verdict.FAIL, overkill)):
        said = [verdict for defective, verdict in decided if defective is side]
        each = [cost if verdict is wrong else review if verdict is Verdict.REVIEW else 0.0 for verdict in said]
        share = len(said) / max(1, len(decided)) if rate is None else rate if side else 1 - rate
        means.append(share * sum(each) / len(each) if each else 0.0)
    return sum(means)


def _figures(before: Evaluation, now: Evaluation, controlled: bool, calibrated_on: int) -> Quantised:
    compared: Comparison = compare(now, before)
    ranking = next((one for one in compared.differences if one.name == "auroc"), None)
    said = [{part.id: (part.verdict, part.prediction.label) for part in run.judged} for run in (before, now)]
    changed = sum(
        verdict is not said[1][id][0] if verdict is not None else label != said[1][id][1]
        for id, (verdict, label) in said[0].items()
    )
    return Quantised(
        calibrated_on=calibrated_on,
        controlled=controlled,
        parts=len(said[0]),
        changed=changed,
        cost_before=_cost(before),
        cost_now=_cost(now),
        auroc_before=None if ranking is None else ranking.before,
        auroc_now=None if ranking is None else ranking.now,
        low=None if ranking is None else ranking.change.low,
        high=None if ranking is None else ranking.change.high,
    )


def _seal(folder: Path, record: PackageRecord, found: Quantised | None) -> None:
    """Write the record of a package in 32 bits anew, for the files that are there now."""
    changed = {"precision": "int8", "quantised": found, "files": hashes_below(folder)}
    write_package_record(folder, record.model_copy(update=changed))
