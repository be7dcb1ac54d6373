"""From the verdicts of several runs to the one of the part: by rules, the first that holds, else the worst wins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kenpin.errors import OptionError
from kenpin.records import Judgement, Verdict

SEVERITY = {Verdict.PASS: 0, Verdict.REVIEW: 1, Verdict.FAIL: 2}
WORDS = {"if", "and", "or", "not", *Verdict}
"""That rules are made of, so that no run can be named so."""
_TERM = re.compile(r"(\S+)\s+(not\s+)?(PASS|FAIL|REVIEW)")
_FORM = "write one such as `FAIL if distance FAIL and classifier not PASS`"


@dataclass(frozen=True, slots=True)
class Term:
    """That a run's verdict is this one, or, `negated`, another."""

    run: str
    verdict: Verdict
    negated: bool

    def holds(self, verdicts: Mapping[str, Verdict]) -> bool:
        """Whether it is so."""
        return (verdicts[self.run] is self.verdict) is not self.negated


@dataclass(frozen=True, slots=True)
class Rule:
    """A verdict, and when it is given: where all terms of one of the alternatives hold."""

    verdict: Verdict
    alternatives: tuple[tuple[Term, ...], ...]
    text: str

    @property
    def runs(self) -> frozenset[str]:
        """Names of the runs that it asks."""
        return frozenset(term.run for terms in self.alternatives for term in terms)

    def holds(self, verdicts: Mapping[str, Verdict]) -> bool:
        """Whether the verdict is given. verdicts: of each run that it asks."""
        return any(all(term.holds(verdicts) for term in terms) for terms in self.alternatives)


def parse_rule(text: str) -> Rule:
    """`VERDICT if RUN [not] VERDICT and … or …`, where `and` binds more than `or`. Raises OptionError."""
    text = " ".join(text.split())
    verdict, found, condition = text.partition(" if ")
    if not found or verdict not in SEVERITY:
        raise OptionError(f"rule {text!r} does not begin with PASS, FAIL or REVIEW and `if`; {_FORM}.")
    alternatives = tuple(tuple(_term(term, text) for term in one.split(" and ")) for one in condition.split(" or "))
    return Rule(Verdict(verdict), alternatives, text)


def _term(words: str, rule: str) -> Term:
    found = _TERM.fullmatch(words.strip())
    if found is None or found[1] in WORDS:
        raise OptionError(f"rule {rule!r}: {words!r} is not a run, an optional `not`, and a verdict; {_FORM}.")
    return Term(found[1], Verdict(found[3]), found[2] is not None)


def fuse(judgements: Mapping[str, Judgement], rules: Sequence[Rule]) -> tuple[Verdict, tuple[str, ...]]:
    """The part's verdict, and why: what decided first, then what each run says, the worst first.

    judgements: of each run that decides, by its name; without any the part is for a person to look at.
    """
    verdicts = {run: one.verdict for run, one in judgements.items()}
    said = tuple(
        f"{run}: {reason}"
        for run, one in sorted(judgements.items(), key=lambda item: -SEVERITY[item[1].verdict])
        for reason in one.reasons
    )
    if not judgements:
        return Verdict.REVIEW, ("No run decided, so a person must look.",)
    for rule in rules:
        if rule.holds(verdicts):
            return rule.verdict, (f"By the rule {rule.text}.", *said)
    return max(verdicts.values(), key=SEVERITY.__getitem__), said
