"""Attribute gage R&R: whether those who say OK or NG repeat themselves, agree with each other and with the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from kenpin.errors import ShapeError
from kenpin.quality.agreement import Kappa, cohen_kappa, crossed, fleiss_kappa
from kenpin.quality.bounds import clopper_pearson


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What one appraiser, a person or an inspector, said of a part in one trial."""

    part: str
    appraiser: str
    trial: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the exact interval."""

    events: int
    cases: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself."""
        return self.events / self.cases


@dataclass(frozen=True, slots=True)
class Appraiser:
    """One appraiser's decisions. What needs the truth is None without it."""

    name: str
    within: Share | None
    """Parts judged in several trials of which every trial says the same; None where there are none."""
    effectiveness: Share | None
    """Parts of which every trial says what is true."""
    missed: Share | None
    """Decisions on NG parts that say OK."""
    false_alarms: Share | None
    """Decisions on OK parts that say anything else, REVIEW included: somebody has to look again."""
    against_truth: Kappa | None
    rating: str | None
    """AIAG's word for effectiveness, misses and false alarms together."""


@dataclass(frozen=True, slots=True)
class AttributeStudy:
    """An attribute agreement analysis."""

    parts: int
    appraisers: tuple[Appraiser, ...]
    between: Share | None
    """Parts judged by several of which every trial of everybody says the same; None where there are none."""
    all_right: Share | None
    """Parts of which every trial of everybody says what is true."""
    pairs: tuple[tuple[str, str, Kappa], ...]
    """Cohen's kappa of every two appraisers, over the trials that both have."""
    overall: Kappa | None
    """Fleiss' kappa over all trials of all appraisers; None where the parts were not appraised equally often."""


def attribute_study(
    appraisals: Sequence[Appraisal], truth: Mapping[str, str] | None = None, *, ok: str = "OK", confidence: float = 0.95
) -> AttributeStudy:
    """Analyse who says what of which part.

    truth: each part's true verdict; `ok`: the verdict that lets a part pass. Raises ShapeError for no appraisals, one
    that is there twice, or a part without truth; OptionError.
    """
    # AIAG, Measurement Systems Analysis, 4th edition, section III-C: signal detection aside, all of its tables.
    if not appraisals:
        raise ShapeError("there is no appraisal; give one for each part, appraiser and trial.")
    told: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for one in appraisals:
        if (one.part, one.trial) in told[one.appraiser]:
            raise ShapeError(f"{one.appraiser} judges part {one.part} twice in trial {one.trial}; number the trials.")
        told[one.appraiser][one.part, one.trial] = one.verdict
        if truth is not None and one.part not in truth:
            raise ShapeError(f"part {one.part} has no true verdict; give one for every part, or none.")

    def share(events: int, cases: int) -> Share | None:
        interval = clopper_pearson(events, cases, confidence)
        return None if interval is None else Share(events, cases, *interval)

    def agreeing(said: Mapping[str, Sequence[str]], right: Mapping[str, str] | None) -> Share | None:
        same = sum(len({*words, *([] if right is None else [right[part]])}) == 1 for part, words in said.items())
        return share(same, len(said))

    def appraiser(name: str) -> Appraiser:
        decisions = told[name]
        said = _by_part(decisions)
        within = agreeing({part: words for part, words in said.items() if len(words) > 1}, None)
        if truth is None:
            return Appraiser(name, within, None, None, None, None, None)
        pairs = [(truth[part] == ok, word == ok) for (part, _), word in decisions.items()]
        missed = share(pairs.count((False, True)), sum(not good for good, _ in pairs))
        alarms = share(pairs.count((True, False)), sum(good for good, _ in pairs))
        effectiveness = agreeing(said, truth)
        counts, _ = crossed(list(decisions.values()), [truth[part] for part, _ in decisions])
        kappa = cohen_kappa(counts, confidence)
        return Appraiser(name, within, effectiveness, missed, alarms, kappa, _rating(effectiveness, missed, alarms))

    everything = _by_part(*told.values())
    several = len(told) > 1
    judges = Counter(part for decisions in told.values() for part in _by_part(decisions))
    return AttributeStudy(
        parts=len(everything),
        appraisers=tuple(appraiser(name) for name in told),
        between=agreeing({part: words for part, words in everything.items() if judges[part] > 1}, None),
        all_right=agreeing(everything, truth) if several and truth is not None else None,
        pairs=tuple(
            (first, second, cohen_kappa(crossed(*zip(*both, strict=True))[0], confidence))
            for first, second in combinations(told, 2)
            if (both := [(word, told[second][key]) for key, word in told[first].items() if key in told[second]])
        ),
        overall=_overall(everything, confidence),
    )


def _by_part(*decisions: Mapping[tuple[str, str], str]) -> dict[str, list[str]]:
    """Every word said of each part."""
    said = defaultdict(list)
    for one in decisions:
        for (part, _), word in one.items():
            said[part].append(word)
    return dict(said)


def _overall(said: Mapping[str, Sequence[str]], confidence: float) -> Kappa | None:
    if len(said) < 2 or len({len(words) for words in said.values()}) > 1 or len(next(iter(said.values()))) < 2:
        return None
    names = sorted({word for words in said.values() for word in words})
    return fleiss_kappa([[Counter(words)[name] for name in names] for words in said.values()], confidence)


_LIMITS = (("acceptable", 0.90, 0.02, 0.05), ("marginal", 0.80, 0.05, 0.10))


def _rating(effectiveness: Share | None, missed: Share | None, alarms: Share | None) -> str | None:
    """AIAG's table of limits; None where not all three are known."""
    if effectiveness is None or missed is None or alarms is None:
        return None
    for word, least, most_missed, most_alarms in _LIMITS:
        if effectiveness.value >= least and missed.value <= most_missed and alarms.value <= most_alarms:
            return word
    return "unacceptable"
