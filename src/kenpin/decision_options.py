"""Options of decisions: what wrong ones cost, which classes are good, and how many parts a claim needs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from kenpin.strict_options import OptionGroup, StrictOptions


def _positive_or_none(value: float | None) -> float | None:
    if value is not None and not value > 0:
        raise ValueError(f"must be above 0, not {value}.")
    return value


Cost = Annotated[float, AfterValidator(_positive_or_none)]


class DecisionOptions(StrictOptions):
    """How scores become PASS, FAIL or REVIEW."""

    group: ClassVar[OptionGroup] = "decision"

    ok_labels: tuple[str, ...] | None = Field(
        None, description="Classes that mean a good part; by default those named ok, good, pass, 良品 and the like."
    )
    cost_escape: Cost = Field(10.0, description="Cost of passing one defective part, in any currency.")
    cost_overkill: Cost = Field(1.0, description="Cost of failing one good part, in the same currency.")
    cost_review: Cost | None = Field(
        None, description="Cost of having one part looked at by a person; without it nothing is sent to REVIEW."
    )
    defect_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of defective parts on the line; by default that of validation.",
    )


class PlanOptions(StrictOptions):
    """How many NG and OK parts it takes to claim that at most so many escape or are overkilled."""

    group: ClassVar[OptionGroup] = "decision"

    escape_rate: float | None = Field(None, gt=0, lt=1, description="Largest share of NG parts that pass.")
    overkill_rate: float | None = Field(None, gt=0, lt=1, description="Largest share of OK parts that fail.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of the claim.")
    allowed: int = Field(0, ge=0, description="Most wrong decisions in the test with which it still passes.")
