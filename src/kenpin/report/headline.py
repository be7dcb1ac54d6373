"""The headline of an evaluation: whether the inspector is of use, its mistakes of both kinds, and notes on costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kenpin.plural import counted, is_are, was_were
from kenpin.quality.bounds import at_most
from kenpin.quality.consequences import cost_notes
from kenpin.records import Evaluation, Measure, Verdict
from kenpin.records_json import HEADLINE, evaluation_to_json
from kenpin.report.words import interval, percent, percent_at_most, title, value
from kenpin.targets import Target

_CLAIM = 0.1
"""A rate so high that parts which cannot exclude it, with no mistake among them, are too few for any claim."""
_NOTHING = Measure(None)


def headline(evaluation: Evaluation) -> tuple[str, ...]:
    """The headline, the same in the report, on a terminal and in JSON: whether the inspector is of no use; escapes and
    overkills in one sentence; further figures; notes on the costs."""
    known = [
        (score, part.defective)
        for part in evaluation.judged
        if (score := part.prediction.defect_score) is not None
        and math.isfinite(score)
        and part.defective is not None
        and part.verdict is not None
    ]
    scores, defective = [score for score, _ in known], [bad for _, bad in known]
    return (*verdict_sentences(evaluation), *cost_notes(scores, defective, evaluation.threshold))


def headed_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON for a run folder: `evaluation_to_json`, and its headline for readers of the file."""
    return {HEADLINE: list(headline(evaluation)), **evaluation_to_json(evaluation)}


def verdict_sentences(evaluation: Evaluation) -> tuple[str, ...]:
    """How good the inspector is, in plain words: the headline without the notes on its costs."""
    decided = [
        (part.verdict, part.defective)
        for part in evaluation.judged
        if part.verdict is not None and part.defective is not None
    ]
    verdicts, defective = [verdict for verdict, _ in decided], [bad for _, bad in decided]
    auroc = evaluation.measures.get("auroc", _NOTHING)
    sentences = [
        *_remembered(evaluation),
        *_fruitless(evaluation),
        *useless(verdicts, defective, auroc),
        *_guessed(evaluation, verdicts, auroc),
        *mistakes(verdicts, defective),
        *too_few([part.defective for part in evaluation.judged if part.defective is not None]),
    ]
    reviewed = verdicts.count(Verdict.REVIEW)
    if reviewed:
        goes = "goes" if reviewed == 1 else "go"
        sentences.append(
            f"{reviewed} of {_parts(len(decided))} {goes} to a person ({percent(reviewed / len(decided))})."
        )
    accuracy = evaluation.measures.get("accuracy", _NOTHING)
    if accuracy.value is not None:
        words = "given the right class" if _names(evaluation) else "on the right side of the threshold"
        sentences.append(f"{percent(accuracy.value)} of the parts are {words}{_span('accuracy', accuracy)}.")
    if auroc.value is not None and not _by_chance(auroc, 0.5):
        sentences.append(
            f"A defective part scores above a good one in {percent(auroc.value)} of such pairs, "
            f"AUROC {value('auroc', auroc.value)}{_span('auroc', auroc)}."
        )
    if evaluation.target.locates:
        sentences.append(_box_sentence(evaluation))
    if not evaluation.target.judges:
        sentences.append(_text_sentence(evaluation))
    return _plain(sentences) or ("Nothing could be measured on these pictures; the notes say why.",)


def _remembered(evaluation: Evaluation) -> tuple[str, ...]:
    """A sentence where it is measured on parts that it has learned from; else empty."""
    seen, count = sum(part.seen for part in evaluation.judged), len(evaluation.judged)
    if not seen:
        return ()
    return (
        f"Not held out: it has learned from {seen} of these {_parts(count)} or was chosen by them, so the figures show "
        "what it remembers, and promise nothing.",
    )


