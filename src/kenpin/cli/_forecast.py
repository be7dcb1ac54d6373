"""The forecast of a run as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.cli import _show
from kenpin.plural import counted

if TYPE_CHECKING:
    from kenpin.forecast import Forecast, Memory, Times

_COMPONENTS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimiser": "optimiser states",
    "activations": "activations",
    "logits": "logits",
    "data": "pictures, tables, batches",
    "gathered": "gathered from other shards",
    "runtime": "runtime",
}


def forecast_lines(forecast: Forecast) -> str:
    """What trains, what is held, component by component, and how long it takes."""
    head = "A unit space is fitted to the table's numbers: there is no network to train."
    if forecast.parameters:
        share = 100 * forecast.trainable / forecast.parameters
        head = (
            f"{forecast.trainable:,} of {counted(forecast.parameters, 'parameter')} train ({share:.2f} %), arithmetic "
            f"in {forecast.precision}."
        )
    memory = _memory(forecast.memory, forecast.room_bytes, forecast.at_least)
    each = f" of each of {forecast.processes} processes" if forecast.processes > 1 else ""
    lines = [head, "", f"Peak memory on {forecast.device}{each}", *memory]
    if forecast.times is not None:
        lines += ["", "Time", *_times(forecast.times)]
    return "\n".join(lines)


def _memory(memory: Memory, room_bytes: int, at_least: bool) -> list[str]:
    rows = [(said, getattr(memory, name)) for name, said in _COMPONENTS.items()]
    rows = [row for row in rows if row != (_COMPONENTS["gathered"], 0)]
    if memory.not_yet:
        rows.append(("gradients, not yet there", -memory.not_yet))
    rows.append(("in all, at least" if at_least else "in all", memory.total))
    rows.append(("of", room_bytes))
    return [_row(said, f"{count / 1e6:,.1f} MB") for said, count in rows]


def _times(times: Times) -> list[str]:
    rows = [("computing features, once", times.features)] if times.features else []
    if times.steps:
        rows += [
            ("step", times.step),
            *([("exchange a step, assumed", times.exchange)] if times.exchange else []),
            (f"epoch, {counted(round(times.epoch / times.step), 'step')}", times.epoch),
            (f"evaluation, {counted(times.evaluations, 'time')}", times.evaluation),
            (f"checkpoint, at most {counted(times.checkpoints, 'time')}", times.saving),
            ("scoring before and after", times.scoring),
            ("writing, sealing, maps", times.closing),
        ]
    in_all = f"{counted(times.steps, 'step')} in all" if times.steps else "in all but the fit"
    return [_row(said, _duration(seconds)) for said, seconds in [*rows, (in_all, times.total)]]


def _row(said: str, figure: str) -> str:
    return f"  {said:<26}{figure:>14}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 60 else _show.duration(seconds)
