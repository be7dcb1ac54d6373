"""A few steps of a run, tried on its own pictures: what they hold, how long they take, and nothing of them is left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from kenpin.config import GradientOptions, TrainOptions
from kenpin.data.images import read_image
from kenpin.drawing import draw_detections
from kenpin.errors import OptionError
from kenpin.evaluation import summarise
from kenpin.forecast.meter import Course, course_of
from kenpin.models.augment import Augmenter, augmenter_of
from kenpin.models.contract import Batch, Explained, Inspector, Localised, Task, Trainable
from kenpin.models.devices import device_of, is_far, on_device
from kenpin.models.inference import batch_size_of, encode
from kenpin.models.kept_inputs import KEPT_BYTES, kept_bytes
from kenpin.models.networks.cpu_memory import keep_freed_memory
from kenpin.models.networks.feature_pass import added_seconds
from kenpin.models.networks.feature_store import DEFAULT_LIMIT_BYTES
from kenpin.models.outputs import as_arrays
from kenpin.records import Detections, Example, Prediction
from kenpin.targets import Target
from kenpin.training.batches import Reader
from kenpin.training.parts import Parts
from kenpin.training.precision import Precision, choose_precision
from kenpin.training.step import GradientStep, computing_in, make_optimiser, recomputing

Result = TypeVar("Result")
SIZES = (1, 2, 3)
"""Pictures of the steps that are measured."""
_SEARCHED = 512
_READ_BATCHES = 4


@dataclass(frozen=True)
class Scoring:
    """What it takes to predict and score pictures with the network as it is."""

    picture_s: float
    features_s: float
    """Of one picture's features, where they are computed once."""
    keeping_s: float
    """What keeping the features of all pictures adds to computing them."""
    map_s: float
    """Of the map of one picture's answer, where it takes a pass back through the network."""
    working_bytes: int
    """On a GPU, beside the weights."""


