"""The engine: one gradient training for every family, on transformers' Trainer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from kenpin.config import GradientOptions
from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.errors import MissingExtraError, OptionError
from kenpin.models.checkpoints import latest_checkpoint, load_learned, save_learned
from kenpin.models.contract import Batch, Sampled, Trainable
from kenpin.models.inference import KeptInputs, StoredFeatures, encode
from kenpin.records import Example
from kenpin.run.layout import CHECKPOINTS, METRICS
from kenpin.training.augment import Augmenter
from kenpin.training.listener import SILENT, Listener
from kenpin.training.precision import Precision
from kenpin.training.processes import Processes
from kenpin.training.schedules import Schedule, schedule_of
from kenpin.training.telling import TellingCallback, why_it_ended

Watch = Callable[[int, float, float | None], Mapping[str, float | None]]
"""(step, epoch, validation loss) -> scores of the validation pictures by name, None where there is none."""
_LOGGED = 1_000
"""Losses that are kept of a training at most: of each step where there are no more."""
_TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}


Row = tuple[Example, Image | Tensor]


@dataclass
class _Rows(torch.utils.data.Dataset[Row]):
    """Examples with their opened, and while training varied, pictures; or with what was already computed of them."""

    dataset: Dataset
    augmenter: Augmenter | None = None
    kept: KeptInputs | StoredFeatures | None = None
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, places: list[int]) -> list[Row] | tuple[Sequence[Example], Batch]:
        if isinstance(self.kept, KeptInputs):
            return self.kept.batch(places)
        return [self[place] for place in places]

    def __getitem__(self, place: int) -> Row:
        example = self.dataset[place]
        if isinstance(self.kept, StoredFeatures):
            return example, self.kept.of(example)
        image = read_image(example.image)
        if self.augmenter is not None:
            image, example = self.augmenter(image, example, self.epoch, place)
        return replace(example, size_wh=image.size), image


class _ScoringTrainer(Trainer):  # type: ignore[misc]
    """The Trainer, with the inspector's own loss, the scores of the shipping predictor beside the validation loss, and
    checkpoints of our own."""

    inspector: Trainable
    watch: Watch
    schedule: Schedule
    telling: TellingCallback
    loss_is_scaled_for_ga = True  # `compute_loss` divides by what all batches of the step hold together

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Tensor | None = None
    ) -> Any:
        """The inspector's loss, averaged over the whole step: all accumulated batches on all devices."""
        total = self.inspector.total_loss(model, inputs)
        if num_items_in_batch is None or not model.training:
            loss = total / self.inspector.loss_count(inputs).clamp(min=1)
        else:
            # gradients are averaged over the devices, so that each must give its share of the sum as many times
            loss = total * self.accelerator.num_processes / num_items_in_batch
        return (loss, {}) if return_outputs else loss

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> Tensor:
        count = sum((self.inspector.loss_count(batch).cpu() for batch in batch_samples), torch.tensor(0)).to(device)
        total: Tensor = self.accelerator.gather(count).sum()
        return total.clamp(min=1)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The course of the learning rate, counted in steps from 1."""
        optimizer = self.optimizer if optimizer is None else optimizer
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda done: self.schedule(done + 1, num_training_steps + 1)
        )
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not isinstance(self.inspector, Sampled):
            return super()._get_train_sampler(train_dataset)
        return _Places(self.inspector, self.train_dataset)

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        if not isinstance(self.inspector, Sampled):
            return super()._get_eval_sampler(eval_dataset)
        return _Places(self.inspector, eval_dataset)  # in file order a batch may hold one class alone

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:
        save_learned(self.model, Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: object = None) -> None:
        load_learned(self.model, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        load_learned(self.model, Path(self.state.best_model_checkpoint))

    def _determine_best_metric(self, metrics: dict[str, float], trial: object) -> bool:
        is_best: bool = super()._determine_best_metric(metrics, trial)
        # between two regular checkpoints too: what is loaded at the end must be what was best
        self.control.should_save |= is_best
        return is_best

    def evaluate(self, *args: Any, **settings: Any) -> dict[str, float]:
        """Validation loss, then scores."""
        metrics: dict[str, float] = super().evaluate(*args, **settings)
        if self.is_world_process_zero():
            watched = self.watch(self.state.global_step, self.state.epoch or 0.0, metrics["eval_loss"])
            scores = {f"eval_{name}": value for name, value in watched.items() if value is not None}
            self.log(scores)
            metrics |= scores
            self.telling.evaluated(self.state, metrics["eval_loss"], watched)
        self.accelerator.wait_for_everyone()
        return metrics


@dataclass
class _Places(torch.utils.data.Sampler[int]):
    """The order in which an inspector wants pictures read, in the epoch that the rows are in."""

    inspector: Sampled
    rows: _Rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        yield from self.inspector.places(self.rows.dataset, self.rows.epoch)


class _TellEpoch(TrainerCallback):  # type: ignore[misc]
    """Tells the rows which epoch they are read in, also where an interrupted run is taken up in the middle of one.

    accelerate's `set_epoch` does not reach the data set of a loader that skips what was already seen.
    """

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._rows.epoch = int(state.epoch + 1e-6)  # a share of an epoch comes with rounding errors


class _MetricsFile(TrainerCallback):  # type: ignore[misc]
    """Keeps `metrics.jsonl` equal to the trainer's history, which an interrupted run takes up again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        lines = "".join(json.dumps(row) + "\n" for row in state.log_history[self._written :])
        if self._written:  # all of it each time would take longer and longer
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(lines)
        else:  # a process that died may have left rows behind its last checkpoint, or half of one
            temporary = self._path.with_suffix(".partial")
            temporary.write_text(lines, encoding="utf-8")
            temporary.replace(self._path)
        self._written = len(state.log_history)


