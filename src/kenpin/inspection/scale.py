"""The scale of a policy: pixels a millimetre that it was given, or that its runs keep."""

from __future__ import annotations

from collections.abc import Mapping

from kenpin.errors import OptionError
from kenpin.inspection.policy import Policy
from kenpin.inspection.runs import PolicyRun
from kenpin.regions.region import other_scale, told_scale

_REMEDY = "give `px_per_mm` in the policy or as `--px-per-mm`"


def with_scale(policy: Policy, runs: Mapping[str, PolicyRun]) -> tuple[Policy, tuple[str, ...]]:
    """The policy with the scale by which its regions are measured, and a sentence on each run that keeps another one.

    A given scale takes precedence, for it belongs to camera and lens of today, and no weight depends on it. Raises
    OptionError where runs keep different ones and none is given, and where a size in mm has no scale.
    """
    kept = {name: scale for name, run in runs.items() if (scale := run.predictor.px_per_mm) is not None}
    if policy.scale is None and kept:
        (first, scale), *others = kept.items()
        for name, other in others:
            if other != scale:
                raise OptionError(
                    f"run {first} keeps {told_scale(scale)} pixels a millimetre and run {name} {told_scale(other)}, "
                    f"and both judge the same pictures; {_REMEDY}."
                )
        policy = policy.model_copy(update={"px_per_mm": scale})
    _check_sizes(policy)
    told = (other_scale(policy.scale, scale, f"run {name}") for name, scale in kept.items())
    return policy, tuple(sentence for sentence in told if sentence is not None)


def _check_sizes(policy: Policy) -> None:
    """Refuse sizes in mm without a scale. Raises OptionError."""
    if policy.scale is not None:
        return
    unknown = f"in mm, and how many pixels a millimetre has is not known; {_REMEDY}, or write sizes in px"
    for rule in policy.parsed_rules:
        if any(term.measures_mm for term in rule.region_terms):
            raise OptionError(f"rule {rule.text!r} measures {unknown} and px².")
    for name, options in policy.runs.items():
        if options.ignored is not None and options.ignored.unit == "mm":
            raise OptionError(f"run {name}: `ignore_below` of {options.ignore_below} is {unknown}.")
