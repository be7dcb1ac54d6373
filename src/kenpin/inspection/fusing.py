"""From the verdicts of several runs to that of the part: by the first rule that holds, else the worst verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kenpin.errors import OptionError
from kenpin.records import Judgement, Verdict

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
    alternatives: tuple[tuple[Term, ...], ...]
    text: str

    @property
    def runs(self) -> frozenset[str]:
        """Names of the runs in its terms."""
        return frozenset(term.run for terms in self.alternatives for term in terms)

    def holds(self, verdicts: Mapping[str, Verdict]) -> bool:
        """Whether the rule applies. verdicts: of each run in its terms."""
        return any(all(term.holds(verdicts) for term in terms) for terms in self.alternatives)


def parse_rule(text: str) -> Rule:
    """`VERDICT if RUN [not] VERDICT and … or …`, where `and` binds more than `or`. Raises OptionError."""
    text = " ".join(text.split())
    verdict, separator, condition = text.partition(" if ")
    if not separator or verdict not in SEVERITY:
        raise OptionError(f"rule {text!r} does not begin with PASS, FAIL or REVIEW and `if`; {_FORM}.")
    alternatives = tuple(
        tuple(_term(term, text) for term in alternative.split(" and ")) for alternative in condition.split(" or ")
    )
    return Rule(Verdict(verdict), alternatives, text)


def _term(words: str, rule: str) -> Term:
    match = _TERM.fullmatch(words.strip())
    if match is None or match[1] in WORDS:
        raise OptionError(f"rule {rule!r}: {words!r} is not a run, an optional `not`, and a verdict; {_FORM}.")
    return Term(match[1], Verdict(match[3]), match[2] is not None)


def fuse(judgements: Mapping[str, Judgement], rules: Sequence[Rule]) -> tuple[Verdict, tuple[str, ...]]:
    """The part's verdict and its reasons: the deciding rule first, then the reasons of each run, the worst first.

    judgements: of each run that decides, by its name; without any the verdict is REVIEW.
    """
    verdicts = {run: judgement.verdict for run, judgement in judgements.items()}
    all_reasons = tuple(
        f"{run}: {reason}"
        for run, judgement in sorted(judgements.items(), key=lambda item: -SEVERITY[item[1].verdict])
        for reason in judgement.reasons
    )
    if not judgements:
        return Verdict.REVIEW, ("No run decided, so a person must look.",)
    for rule in rules:
        if rule.holds(verdicts):
            return rule.verdict, (f"By the rule {rule.text}.", *all_reasons)
    return max(verdicts.values(), key=SEVERITY.__getitem__), all_reasons
