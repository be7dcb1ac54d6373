"""Commands on what inspectors decide: `plan`."""

from __future__ import annotations

from kenpin.cli._options import command_of
from kenpin.config import PlanOptions


def _plan(options: PlanOptions) -> int:
    from kenpin.errors import OptionError
    from kenpin.quality.planning import Wrong, plan

    claims: tuple[tuple[Wrong, float | None], ...] = (
        ("escape", options.escape_rate),
        ("overkill", options.overkill_rate),
    )
    plans = [plan(wrong, rate, options.confidence, options.allowed) for wrong, rate in claims if rate is not None]
    if not plans:
        raise OptionError("there is no rate to plan for; give --escape-rate, --overkill-rate or both.")
    for one in plans:
        print(one)
    return 0


plan = command_of(PlanOptions, _plan)
