"""A training as it is carried out, stage after stage: learn, score, decide, evaluate."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError, UnitSpaceError
from kenpin.evaluation import summarise, with_mask_measures
from kenpin.evaluation.parts import join_parts
from kenpin.models.calibrated import write_calibration
from kenpin.models.contract import Calibrated, Trainable
from kenpin.models.good_parts import OfGoodParts
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.quality.consequences import cost_notes
from kenpin.records import Evaluation, Threshold
from kenpin.run.layout import MODEL
from kenpin.targets import Target
from kenpin.training.deciding import Decided, Scored, decide_by, decide_without_each
from kenpin.training.holding_out import copies_of_held_out, judged_at_once, judged_by_folds
from kenpin.training.known_defects import in_words, known_defects, learns_defects
from kenpin.training.layer_choice import with_chosen_layers
from kenpin.training.learning import Learned, learn
from kenpin.training.links import rebuilt
from kenpin.training.listener import Listener
from kenpin.training.parts import defective, good_folder
from kenpin.training.processes import Processes
from kenpin.training.start import Start
from kenpin.training.trimming import trimmed

_CHAIN = "chain"
"""Folder of the runs below while they are trained anew."""
_NO_VERDICT = "No threshold: an answer in words is neither good nor defective."
_UNTESTED = {
    Target.TEXT: "No split is named test: the weights that ship were chosen on the pictures that they are measured on "
    "here.",
    Target.LABEL: "No split is named test: the threshold was chosen on the pictures that it is measured on here.",
}
_UNTESTED_PARTS = "No split is named test: the threshold was chosen on the parts that it is measured on here."
_CROSS_DECIDED_PARTS = (
    "No split is named test: these parts chose the threshold. Each verdict here is by one that was chosen without "
    "the part, in {folds} folds."
)
_CROSS_DECIDED = (
    "No split is named test: these pictures chose the threshold. Each verdict here is by one that was chosen without "
    "the picture, in {folds} folds."
)
_CHOSEN = "The weights that ship were chosen by these pictures too: expect somewhat worse figures on others."


@dataclass(frozen=True)
class Training:
    """What a training began with, where it writes, who takes part and who hears of it.

    Each stage is a method that returns what the next ones need.
    """

    start: Start
    folder: Path
    """Holds all that is written until it is whole."""
    processes: Processes
    listener: Listener

    def on_chosen_layers(self) -> Training:
        """The same on the layers that made defects choose, where the options ask for that. Raises DatasetError,
        UnitSpaceError."""
        start = with_chosen_layers(self.start, self.listener.progress)
        if start is not self.start:
            self.listener.say(start.notes[-1])
        return replace(self, start=start)

    def trimmed(self) -> Training:
        """The same without good parts that lie apart from the others, where the options ask for that. Raises
        DatasetError, UnitSpaceError."""
        family, options = self.start.family, self.start.options
        share = family.trimmed_share(options) if isinstance(family, OfGoodParts) else 0.0
        if not share:
            return self
        start = trimmed(self.start, share, self.listener.progress)
        self.listener.say(start.notes[-1])
        return replace(self, start=start)

    def learn(self) -> Learned:
        """The trained inspector, which may have been trained before the process died. Raises KenpinError."""
        return learn(self.start, self.folder, self.processes, self.listener)

    def score(self, learned: Learned) -> Scored:
        """What the threshold is chosen on, of which nothing below has learned: the validation pictures, or where a fit
        is cheap all training pictures, each scored by a fit without it. Raises DatasetError."""
        start, whole = self.start, self.start.options.folds == "whole"
        pictures = start.parts.validation
        if pictures is not None and not whole:
            predictor = Predictor(learned.inspector, target=start.family.target)
            copies = copies_of_held_out(start)
            predictions, made = judged_at_once(predictor, pictures, copies, self.listener.progress)
            bad = self._defective(pictures)
            return self._by_part(Scored("validation pictures", "validation", pictures, predictions, bad, made))
        training, folding = start.parts.training, start.folding
        if folding is None:
            raise DatasetError(f"{start.dataset.root}: there is neither a validation picture nor a fold to decide by.")
        judged = training.select(folding.rows)
        count = folding.count
        refit = partial(self._chain, count) if whole else None
        try:
            predictions, made = judged_by_folds(
                start, folding, copies_of_held_out(start), self.listener.progress, refit
            )
        except (DatasetError, UnitSpaceError) as error:
            raise DatasetError(
                f"no split is named validation, and what holding out 1 of {counted(count, 'fold')} leaves is too "
                f"little: {error}"
            ) from error
        without_it = "a chain trained without it" if whole else "a fit without it"
        name = f"training pictures, each scored by {without_it} ({counted(count, 'fold')})"
        return self._by_part(Scored(name, "cross-validation", judged, predictions, self._defective(judged), made))

    def _by_part(self, scored: Scored) -> Scored:
        """What the pictures are where parts are judged: the same parts, views and maxima that a line decides by."""
        start = self.start
        if start.views is None:
            return scored
        joined = join_parts(scored.pictures, scored.predictions, start.views, start.task.ok_labels)
        for note in joined.notes:
            self.listener.say(note)
        whole = joined.complete()
        return replace(
            scored,
            name=scored.name.replace("pictures", "parts", 1),
            pictures=whole.examples,
            predictions=whole.predictions,
            defective=self._defective(whole.examples),
            parts=whole,
            views=scored.pictures,
        )

    def decide(self, learned: Learned, scored: Scored) -> Decided:
        """The calibration, which the inspector keeps, and the threshold."""
        start = self.start
        if not start.family.target.judges:
            self.listener.say(_NO_VERDICT)
            return Decided(scored.predictions, None, (), _NO_VERDICT)
        folder = good_folder(scored.looked_at, start.task)
        decided = decide_by(learned.inspector, start.options, start.family.target, scored, folder)
        if decided.threshold is not None and learns_defects(start.family, start.options):
            decided = decided.adding(in_words(len(known_defects(start.parts.training, start.task, start.family))))
        if isinstance(learned.inspector, Calibrated) and learned.inspector.calibration is not None:
            write_calibration(self.folder / MODEL, learned.inspector.calibration)
        scores = [score for prediction in decided.predictions if (score := prediction.defect_score) is not None]
        for sentence in (*decided.meaning, decided.why, *cost_notes(scores, scored.defective, decided.threshold)):
            self.listener.say(sentence)
        return decided

    def evaluate(self, learned: Learned, scored: Scored, decided: Decided) -> Evaluation:
        """Measured on the test pictures; without any, on those that chose the threshold, each by what the others
        choose."""
        start, inspector, target = self.start, learned.inspector, self.start.family.target
        pictures, split, notes = start.parts.test, "test", tuple[str, ...]()
        thresholds: Sequence[Threshold] | None = None
        joined = scored.parts
        if pictures is not None:
            predictions = tuple(Predictor(inspector).predict(pictures, progress=self.listener.progress))
            if start.views is not None:
                joined = join_parts(pictures, predictions, start.views, start.task.ok_labels)
                pictures, predictions, notes = joined.examples, joined.predictions, joined.notes
        else:
            pictures, split, predictions = scored.pictures, scored.split, decided.predictions
            by_part = start.views is not None  # of labels alone
            notes = (_UNTESTED_PARTS if by_part else _UNTESTED.get(target, _UNTESTED[Target.LABEL]),)
            others = (
                None if decided.threshold is None else decide_without_each(inspector, start.options, target, scored)
            )
            if others is not None:
                predictions, thresholds, folds = others
                notes = ((_CROSS_DECIDED_PARTS if by_part else _CROSS_DECIDED).format(folds=folds),)
            if isinstance(inspector, Trainable) and target.judges:
                notes = (*notes, _CHOSEN)
            notes = (*notes, *self.chosen_below(scored))
        evaluation = summarise(
            pictures,
            predictions,
            labels=inspector.labels,
            ok_labels=start.task.ok_labels,
            threshold=decided.threshold,
            thresholds=thresholds,
            split=split,
            target=target,
            seed=start.options.seed,
            notes=notes,
        )
        if joined is not None:
            evaluation = joined.shown_in(evaluation)
        # of a fit that has seen the pictures, a map would flatter
        if start.parts.test is not None:
            evaluation = with_mask_measures(evaluation, Predictor(inspector), start.parts.test, start.options.seed)
        if start.retrieval is None:
            return evaluation
        gain = start.retrieval.measures(Predictor(inspector), self.listener.progress)
        self.listener.say(start.retrieval.in_words(gain))
        return replace(evaluation, measures={**evaluation.measures, **gain})

    def chosen_below(self, scored: Scored) -> tuple[str, ...]:
        """That what the inspector stands on was chosen by pictures that decide here; empty where it was not."""
        lineage = self.start.lineage
        count = 0 if self.start.options.folds == "whole" else sum(lineage.seen(scored.looked_at))
        if not count:
            return ()
        return (
            f"{count} of the {counted(len(scored.looked_at), 'picture')} that decide here chose the best weights of "
            f"{', '.join(lineage.names)} too: expect somewhat worse figures on others.",
        )

    def _defective(self, pictures: Dataset) -> tuple[bool, ...]:
        target = self.start.family.target
        return tuple(defective(pictures, self.start.task, target)) if target.judges else ()

    @contextmanager
    def _chain(self, folds: int, without: frozenset[str]) -> Iterator[TrainOptions]:
        """Options on runs below that are trained again without pictures of these contents."""
        folder = self.folder / _CHAIN
        shutil.rmtree(folder, ignore_errors=True)  # of a process that died
        self.listener.say(f"The runs below are trained again without one of {counted(folds, 'fold')}.")
        try:
            yield rebuilt(self.start.options, self.start.dataset, without, folder, self.processes)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