def useless(verdicts: Sequence[Verdict], defective: Sequence[bool], auroc: Measure) -> tuple[str, ...]:
    """A sentence where all parts get one verdict, or the scores separate good and defective parts no better than
    chance; else empty. verdicts, defective: (n,)."""
    sentences = []
    kinds = set(verdicts)
    if kinds == {Verdict.REVIEW}:
        sentences.append("This inspector decides nothing: it sends every part to a person.")
    elif kinds == {Verdict.PASS} and any(defective):
        sentences.append("This inspector passes every part, the defective ones too.")
    elif kinds == {Verdict.FAIL} and not all(defective):
        sentences.append("This inspector fails every part, the good ones too.")
    elif kinds == {Verdict.FAIL, Verdict.REVIEW} and not all(defective):
        sentences.append("This inspector passes no part: it fails each or sends it to a person.")
    if _by_chance(auroc, 0.5):
        than = "worse" if auroc.high is not None and auroc.high < 0.5 else "no better"
        sentences.append(
            f"Its scores separate defective parts from good ones {than} than chance, as far as these parts show: AUROC "
            f"{value('auroc', auroc.value)}{_span('auroc', auroc)}."
        )
    return _plain(sentences)


def mistakes(verdicts: Sequence[Verdict], defective: Sequence[bool]) -> tuple[str, ...]:
    """Escapes and overkills in one sentence, with the exact bound on the rate of each; empty without parts.

    verdicts, defective: (n,).
    """
    of = {
        kind: [verdict for verdict, bad in zip(verdicts, defective, strict=True) if bad is kind]
        for kind in (True, False)
    }
    escapes, overkills = of[True].count(Verdict.PASS), of[False].count(Verdict.FAIL)
    escaped = f"{escapes} of {_parts(len(of[True]), 'defective')} escaped"
    failed = (
        f"{overkills} of {_parts(len(of[False]), 'good')} {was_were(1 if len(of[False]) == 1 else overkills)} failed"
    )
    escape_rate, overkill_rate = at_most(escapes, len(of[True])), at_most(overkills, len(of[False]))
    sentences = []
    if escape_rate is not None and overkill_rate is not None:
        sentences.append(f"{escaped} {_bound(escape_rate)} and {failed} (at most {percent_at_most(overkill_rate)}).")
    elif escape_rate is not None:
        sentences.append(f"{escaped} {_bound(escape_rate)}; no good part was judged, so the overkill rate is unknown.")
    elif overkill_rate is not None:
        sentences.append(
            f"{failed} {_bound(overkill_rate)}; no defective part was judged, so the escape rate is unknown."
        )
    return _plain(sentences)


def too_few(defective: Sequence[bool]) -> tuple[str, ...]:
    """Sentences on kinds of which there are too few parts for any claim, with the bound of the rate. defective:
    (n,)."""
    sentences = []
    for kind, wrong, what in ((True, "no escape", "escape"), (False, "no overkill", "be failed")):
        number = sum(bad is kind for bad in defective)
        most = at_most(0, number)
        if most is not None and most > _CLAIM:
            sentences.append(
                f"{_parts(number, 'defective' if kind else 'good')} {is_are(number)} too few: even with {wrong} "
                f"among them, up to {percent_at_most(most)} of such parts could {what}."
            )
    return _plain(sentences)


def _fruitless(evaluation: Evaluation) -> tuple[str, ...]:
    """A sentence where no box is found, no answer has a true word, or embeddings do not separate classes."""
    measured: Mapping[str, Measure] = evaluation.measures
    if evaluation.target.locates:
        right, wrong, missed = _box_counts(evaluation)
        if missed and not right:
            drawn = f"; {counted(wrong, 'box')} that it draws {is_are(wrong)} wrong" if wrong else ""
            return (f"This inspector finds no box: 0 of {counted(missed, 'true box')}{drawn}.",)
    if evaluation.target is Target.TEXT and measured.get("token_f1", _NOTHING).value == 0:
        return ("No answer of this inspector has a word of the true answer.",)
    pairs = measured.get("verification_auroc", _NOTHING)
    if _by_chance(pairs, 0.5):
        return (
            "Its embeddings separate pairs of two classes from pairs of one no better than chance: AUROC of pairs "
            f"{value('verification_auroc', pairs.value)}.",
        )
    return ()


