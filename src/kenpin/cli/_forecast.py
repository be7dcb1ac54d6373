"""The forecast of a run as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.cli import _show

if TYPE_CHECKING:
    from kenpin.training.forecast import Forecast, Memory, Times

_COMPONENTS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimiser": "optimiser states",
    "activations": "activations",
    "logits": "logits",
    "data": "pictures, tables, batches",
    "runtime": "runtime",
}


def forecast_lines(forecast: Forecast) -> str:
    """What trains, what is held, component by component, and how long it takes."""
    head = "A unit space is fitted to the table's numbers: there is no network to train."
    if forecast.parameters:
        share = 100 * forecast.trainable / forecast.parameters
        head = (
            f"{forecast.trainable:,} of {forecast.parameters:,} parameters train ({share:.2f} %), arithmetic in "
            f"{forecast.precision}."
        )
    memory = _memory(forecast.memory, forecast.room_bytes, forecast.at_least)
    lines = [head, "", f"Memory on {forecast.device} when most is held", *memory]
    if forecast.times is not None:
        lines += ["", "Time", *_times(forecast.times)]
    return "\n".join(lines)


def _memory(memory: Memory, room_bytes: int, at_least: bool) -> list[str]:
    rows = [(said, getattr(memory, name)) for name, said in _COMPONENTS.items()]
    if memory.not_yet:
        rows.append(("gradients not there yet", -memory.not_yet))
    rows.append(("together, at least" if at_least else "together", memory.total))
    rows.append(("of", room_bytes))
    return [_row(said, f"{count / 1e6:,.1f} MB") for said, count in rows]


def _times(times: Times) -> list[str]:
    rows = [("features, once", times.features)] if times.features else []
    if times.steps:
        rows += [
            ("step", times.step),
            (f"epoch, {times.epoch / times.step:.0f} steps", times.epoch),
            (f"evaluation, {times.evaluations} times", times.evaluation),
            ("scores before and after", times.scoring),
        ]
    return [_row(said, _duration(seconds)) for said, seconds in [*rows, (f"{times.steps} steps in all", times.total)]]


def _row(said: str, figure: str) -> str:
    return f"  {said:<26}{figure:>14}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 60 else _show.duration(seconds)
