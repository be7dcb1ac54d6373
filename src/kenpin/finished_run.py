"""A finished run in Python: its folder, its measures and notes, and its predictor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kenpin.data.dataset import Dataset
from kenpin.data.loading import as_dataset
from kenpin.data.taking import DataSource
from kenpin.display import card, cell, facts, figures, sentences, shortened, table
from kenpin.evaluation import evaluate
from kenpin.evaluation.mistakes import worst_first
from kenpin.evaluation.parts import pictures_of
from kenpin.files import read_json
from kenpin.hub.fetching import folder_of
from kenpin.predictor import Predictor, load_predictor
from kenpin.quality.costs import Prices
from kenpin.records import Evaluation, Threshold
from kenpin.records_json import evaluation_from_json, from_json
from kenpin.report import read_thumbnails
from kenpin.run.layout import RECORD, REPORT, evaluation_files
from kenpin.run.record import RunRecord, is_run, read_record
from kenpin.runtime.engines import EngineName
from kenpin.studies.succession import Candidate, Succession, study_succession

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # what it is on this system: before Python 3.12 `Path` itself has no children of its own
_MISTAKES = 8


class Run(_Path):
    """The path of a finished run's folder, with what is in it. Each part is read when it is first asked for.

    Asking raises RunError where the run is absent, half written, of another version or damaged.
    """

    def __truediv__(self, name: str | Path) -> Path:  # type: ignore[override]
        """A path in the folder, as a plain `Path`."""
        return Path(self) / name

    @cached_property
    def record(self) -> RunRecord:
        """`run.json`: training, data, base and decision of the run."""
        return read_record(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the training that a user of the run must know, in their order."""
        return self.record.notes

    @cached_property
    def threshold(self) -> Threshold | None:
        """The threshold of the verdicts; None where the run does not judge."""
        values = self.record.threshold
        return None if values is None else from_json(Threshold, values, f"{self / RECORD}: threshold")

    @cached_property
    def evaluation(self) -> Evaluation:
        """The evaluation at the end of the training: on the test pictures, or else as its notes say."""
        kept = evaluation_files(self).evaluation
        return evaluation_from_json(read_json(kept), str(kept))

    @property
    def report(self) -> Path | None:
        """Its report, one HTML file; None where none was written."""
        page = self / REPORT
        return page if page.is_file() else None

    def predictor(
        self,
        *,
        device: str | None = None,
        checkpoint: str | int | Path | None = None,
        engine: EngineName = "auto",
    ) -> Predictor:
        """What turns pictures into predictions; checkpoint: an earlier state, engine: that computes frozen networks,
        both as `load_predictor` takes them. Raises RunError, OptionError, MissingExtraError."""
        return load_predictor(self, device=device, checkpoint=checkpoint, engine=engine)

    def evaluate(
        self, data: DataSource, *, split: str | None = None, with_seen: bool = False, device: str | None = None
    ) -> Evaluation:
        """Measured on labelled pictures that it has not learned from, decided by the run's own threshold.

        split: None for `test` where there is one, and else for all pictures; with_seen: measure those too that it has
        learned from, which promises nothing. Raises as `kenpin.evaluate` does.
        """
        dataset = as_dataset(data)
        return evaluate_run(self.predictor(device=device), dataset, split=split, with_seen=with_seen)

    def __repr__(self) -> str:
        if not is_run(self):
            return f"Run({str(self)!r})"
        scores = {name: score for name, score in self.record.scores.items() if score is not None}
        family, notes = self.record.family, len(self.notes)
        return f"Run({str(self)!r}, family={family!r}, scores={shortened(scores)}, notes=<{notes} sentences>)"

    def _repr_html_(self) -> str:
        if not is_run(self):
            return card(repr(self))
        record, evaluation = self.record, self.evaluation
        about = {
            "family": record.family,
            "base": record.base_id,
            "labels": ", ".join(record.labels),
            "fails from": None if self.threshold is None else f"{self.threshold.fail_from:.4g}",
            "trained": f"{record.created}, {record.seconds:.0f} s on {record.device}",
        }
        measures = ((name, measure.value, measure.low, measure.high) for name, measure in evaluation.measures.items())
        return card(
            f"Run {self}",
            facts((name, cell(value)) for name, value in about.items() if value),
            table((evaluation.split, "value", "low", "high"), measures, len(evaluation.measures)),
            sentences((*self.notes, *evaluation.notes)),
            figures(self._worst()),
        )

    def _worst(self) -> Iterator[tuple[bytes, str]]:
        """Thumbnails of the worst mistakes."""
        kept = read_thumbnails(evaluation_files(self).thumbnails)
        for mistake, part in worst_first(self.evaluation.judged)[:_MISTAKES]:
            if (id := pictures_of(part)[0]) in kept:
                yield kept[id], f"{part.id}: {mistake}"


def evaluate_run(predictor: Predictor, dataset: Dataset, *, split: str | None, with_seen: bool) -> Evaluation:
    """Measure a run's predictor as `Run.evaluate` does, by the run's OK labels and threshold. Raises as that does."""
    assert predictor.record is not None
    return evaluate(
        predictor,
        dataset,
        ok_labels=predictor.record.ok_labels,
        threshold=predictor.threshold,
        split="test" if split is None and "test" in dataset.splits else split,
        with_seen=with_seen,
    )


def compare(
    before: str | Path,
    now: str | Path,
    data: DataSource,
    *,
    split: str | None = None,
    ok_labels: Sequence[str] | None = None,
    prices: Prices | None = None,
    device: str | None = None,
) -> Succession:
    """Two runs or packages on the same labelled pictures that neither, nor anything below them, has learned from.

    split: None for `test` where there is one, and else all pictures; ok_labels: classes of good parts, by default those
    of the two; prices: by default the costs of the thresholds. Raises KenpinError.
    """
    dataset = as_dataset(data)
    split = "test" if split is None and "test" in dataset.splits else split
    candidates = []
    for run in (before, now):
        predictor = load_predictor(run, device=device)
        assert predictor.record is not None
        candidates.append(Candidate(str(run), predictor, predictor.record.ok_labels, predictor.threshold))
    old, new = candidates
    pictures = dataset if split is None else dataset.required_split(split)
    return study_succession(old, new, pictures, ok_labels=ok_labels, prices=prices)


def load_run(folder: str | Path) -> Run:
    """The finished run in a folder, or of `owner/name@revision` on the Hugging Face hub. Raises RunError where there is
    none, DownloadError."""
    run = Run(folder_of(folder))
    _ = run.record
    return run
