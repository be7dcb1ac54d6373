"""A forecast before a run: what it will hold and how long it will take, and what makes it fit where it does not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from kenpin.config import GradientOptions, TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.streaming import AHEAD, IN_FLIGHT_BYTES
from kenpin.data.taking import DataSource
from kenpin.data.tiling import sizes_of
from kenpin.errors import KenpinError, OptionError
from kenpin.forecast.disk import sealing_seconds, writing_seconds
from kenpin.forecast.figures import Forecast, Memory, Remedy, Times
from kenpin.forecast.meter import Course, Peak, live_at, peak_of
from kenpin.forecast.rehearsal import Rehearsal, Scoring
from kenpin.forecast.sharing import Sharing
from kenpin.models.contract import Inspector, Questioned, Trainable
from kenpin.models.inference import batch_size_of
from kenpin.models.tiles import tiling_of
from kenpin.predictor import best_device
from kenpin.training.capacity import held, resident_bytes, room_bytes, size
from kenpin.training.keeping import MAPS_OF_ANSWERS
from kenpin.training.listener import Say
from kenpin.training.precision import choose_precision
from kenpin.training.start import Start, as_learned, begin
from kenpin.training.watch import ANSWERED, SAMPLE

_FIT_COPIES = 6
"""Of the features in float32 while a fit is made: as computed, stacked, and twice in float64."""
_TABLE_COPIES, _TABLE_SQUARES = 5, 6
"""Of a table's numbers in float64 while its parts are scored, and of matrices of all pairs of items."""


def forecast_run(
    family: str,
    options: TrainOptions | None = None,
    *,
    dataset: DataSource | None = None,
    room: int | None = None,
    say: Say = lambda sentence: None,
    **values: Any,
) -> Forecast:
    """What `train` would take, called with the same: its first steps are tried on its own pictures, nothing is left.

    room: bytes that the run may hold, instead of what the device has. Raises KenpinError for what `train` refuses
    before it learns; a run that does not fit is no error here, but has a `refusal`.
    """
    start = begin(family, options, dataset, values, room)
    for note in start.notes:
        say(note)
    if isinstance(start.inspector, Trainable):
        for note in start.inspector.check(start.parts.training):
            say(note)
    if start.dataset.item_names:
        return _of_table(start, room)
    trial = _Trial(start.inspector, start.options, start, room)
    found = trial.forecast()
    if found.fits:
        return found
    remedy = trial.smaller_batch()
    if remedy is None:
        start.inspector.module.to("meta")  # its memory is wanted for what is tried instead
        remedy = _milder(start, trial, room)
    return replace(found, remedy=remedy)


def _looks(pictures: Dataset | None, inspector: Inspector) -> int:
    """How many times the network looks to score these: once at each, or at each of its tiles. Raises ImageError."""
    if pictures is None:
        return 0
    tiling = tiling_of(inspector)
    return len(pictures) if tiling is None else sum(len(tiling.tiles(size)) for size in sizes_of(pictures))


def _of_table(start: Start, room: int | None) -> Forecast:
    """Of a unit space of numbers: there is no network, and no step that could be timed."""
    rows, items = len(start.dataset), len(start.dataset.item_names)
    numbers_bytes = 8 * items * (_TABLE_COPIES * rows + _TABLE_SQUARES * items)
    return Forecast(
        device="cpu",
        precision="fp32",
        parameters=0,
        trainable=0,
        memory=Memory(0, 0, 0, 0, 0, numbers_bytes, resident_bytes()),
        room_bytes=room_bytes(best_device("cpu")) if room is None else room,
        at_least=False,
        times=None,
    )