class Rehearsal:
    """Tries the steps of one run. The weights are left as they were found, and nothing is written."""

    def __init__(self, inspector: Inspector, options: TrainOptions, task: Task, parts: Parts, target: Target) -> None:
        self._inspector, self._task, self._target = inspector, task, target
        self._training, self._validation = parts.training, parts.validation or parts.training
        self.device = device_of(inspector)
        self.precision: Precision = "fp32"
        self._augmenter: Augmenter | None = None
        self._steps = options if isinstance(options, GradientOptions) and isinstance(inspector, Trainable) else None
        if self._steps is not None:
            self.precision, _ = choose_precision(self._steps.precision, self.device)
            self._augmenter, _ = augmenter_of(options, task.labels, target)
        self._order = np.random.default_rng(options.seed).permutation(len(self._training)).tolist()
        self._pictures = sum(len(part) for part in (parts.training, parts.validation, parts.test) if part is not None)
        self.keeps_features = self._keeps_features()
        if self.device.type == "cpu":
            keep_freed_memory()  # as the run does

    def _keeps_features(self) -> bool:
        if self._inspector.extract is None or (self._augmenter is not None and self._augmenter.varies):
            return False
        (features,) = self._features([self._picture(0)])
        return int(features.nbytes) * self._pictures <= DEFAULT_LIMIT_BYTES

    # ---- what a step is given ----

    def _picture(self, row: int) -> Image:
        """A training picture, or a tile."""
        return read_image(self._training.source_of(self._training[row]))

    def _opened(self, rows: Sequence[int]) -> tuple[list[Example], list[Image]]:
        examples, images = [], []
        for row in rows:
            example = self._training[row]
            image = self._picture(row)
            if self._augmenter is not None:
                image, example = self._augmenter(image, example, 0, row)
            examples.append(replace(example, size_wh=image.size))
            images.append(image)
        return examples, images

    def _features(self, images: Sequence[Image]) -> Tensor:
        extract = self._inspector.extract
        assert extract is not None
        with torch.no_grad():
            return extract(on_device(self._inspector, self._inspector.encode(images))).float().cpu()

    def _inputs(self, images: Sequence[Image], examples: Sequence[Example]) -> Batch:
        if self.keeps_features:
            return {"features": self._features(images)}
        return encode(self._inspector, images, examples)

    def _targets(self, examples: Sequence[Example]) -> Batch:
        assert isinstance(self._inspector, Trainable)
        return self._inspector.encode_targets(examples)

    def batch(self, rows: Sequence[int]) -> Batch:
        """What a step on these training pictures takes, on the CPU."""
        examples, images = self._opened(rows)
        return self._inputs(images, examples) | self._targets(examples)

    def longest(self, count: int) -> list[int]:
        """The training pictures, of 512 at most, that have the longest answers: the largest batches hold one."""
        lengths = {}
        for row in self._order[:_SEARCHED]:
            lengths[row] = sum(values.nbytes for values in self._targets([self._training[row]]).values())
        rows = sorted(lengths, key=lambda row: -lengths[row])[:count]
        return [rows[i % len(rows)] for i in range(count)]

    def answer_tokens(self) -> int:
        """Places of the longest answer with what stands before it; 0 where no words are learned."""
        labels = self._targets([self._training[self.longest(1)[0]]])["labels"]
        return labels.shape[1] if labels.ndim > 1 else 0

    # ---- what a step holds ----

    def courses(self, largest: int, limit_bytes: int) -> dict[int, Course]:
        """Of steps on one picture and more, no more than `largest`; the last one may be broken off at the limit."""
        found: dict[int, Course] = {}
        rows = self.longest(min(largest, max(SIZES)))
        step, module = self.step(), self._inspector.module
        with self._learning():
            for pictures in SIZES[:largest]:
                batch = self.batch(rows[:pictures])
                learn = partial(step.learn, count=self._count(batch))
                found[pictures] = course_of(learn, module, on_device(self._inspector, batch), limit_bytes)
                module.zero_grad()
                if not found[pictures].whole:
                    break
        return found

    def feature_courses(self, largest: int, limit_bytes: int) -> dict[int, Course]:
        """Of computing the features of pictures, where that is all that is done with the network."""
        found: dict[int, Course] = {}
        extract = self._inspector.extract
        assert extract is not None
        for pictures in SIZES[:largest]:
            images = [self._picture(self._order[i % len(self._order)]) for i in range(pictures)]
            batch = on_device(self._inspector, self._inspector.encode(images))
            with torch.no_grad():
                found[pictures] = course_of(extract, self._inspector.module, batch, limit_bytes)
            if not found[pictures].whole:
                break
        return found

    def picture_bytes(self) -> tuple[int, int]:
        """Of one training picture: its share of a batch, and the opened picture."""
        (example,), (image,) = self._opened([self._order[0]])
        batch = self._inputs([image], [example])
        if isinstance(self._inspector, Trainable):
            batch |= self._targets([self._training[self.longest(1)[0]]])
        return sum(values.nbytes for values in batch.values()), image.width * image.height * 3

    def kept_bytes(self) -> int:
        """What the network takes of all pictures, where it is small enough to be kept in memory."""
        if self._augmenter is not None and self._augmenter.varies:
            return 0
        pictures = len(self._training) + len(self._validation)
        first = self._training[self._order[0]]
        total = kept_bytes(self._inputs([self._picture(self._order[0])], [first])) * pictures
        return total if total <= KEPT_BYTES else 0

    # ---- how long it takes ----

    def step_seconds(self, pictures: int) -> tuple[float, float]:
        """Of one whole step, its accumulated batches of so many pictures and their reading; and of the loss of a
        validation batch."""
        options, module = self._steps, self._inspector.module
        assert options is not None
        rows = self._order[:pictures]
        step = self.step()
        read_s, batch = self._timed(lambda: self.batch(rows))
        if self.keeps_features:  # they will be there, so that no picture is opened
            read_s, _ = self._timed(lambda: self._targets([self._training[row] for row in rows]))
        elif is_far(self._inspector) and not options.workers:
            read_s = self._reading_seconds(options)
        placed, count = on_device(self._inspector, batch), self._count(batch)
        with self._learning():
            for _ in range(2):  # the states of the optimiser are made in the first step
                learn_s, _ = self._timed(lambda: step.learn(placed, count))
                change_s, _ = self._timed(lambda: step.change(0.0))  # which leaves the weights as they are
            module.eval()
            with torch.no_grad():
                loss_s, _ = self._timed(lambda: step.loss(placed, count))
        beside = options.workers or is_far(self._inspector)  # threads read for a GPU while it computes
        read_s /= options.workers or 1
        worked_s, compared_s = (max(one, read_s) if beside else one + read_s for one in (learn_s, loss_s))
        return options.accumulate * worked_s + change_s, compared_s

    def _reading_seconds(self, options: GradientOptions) -> float:
        """Of a batch, where threads read several for a GPU."""
        assert isinstance(self._inspector, Trainable)
        reader = Reader(self._inspector, self._training, options.batch_size, self._augmenter)
        batches = reader.batches(self._order[: _READ_BATCHES * options.batch_size])
        return self._timed(lambda: deque(batches, maxlen=0))[0] / len(batches)

    def scoring(self) -> Scoring:
        """Predict a few validation pictures, score them and draw one, as the run does while it trains."""
        inspector = self._inspector
        count = min(batch_size_of(inspector), len(self._validation))
        examples = [self._validation[i] for i in range(count)]
        images = [read_image(self._validation.source_of(example)) for example in examples]
        examples = [replace(example, size_wh=image.size) for example, image in zip(examples, images, strict=True)]
        on_gpu = self.device.type == "cuda"
        before = torch.cuda.memory_allocated(self.device) if on_gpu else 0
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        features_s = keeping_s = 0.0
        if inspector.extract is None:
            inputs = on_device(self._inspector, encode(inspector, images, examples))
        else:
            features_s, features = self._timed(lambda: self._features(images), warm=True)
            keeping_s = added_seconds(
                self._pictures,
                features.numpy(),
                features_s / count,
                beside=is_far(inspector),
                is_reused=self._steps is not None,
            )
            inputs = on_device(self._inspector, {"features": features})
        predict_s = 0.0
        if isinstance(inspector, Trainable):
            predict_s, predictions = self._timed(lambda: self._predicted(inputs, examples), warm=True)
            summarise(
                examples,
                predictions,
                labels=inspector.labels,
                ok_labels=self._task.ok_labels,
                threshold=None,
                split="validation",
                target=self._target,
            )
            if self._target.locates:
                draw_detections(images[0], examples[0].boxes or Detections(), labels=self._task.labels)
        working = torch.cuda.max_memory_allocated(self.device) - before if on_gpu else 0
        map_s = 0.0
        if self._steps is not None and self._target is Target.LABEL and isinstance(inspector, Explained):
            map_s = self._map_seconds(inspector, images[0], examples[0])
        return Scoring(predict_s / count, features_s / count, keeping_s, map_s, working)

    def _map_seconds(self, inspector: Explained, image: Image, example: Example) -> float:
        if isinstance(inspector, Localised):
            return 0.0  # read off the score
        try:
            return self._timed(lambda: inspector.maps([image], [example]), warm=True)[0]
        except (OptionError, RuntimeError):  # no places, or no room: the run goes on without maps, too
            return 0.0

    def _predicted(self, inputs: Batch, examples: Sequence[Example]) -> list[Prediction]:
        with torch.inference_mode():
            outputs = self._inspector.infer(inputs)
        return self._inspector.decode(as_arrays(outputs), examples)

    # ---- one step ----

    def step(self) -> GradientStep:
        """The engine's own step, with an optimiser that draws no weight to zero."""
        options, inspector = self._steps, self._inspector
        assert isinstance(inspector, Trainable)
        assert options is not None
        optimiser = make_optimiser(inspector.module, options.optimiser, weight_decay=0.0)
        return GradientStep(inspector, optimiser, precision=self.precision, clip_norm=options.clip_norm)

    def _count(self, batch: Batch) -> Tensor:
        assert isinstance(self._inspector, Trainable)
        return self._inspector.loss_count(batch).clamp(min=1).to(self.device)

    @contextmanager
    def _learning(self) -> Iterator[None]:
        """The module as it trains, and afterwards as it was, without gradients."""
        module = self._inspector.module
        module.train()
        try:
            recompute = self._steps is not None and self._steps.recompute
            with computing_in(self.precision, module), recomputing(module) if recompute else nullcontext():
                yield
        finally:
            module.zero_grad()
            module.eval()

    def _timed(self, call: Callable[[], Result], *, warm: bool = False) -> tuple[float, Result]:
        """Seconds that a call takes, and what it returns. warm: after it was called once."""
        if warm:
            call()
        self._wait()
        started = time.perf_counter()
        result = call()
        self._wait()
        return time.perf_counter() - started, result

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