def check_intervals_and_tracker(options: GradientOptions) -> None:
    """Raises OptionError, MissingExtraError for what would end the training as soon as it begins."""
    from importlib.util import find_spec

    if options.tracker != "none" and find_spec(_TRACKERS[options.tracker]) is None:
        raise MissingExtraError(f'tracker {options.tracker} is not installed: pip install "kenpin[{options.tracker}]"')
    if options.save_every is not None and options.evaluate_every is None:
        raise OptionError("option `save_every` needs evaluate_every; a checkpoint must have been evaluated.")
    if options.save_every is not None and options.save_every % (options.evaluate_every or 1):
        raise OptionError(
            f"option `save_every`: {options.save_every} is no multiple of evaluate_every {options.evaluate_every}; "
            "a checkpoint must have been evaluated."
        )


def train_by_gradients(
    inspector: Trainable,
    training: Dataset,
    validation: Dataset,
    *,
    options: GradientOptions,
    augmenter: Augmenter | None,
    kept: Sequence[KeptInputs] | StoredFeatures | None,
    watch: Watch,
    precision: Precision,
    seed: int,
    folder: Path,
    crew: Processes,
    listener: Listener = SILENT,
) -> tuple[str, ...]:
    """Train the inspector's module in place; the weights of the least validation loss are in it at the end.

    `kept`: what was computed of the pictures of both data sets, where nothing varies them.
    `folder` takes checkpoints/ and metrics.jsonl; training goes on from the newest whole checkpoint in it. Returns
    sentences worth telling. Raises MissingExtraError, OptionError.
    """
    check_intervals_and_tracker(options)
    every: dict[str, Any] = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    if options.evaluate_every is not None:
        every = {
            "eval_strategy": "steps",
            "save_strategy": "steps",
            "eval_steps": options.evaluate_every,
            "save_steps": options.save_every or options.evaluate_every,
        }
    on_cpu = next(inspector.module.parameters()).device.type == "cpu"
    arguments = TrainingArguments(
        output_dir=str(folder / CHECKPOINTS),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        gradient_accumulation_steps=options.accumulate,
        learning_rate=options.learning_rate,
        # in one pass over the weights, which on a CPU takes half the time; on GPUs torch has its own way of that
        optim={"adamw": "adamw_torch_fused" if on_cpu else "adamw_torch", "sgd": "sgd"}[options.optimiser],
        weight_decay=options.weight_decay,
        max_grad_norm=options.clip_norm or 0.0,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=on_cpu,
        seed=seed,
        data_seed=seed,
        load_best_model_at_end=options.keep == "best",
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        save_total_limit=options.save_total_limit,
        restore_callback_states_from_checkpoint=True,
        logging_steps=1 / _LOGGED,  # as a share of all steps, rounded up
        report_to="none" if options.tracker == "none" else options.tracker,
        dataloader_num_workers=options.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        prediction_loss_only=True,
        label_names=["labels"],
        disable_tqdm=True,  # the listener is told instead
        log_level="error",
        **every,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs are for `accelerate launch`, not for nn.DataParallel
    of_training, of_validation = (kept, kept) if kept is None or isinstance(kept, StoredFeatures) else kept
    rows = _Rows(training, augmenter, of_training)
    telling = TellingCallback(listener, options.epochs)
    callbacks: list[TrainerCallback] = [_TellEpoch(rows), _MetricsFile(folder / METRICS), telling]
    if options.patience is not None:
        callbacks.append(EarlyStoppingCallback(options.patience))
    trainer = _ScoringTrainer(
        model=inspector.module,
        args=arguments,
        train_dataset=rows,
        eval_dataset=_Rows(validation, kept=of_validation),
        data_collator=_Collate(inspector),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # metrics.jsonl holds what it would print
    trainer.inspector, trainer.watch, trainer.telling = inspector, watch, telling
    falls = None if options.step_epochs is None else options.epochs / options.step_epochs
    trainer.schedule = schedule_of(options.schedule, options.warmup_share, falls)
    with crew.leader_first():  # it removes what is not whole
        checkpoint = latest_checkpoint(folder / CHECKPOINTS)
    if checkpoint is None and crew.leads:
        telling.before_training(watch(0, 0.0, None))
    with _forward_as_it_was(inspector.module):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    inspector.module.eval()
    return (why_it_ended(trainer.state),)


@contextmanager
def _forward_as_it_was(module: nn.Module) -> Iterator[None]:
    """Take away afterwards what accelerate puts around `forward`: half precision is for learning alone, and what ships
    is scored as it will be loaded."""
    attributes = module.__dict__
    before: dict[str, Any] = {name: attributes[name] for name in ("forward", "_original_forward") if name in attributes}
    try:
        yield
    finally:
        for name in ("forward", "_original_forward"):
            attributes.pop(name, None)
        attributes.update(before)


@dataclass
class _Collate:
    """Opened examples -> the tensors that the module is called with."""

    inspector: Trainable

    def __call__(self, rows: list[Row] | tuple[Sequence[Example], Batch]) -> Batch:
        if isinstance(rows, tuple):
            examples, inputs = rows
            return inputs | self.inspector.encode_targets(examples)
        examples, seen = zip(*rows, strict=True)
        features = [of for of in seen if isinstance(of, Tensor)]
        inputs = {"features": torch.stack(features)} if features else encode(self.inspector, seen, examples)
        return inputs | self.inspector.encode_targets(examples)
