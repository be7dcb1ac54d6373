"""Regions of interest by picture in an inspection: where a policy's runs find them, refused before the first part."""

from __future__ import annotations

from collections.abc import Mapping

from kenpin.errors import OptionError
from kenpin.inspection.policy import Policy
from kenpin.inspection.runs import PolicyRun
from kenpin.models.framed import framing_of, look_in


def look_in_regions(policy: Policy, runs: Mapping[str, PolicyRun]) -> None:
    """Let the runs that look at a region of its own in each picture find it where the policy says, else where their
    training did. Raises OptionError where nothing would be found, and where no run looks for any."""
    found = False
    for name, run in runs.items():
        framing = framing_of(run.predictor.model)
        if framing is None or framing.by_picture is None:
            continue
        found = True
        if policy.roi is not None:
            look_in(run.predictor.model, policy.roi)
        elif framing.by_picture.finds_none:
            raise OptionError(
                f"run {name} looks at a region of its own in each picture, and {framing.by_picture.source} has none "
                "here; give `roi` in the policy or --roi, or train it with --roi-default."
            )
    if policy.roi is not None and not found:
        raise OptionError(
            "option `roi`: no run of the policy was trained on a region of its own in each picture; leave it out."
        )