def _guessed(evaluation: Evaluation, verdicts: Sequence[Verdict], auroc: Measure) -> tuple[str, ...]:
    """A sentence where predicted classes, or else decisions, are no better than a guess; empty where that is known."""
    measure = evaluation.measures.get("balanced_accuracy", _NOTHING)
    names = _names(evaluation)
    classes = sum(scores.support > 0 for scores in evaluation.per_class.values()) if names else 2
    if classes < 2 or not _by_chance(measure, 1 / classes):
        return ()
    if classes == 2 and _by_chance(auroc, 0.5):
        return ()  # the AUROC has answered the same question
    if not names and (len(set(verdicts)) == 1 or Verdict.REVIEW in verdicts):
        return ()  # one verdict for all has its sentence; and a person decides on reviewed parts
    what = (
        f"Its classes are no better than a guess among {classes}"
        if names
        else "Its decisions are no better than chance"
    )
    return (
        f"{what}, as far as these parts show: balanced accuracy "
        f"{value('balanced_accuracy', measure.value)}{_span('balanced_accuracy', measure)}.",
    )


def _by_chance(measure: Measure, chance: float) -> bool:
    """Whether a measure does not lie above chance with its whole interval."""
    if measure.value is None:
        return False
    return (measure.value if measure.low is None else measure.low) <= chance


def _names(evaluation: Evaluation) -> bool:
    """Whether the inspector predicts classes, so that accuracy is about classes."""
    return evaluation.target is Target.LABEL and any(part.prediction.label is not None for part in evaluation.judged)


def _box_counts(evaluation: Evaluation) -> tuple[int, int, int]:
    """Numbers of right boxes, wrong boxes, and missed true boxes."""
    judged = [part.boxes for part in evaluation.judged if part.boxes is not None]
    right = sum(boxes.right.count(True) for boxes in judged)
    wrong = sum(boxes.right.count(False) for boxes in judged)
    return right, wrong, sum(boxes.found.count(False) for boxes in judged)


def _box_sentence(evaluation: Evaluation) -> str:
    right, wrong, missed = _box_counts(evaluation)
    sentence = f"{right} of {counted(right + missed, 'true box')} {is_are(right)} found"
    if not right + missed:
        sentence = "There is no true box in these pictures"
    if right + wrong:
        sentence += f", and {right} of the {counted(right + wrong, 'box')} drawn {is_are(right)} right"
    figures = [
        f"{title(name)} is {value(name, measure.value)}"
        for name in ("map", "map_50")
        if (measure := evaluation.measures.get(name, _NOTHING)).value is not None
    ]
    return f"{'; '.join([sentence, *figures])}."


def _text_sentence(evaluation: Evaluation) -> str:
    exact, f1 = (evaluation.measures.get(name, _NOTHING) for name in ("exact_match", "token_f1"))
    return (
        f"{value('exact_match', exact.value)} of the answers have the words of the true answer in its "
        f"order{_span('exact_match', exact)}; F1 of the words is {value('token_f1', f1.value)}."
    )


def _span(name: str, measure: Measure) -> str:
    """The interval in brackets; empty where there is none."""
    return f" (two-sided 95 % interval {span})" if (span := interval(name, measure)) else ""


def _bound(rate: float) -> str:
    return f"(at most {percent_at_most(rate)}, one-sided 95 %)"


def _plain(sentences: Sequence[str]) -> tuple[str, ...]:
    """Sentences with ordinary spaces; a page binds numbers to their units itself."""
    return tuple(sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in sentences)


def _parts(number: int, kind: str = "") -> str:
    return counted(number, f"{kind} part".strip())
