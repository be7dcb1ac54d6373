"""Links of a chain trained anew: the runs that an inspector stands on, as they would be without some pictures."""

from __future__ import annotations

from pathlib import Path

from kenpin.config import CaseOptions, TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.loading import how_to_read, load_dataset
from kenpin.errors import OptionError
from kenpin.models import get_family
from kenpin.run.layout import RECORD
from kenpin.run.lineage import lineage_of
from kenpin.run.record import read_record, write_record
from kenpin.training.below import named_below, runs_below
from kenpin.training.learning import learn
from kenpin.training.listener import SILENT
from kenpin.training.processes import Processes
from kenpin.training.recording import keep_lineage, record_of
from kenpin.training.start import begin

_OF_ITS_CALL = {"resume": False, "overwrite": False, "report": False, "folds": "last", "calibrate": "none"}


def check_refittable(options: TrainOptions, dataset: Dataset) -> None:
    """Refuse before anything is learned what could not be trained anew for each fold. Raises OptionError, RunError."""
    runs = runs_below(options)
    for option, name in named_below(options).items():
        if option not in runs and lineage_of(name):
            raise OptionError(
                f"option `folds` whole: {name} was exported from a run and cannot be trained again; name the run "
                "itself."
            )
    for run in runs.values():
        own = _options_of(run)
        _data_of(run, own, dataset)
        check_refittable(own, dataset)


def rebuilt(
    options: TrainOptions, dataset: Dataset, without: frozenset[str], folder: Path, processes: Processes
) -> TrainOptions:
    """The options, with each run in them that has learned from a picture of these contents trained anew without any.

    dataset: the present one, which a run below may have learned from too; folder: where the new runs are written. They
    decide nothing, and have neither threshold nor evaluation. Raises KenpinError.
    """
    changed: dict[str, str | Path] = {}
    for option, run in runs_below(options).items():
        if not lineage_of(run).contents & without:
            continue
        own = _options_of(run)
        data = _data_of(run, own, dataset)
        out = folder / f"{option}-{run.name}"
        own = rebuilt(own, dataset, without, folder / f"below-{option}", processes)
        own = own.model_copy(update=_OF_ITS_CALL | {"out": out, "device": str(processes.device)})
        start = begin(read_record(run).family, own, data, {}, without=without)
        out.mkdir(parents=True)
        learned = learn(start, out, processes, SILENT)
        keep_lineage(start, out)
        write_record(out, record_of(start, learned, out))
        changed[option] = type(getattr(options, option))(out)  # a word or a path, as the option has it
    return options.model_copy(update=changed)


def _options_of(run: Path) -> TrainOptions:
    record = read_record(run)
    options: TrainOptions = get_family(record.family).Options.from_mapping(record.options, f"{run / RECORD}: options")
    return options


def _data_of(run: Path, options: TrainOptions, present: Dataset) -> Dataset:
    """What a run was trained on, as it was. Raises OptionError where it has changed since."""
    if isinstance(options, CaseOptions) and options.from_cases is not None:
        raise OptionError(
            f"option `folds` whole: {run} learned from the library {options.from_cases}, which may have changed since, "
            "and is not trained again; judge by pictures that it has not seen."
        )
    fingerprint = read_record(run).dataset["fingerprint"]
    if present.fingerprint() == fingerprint:
        return present
    found = load_dataset(options.data, **how_to_read(options))
    if found.fingerprint() != fingerprint:
        raise OptionError(
            f"option `folds` whole: {found.root} is not as it was when {run} learned from it; restore it, or train the "
            "run again."
        )
    return found
