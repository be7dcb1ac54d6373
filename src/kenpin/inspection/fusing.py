"""From verdicts and regions of several runs to the part's verdict: by the first rule that holds, else the worst one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kenpin.errors import OptionError
from kenpin.inspection.region_rules import RegionTerm, is_region_term, parse_region_term
from kenpin.records import Judgement, Verdict
from kenpin.regions.region import DefectRegion

RegionsByRun = Mapping[str, Sequence[DefectRegion]]

SEVERITY = {Verdict.PASS: 0, Verdict.REVIEW: 1, Verdict.FAIL: 2}
WORDS = {"if", "and", "or", "not", *Verdict}
"""Keywords of rules, which cannot be names of runs."""
_TERM = re.compile(r"(\S+)\s+(not\s+)?(PASS|FAIL|REVIEW)")
_FORM = "write one such as `FAIL if distance FAIL and classifier not PASS`"


@dataclass(frozen=True, slots=True)
class Term:
    """The condition that a run's verdict is this one, or, `negated`, another."""

    run: str
    verdict: Verdict
    negated: bool

    def holds(self, verdicts: Mapping[str, Verdict]) -> bool:
        """Whether the condition holds."""
        return (verdicts[self.run] is self.verdict) is not self.negated


@dataclass(frozen=True, slots=True)
class Rule:
    """A verdict with its condition: all terms of one of the alternatives hold."""

    verdict: Verdict
    alternatives: tuple[tuple[Term | RegionTerm, ...], ...]
    text: str

    @property
    def runs(self) -> frozenset[str]:
        """Names of the runs whose verdicts are in its terms."""
        return frozenset(term.run for terms in self.alternatives for term in terms if isinstance(term, Term))

    @property
    def region_terms(self) -> tuple[RegionTerm, ...]:
        """Its conditions on regions."""
        return tuple(term for terms in self.alternatives for term in terms if isinstance(term, RegionTerm))

    def holds(self, verdicts: Mapping[str, Verdict], regions: RegionsByRun | None = None) -> bool:
        """Whether the rule applies. verdicts, regions: of each run in its terms."""
        return self._grounds(verdicts, regions or {}) is not None

    def told(self, verdicts: Mapping[str, Verdict], regions: RegionsByRun) -> tuple[str, ...]:
        """A sentence on the regions by which it applies, for each condition that asks for some."""
        found = self._grounds(verdicts, regions) or ()
        told = (term.told(regions[term.run]) for term in found if isinstance(term, RegionTerm) and not term.negated)
        return tuple(sentence for sentence in told if sentence is not None)

    def _grounds(self, verdicts: Mapping[str, Verdict], regions: RegionsByRun) -> tuple[Term | RegionTerm, ...] | None:
        """The first alternative whose terms all hold."""
        for terms in self.alternatives:
            if all(term.holds(verdicts) if isinstance(term, Term) else term.holds(regions[term.run]) for term in terms):
                return terms
        return None


def parse_rule(text: str) -> Rule:
    """`VERDICT if RUN [not] VERDICT and … or …`, where `and` binds more than `or`, and in place of a run's verdict
    there may be a condition on its regions. Raises OptionError."""
    text = " ".join(text.split())
    verdict, separator, condition = text.partition(" if ")
    if not separator or verdict not in SEVERITY:
        raise OptionError(f"rule {text!r} does not begin with PASS, FAIL or REVIEW and `if`; {_FORM}.")
    alternatives = tuple(
        tuple(_term(term, text) for term in alternative.split(" and ")) for alternative in condition.split(" or ")
    )
    return Rule(Verdict(verdict), alternatives, text)


def _term(words: str, rule: str) -> Term | RegionTerm:
    if is_region_term(words):
        return parse_region_term(words.strip(), rule)
    match = _TERM.fullmatch(words.strip())
    if match is None or match[1] in WORDS:
        raise OptionError(f"rule {rule!r}: {words!r} is not a run, an optional `not`, and a verdict; {_FORM}.")
    return Term(match[1], Verdict(match[3]), match[2] is not None)


class Fused(NamedTuple):
    """The part's verdict."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """The deciding rule and its regions first, then the reasons of each run, the worst first."""
    rule: str | None = None
    """The rule that decided."""


def fuse(
    judgements: Mapping[str, Judgement],
    rules: Sequence[Rule],
    regions: RegionsByRun | None = None,
    by_rules: Collection[str] = (),
) -> Fused:
    """The part's verdict and its reasons.

    judgements: of each run that decides by its threshold, by its name; regions: of each run in a condition on regions;
    by_rules: runs that decide by rules on their regions alone. Without any of these runs the verdict is REVIEW.
    """
    verdicts = {run: judgement.verdict for run, judgement in judgements.items()}
    all_reasons = tuple(
        f"{run}: {reason}"
        for run, judgement in sorted(judgements.items(), key=lambda item: -SEVERITY[item[1].verdict])
        for reason in judgement.reasons
    )
    if not judgements and not by_rules:
        return Fused(Verdict.REVIEW, ("No run decided, so a person must look.",))
    for rule in rules:
        if rule.holds(verdicts, regions):
            told = rule.told(verdicts, regions or {})
            return Fused(rule.verdict, (f"By the rule {rule.text}.", *told, *all_reasons), rule.text)
    none_holds = tuple(f"{run}: no rule on its regions holds." for run in by_rules)
    worst = max(verdicts.values(), key=SEVERITY.__getitem__, default=Verdict.PASS)
    return Fused(worst, (*all_reasons, *none_holds))
