"""Commands on what inspectors decide: `plan`."""

from __future__ import annotations

from kenpin.cli import _show
from kenpin.cli._options import with_settings
from kenpin.decision_options import PlanOptions


@with_settings
def plan(*, settings: PlanOptions) -> int:
    """Plan how many parts a test needs to prove a rate of escapes or overkills."""
    from kenpin.errors import OptionError
    from kenpin.quality.planning import Wrong
    from kenpin.quality.planning import plan as plan_test

    claims: tuple[tuple[Wrong, float | None], ...] = (
        ("escape", settings.escape_rate),
        ("overkill", settings.overkill_rate),
    )
    plans = [
        plan_test(wrong, rate, settings.confidence, settings.allowed) for wrong, rate in claims if rate is not None
    ]
    if not plans:
        raise OptionError("there is no rate to plan for; give --escape-rate, --overkill-rate or both.")
    for one in plans:
        _show.lines(str(one))
    return 0
