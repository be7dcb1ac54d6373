"""A training as a person follows it: a line an evaluation, a line of progress, and at the end what to do next."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kenpin.cli import _show
from kenpin.config import TrainOptions
from kenpin.data.loading import how_to_read
from kenpin.evaluation.measures import FOLLOWED, kind_of
from kenpin.evaluation.mistakes import unit_of
from kenpin.files import read_json
from kenpin.plural import counted
from kenpin.records import Evaluation
from kenpin.records_json import evaluation_from_json
from kenpin.report import words
from kenpin.report.headline import verdict_sentences
from kenpin.run.layout import EVOLUTION_PAGE, REPORT, evaluation_files
from kenpin.run.record import read_record
from kenpin.training import Epoch, Listener
from kenpin.training.listener import SCORING, TRAINING, VALIDATING

_AGAIN_AND_AGAIN = {TRAINING, VALIDATING, SCORING}
_PLAIN_S = 60.0
"""Between two plain lines on work that goes on: a log is read afterwards."""


class Telling:
    """Writes to standard error: on a terminal one line is written over, and what stays stands above it; elsewhere there
    are plain lines alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._line = clock, _show.ProgressLine(clock)
        self._pace, self._told_s = _show.Pace("", 0, 0.0), 0.0

    @property
    def listener(self) -> Listener:
        """What a training is given."""
        return Listener(say=self.say, progress=self.progress, epoch=self.epoch)

    def say(self, sentence: str) -> None:
        """A line that stays."""
        self._line.clear()
        _show.say(sentence)

    def progress(self, doing: str, done: int, total: int) -> None:
        """A line of progress; of work that is done once, its end stays."""
        if done >= total:
            self._line.clear()
            if doing not in _AGAIN_AND_AGAIN:
                self.say(f"{doing}: {done:,} of {total:,}")
        elif sys.stderr.isatty():
            self._line.draw(doing, done, total)
        else:
            self._tell_long_work(doing, done, total)

    def _tell_long_work(self, doing: str, done: int, total: int) -> None:
        now_s = self._clock()
        if doing != self._pace.doing or done < self._pace.first:
            self._pace, self._told_s = _show.Pace(doing, done, now_s), now_s
        elif now_s - self._told_s >= _PLAIN_S:
            self._told_s = now_s
            self.say(f"{doing}: {done:,} of {total:,}, {self._pace.left(done, total, now_s)}")

    def epoch(self, epoch: Epoch) -> None:
        """A line on an evaluation."""
        self.say(epoch_line(epoch))

    def close(self) -> None:
        """Leave no half line behind."""
        self._line.clear()


@contextmanager
def telling() -> Iterator[Listener]:
    """A listener that tells a person, and leaves the terminal tidy."""
    told = Telling()
    try:
        yield told.listener
    finally:
        told.close()


def epoch_line(epoch: Epoch) -> str:
    """An evaluation in a line, its columns below those of the one before."""
    scores = [
        f"{kind_of(name).short} {value:>{len('100.0 %') if value.endswith('%') else 0}}"
        for name in FOLLOWED
        if (score := epoch.scores.get(name)) is not None and (value := words.value(name, score))
    ]
    if not epoch.epoch:
        return "   ".join(["before training", *scores])
    width, best = len(f"{epoch.epochs:.4g}"), " (best)" if epoch.is_best else ""
    columns = [
        f"epoch {f'{epoch.epoch:.4g}':>{width}} of {epoch.epochs:.4g}",
        *([] if epoch.training_loss is None else [f"training loss {epoch.training_loss:.4f}"]),
        *([] if epoch.validation_loss is None else [f"validation loss {epoch.validation_loss:.4f}{best:<7}"]),
        *scores,
        *([f"{_show.duration(epoch.seconds_left)} left"] if epoch.seconds_left else []),
    ]
    return "   ".join(columns).rstrip()


def closing_lines(run: Path, options: TrainOptions) -> list[str]:
    """How good the run is, where its pages lie, and what to do next. Raises RunError."""
    evaluation = evaluation_from_json(read_json(evaluation_files(run).evaluation))
    lines = ["", f"On {_measured_on(evaluation)}:"]
    lines += [f"  {sentence}" for sentence in verdict_sentences(evaluation)]
    lines += [f"  Note: {note}" for note in evaluation.notes]
    pages = {"Report": run / REPORT, "Evolution": run / EVOLUTION_PAGE}
    there = {name: page for name, page in pages.items() if page.is_file()}
    lines += ["", *(f"{name + ':':<11}{page}" for name, page in there.items())] if there else []
    return [*lines, "", "Next, for example:", *(f"  {command}" for command in next_commands(run, options, evaluation))]


def _measured_on(evaluation: Evaluation) -> str:
    count, pictures = len(evaluation.judged), sum(len(part.views) for part in evaluation.judged)
    of_them = f" of {counted(pictures, 'picture')}" if pictures else ""
    if evaluation.split == "cross-validation":
        return f"{counted(count, f'training {unit_of(evaluation)}')}{of_them}, each judged by a fit without it"
    return f"{counted(count, f'{evaluation.split} {unit_of(evaluation)}')}{of_them}"


def next_commands(run: Path, options: TrainOptions, evaluation: Evaluation) -> list[str]:
    """Commands that take this run: its test pictures again where it has some, else pictures that it has not seen; and
    maps where the training could draw some."""
    name, data = shlex.quote(str(run)), "OTHER_DATA"
    seen = "PICTURE" if all(read_record(run).image_size_wh) else "TABLE"
    if evaluation.split == "test" and getattr(options, "from_cases", None) is None:
        settled = [
            f" --{keyword}" if value is True else f" --{keyword} {value}"
            for keyword, value in how_to_read(options).items()
            if value
        ]
        data = f"{shlex.quote(options.data)} --split test{''.join(settled)}"
    commands = [f"kenpin evaluate {name} --data {data}", f"kenpin predict {name} {seen}"]
    if evaluation_files(run).maps.is_file():
        commands.append(f"kenpin explain {name} PICTURE --out explained.png")
    return commands