class _Trial:
    """An inspector on its base, whose first steps are tried with some options."""

    def __init__(
        self,
        inspector: Inspector,
        options: TrainOptions,
        start: Start,
        room: int | None,
        runtime_bytes: int | None = None,
    ) -> None:
        self.device: torch.device = best_device(options.device)
        self._out, self._target = options.out, start.family.target
        training, validation = as_learned(start)
        self._parts = replace(start.parts, training=training, validation=validation)
        self._scored = [_looks(part, inspector) for part in (start.parts.validation, start.parts.test)]
        self._steps = options if isinstance(options, GradientOptions) and isinstance(inspector, Trainable) else None
        self._size = batch_size_of(inspector) if self._steps is None else self._steps.batch_size
        self._accumulate = 1 if self._steps is None else self._steps.accumulate
        self._room = room_bytes(self.device) if room is None else room
        if self.device.type == "cpu" and self._steps is not None:
            self._room //= self._steps.processes  # they share it
        self._opens_in_parts = not isinstance(inspector, Questioned)
        self._sharing = Sharing(1, False) if self._steps is None else Sharing(self._steps.processes, self._steps.shard)
        self._whole = held(inspector.module, None if self._steps is None else self._steps.optimiser)
        self._held = self._sharing.held(self._whole)
        self._gathered_bytes = self._sharing.gathered_bytes(inspector.module)
        if self.device.type == "cpu" and self._sharing.shard:
            self._gathered_bytes += self._whole.weights_bytes  # of the main process, which keeps the whole one, too
        self._scoring = Scoring(0.0, 0.0, 0.0, 0.0, 0)
        self._picture_bytes = self._opened_bytes = self._kept_bytes = self.answer_tokens = 0
        self._courses: dict[int, Course] = {}
        self.runtime_bytes = runtime_bytes or 0
        tried_bytes = self._whole.weights_bytes + self._whole.gradients_bytes
        if self._held.total_bytes <= self._room < tried_bytes:
            raise OptionError(
                f"a forecast tries steps on the whole network, whose weights and gradients take {size(tried_bytes)}, "
                f"and {size(self._room)} can be had for each process; train it without --dry-run."
            )
        if self._held.total_bytes <= self._room:
            inspector.module.to(self.device)
            self._rehearsal = Rehearsal(inspector, options, start.task, self._parts, self._target)
            with self._unmeasured_where_a_gpu_is_full():
                self._rehearse(runtime_bytes)

    @contextmanager
    def _unmeasured_where_a_gpu_is_full(self) -> Iterator[None]:
        try:
            yield
        except torch.cuda.OutOfMemoryError:
            self._courses = {}

    def _rehearse(self, runtime_bytes: int | None) -> None:
        rehearsal, counted = self._rehearsal, self._held
        self._scoring = rehearsal.scoring()
        if self._on_cpu and runtime_bytes is None:
            # behind the scoring, which loads what a run loads; before the steps, which leave freed memory behind
            self.runtime_bytes = max(resident_bytes() - self._whole.weights_bytes, 0)
        self._picture_bytes, self._opened_bytes = rehearsal.picture_bytes()
        self._kept_bytes = rehearsal.kept_bytes() if self._steps else 0
        self.answer_tokens = rehearsal.answer_tokens() if self._steps else 0
        others = counted.weights_bytes + counted.optimiser_bytes + self.runtime_bytes + self._data_bytes(1, 1)
        if (left := self._room - others) > counted.gradients_bytes:
            size = self._sharing.pictures(self._size)
            self._courses = (rehearsal.courses if self._steps else rehearsal.feature_courses)(size, left)

    @property
    def _on_cpu(self) -> bool:
        return self.device.type == "cpu"

    def forecast(self) -> Forecast:
        """With the options as they are."""
        memory = self.memory(self._size, self._accumulate)
        times = None
        if self._measured and memory.total <= self._room:
            with self._unmeasured_where_a_gpu_is_full():
                times = self._times()
        precision = "fp32" if self._steps is None else choose_precision(self._steps.precision, self.device)[0]
        return Forecast(
            device=str(self.device),
            precision=precision,
            parameters=self._held.parameters,
            trainable=self._held.trainable,
            memory=memory,
            room_bytes=self._room,
            at_least=not self._measured,
            times=times,
            processes=self._sharing.processes,
        )

    @property
    def _measured(self) -> bool:
        """Whether at least the step on one picture was seen to its end."""
        return 1 in self._courses and self._courses[1].whole

    def memory(self, pictures: int, accumulate: int) -> Memory:
        """Forecast for steps of so many batches of so many pictures, which the processes share."""
        counted, pictures = self._held, self._sharing.pictures(pictures)
        # one weight after the other on a CPU, all at once on a GPU
        changing = 2 * counted.largest_bytes if self._on_cpu else counted.gradients_bytes
        moments = [Peak(changing, 0, counted.gradients_bytes), Peak(self._scoring.working_bytes, 0, 0)]
        if self._courses:
            live = live_at(self._courses, pictures)
            if self._sharing.shard:
                live = live // [1, 1, self._sharing.processes]
            moments.append(peak_of(live, counted.gradients_bytes if accumulate > 1 else None))
        peak = max(moments, key=sum)
        unseen = max((course.unseen_bytes for course in self._courses.values()), default=0)
        return Memory(
            weights=counted.weights_bytes,
            gradients=counted.gradients_bytes,
            optimiser=counted.optimiser_bytes,
            activations=peak.working,
            logits=peak.logits,
            data=self._data_bytes(pictures, accumulate),
            runtime=self.runtime_bytes + unseen,
            not_yet=counted.gradients_bytes - peak.gradients,
            gathered=self._gathered_bytes,
        )

    def _data_bytes(self, pictures: int, accumulate: int) -> int:
        """Batches that wait for their turn; in main memory the opened pictures of one, or all features of a fit."""
        batch_bytes = pictures * self._picture_bytes
        most, opened = IN_FLIGHT_BYTES + self._opened_bytes, self._opened_bytes
        if self._steps is None:
            features_bytes = self._picture_bytes * len(self._parts.training) * _FIT_COPIES
            opened_bytes = sum(min(count * opened, most) for count in (AHEAD, pictures))
            return batch_bytes + (opened_bytes + features_bytes if self._on_cpu else 0)
        waiting = accumulate + 1
        if not self._on_cpu:
            return waiting * batch_bytes
        read_ahead = 2 * self._steps.workers
        opened_bytes = min(pictures * opened, most) if self._opens_in_parts else pictures * opened
        return (waiting + read_ahead) * batch_bytes + opened_bytes + self._kept_bytes

    def _times(self) -> Times:
        parts, scoring, counted = self._parts, self._scoring, self._whole
        training, (validation, test) = len(parts.training), self._scored
        learned = 0 if parts.validation is None else len(parts.validation)
        features_s = (training + validation + test) * scoring.features_s + scoring.keeping_s
        if self._steps is None:
            return Times(features_s, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)
        # processes of one CPU share its cores: each takes as long for its part as one for the whole
        options, together = self._steps, self._steps.batch_size
        step_s, loss_s = self._rehearsal.step_seconds(together if self._on_cpu else self._sharing.pictures(together))
        steps_an_epoch = math.ceil(math.ceil(training / options.batch_size) / options.accumulate)
        steps = math.ceil(options.epochs * steps_an_epoch)
        every = options.evaluate_every
        evaluations = math.ceil(options.epochs) if every is None else steps // every
        watched = min(validation, SAMPLE) if self._target in ANSWERED else validation
        exchange_s = self._sharing.exchange_seconds(self._whole, self.device.type)
        weights_bytes, checkpoint_bytes = counted.gradients_bytes, counted.gradients_bytes + counted.optimiser_bytes
        return Times(
            features=features_s if self._rehearsal.keeps_features else 0.0,
            step=step_s,
            epoch=steps_an_epoch * step_s,
            evaluation=math.ceil(learned / options.batch_size) * loss_s + watched * scoring.picture_s,
            saving=writing_seconds(self._out, checkpoint_bytes),
            scoring=(watched + validation + test) * scoring.picture_s,
            closing=writing_seconds(self._out, weights_bytes)
            + sealing_seconds(weights_bytes + checkpoint_bytes)
            + min(validation + test, MAPS_OF_ANSWERS) * scoring.map_s,
            steps=steps,
            evaluations=evaluations,
            exchange=options.accumulate * exchange_s if self._sharing.shard else exchange_s,
        )

    def smaller_batch(self, changed: Mapping[str, Any] | None = None) -> Remedy | None:
        """The largest batches, no larger than asked for, that fit and add up to the same step; None where none do."""
        if not self._measured:
            return None
        changes = dict(changed or {})
        for pictures in (n for n in range(self._size, 0, -1) if self._size % n == 0):
            accumulate = self._accumulate * self._size // pictures
            total = self.memory(pictures, accumulate).total
            if total <= self._room:
                smaller = {} if pictures == self._size else {"batch_size": pictures, "accumulate": accumulate}
                return Remedy(changes | smaller, total)
            if self._steps is None:
                break
        return None


def _milder(start: Start, trial: _Trial, room: int | None) -> Remedy | None:
    """The first of the other choices that fits, tried in its turn: they change what is learned, the later the more."""
    wanted = start.options
    half, _ = choose_precision("auto", trial.device)
    for changes in wanted.memory_savings(half, trial.answer_tokens) if isinstance(wanted, GradientOptions) else ():
        try:
            options = type(wanted).from_mapping(wanted.model_dump(exclude_unset=True) | changes)
            inspector = start.family.create(options, start.task)
            found = _Trial(inspector, options, start, room, trial.runtime_bytes or None).smaller_batch(changes)
        except KenpinError:  # not every tuning goes with every base, device and option
            continue
        inspector.module.to("meta")
        if found is not None:
            return found
    return None
