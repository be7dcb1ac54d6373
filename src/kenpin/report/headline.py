"""The headline of an evaluation: whether the inspector is of use, its mistakes of both kinds, and notes on costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kenpin.quality.bounds import at_most
from kenpin.quality.consequences import cost_notes
from kenpin.records import Evaluation, Measure, Verdict
from kenpin.records_json import HEADLINE, evaluation_to_json
from kenpin.report.words import interval, percent, percent_at_most, title, value
from kenpin.targets import Target
from kenpin.words import ENGLISH, Texts

_CLAIM = 0.1
"""A rate so high that parts which cannot exclude it, with no mistake among them, are too few for any claim."""
_NOTHING = Measure(None)


def headline(evaluation: Evaluation, texts: Texts = ENGLISH) -> tuple[str, ...]:
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
    return (*verdict_sentences(evaluation, texts), *cost_notes(scores, defective, evaluation.threshold, texts))


def headed_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON for a run folder: `evaluation_to_json`, and its headline for readers of the file."""
    return {HEADLINE: list(headline(evaluation)), **evaluation_to_json(evaluation)}


def verdict_sentences(evaluation: Evaluation, texts: Texts = ENGLISH) -> tuple[str, ...]:
    """How good the inspector is, in plain words: the headline without the notes on its costs."""
    decided = [
        (part.verdict, part.defective)
        for part in evaluation.judged
        if part.verdict is not None and part.defective is not None
    ]
    verdicts, defective = [verdict for verdict, _ in decided], [bad for _, bad in decided]
    auroc = evaluation.measures.get("auroc", _NOTHING)
    sentences = [
        *_remembered(evaluation, texts),
        *_fruitless(evaluation, texts),
        *useless(verdicts, defective, auroc, texts),
        *_guessed(evaluation, verdicts, auroc, texts),
        *mistakes(verdicts, defective, texts),
        *too_few([part.defective for part in evaluation.judged if part.defective is not None], texts),
    ]
    reviewed = verdicts.count(Verdict.REVIEW)
    if reviewed:
        sentences.append(
            texts.count(
                "%(parts)s goes to a person (%(share)s).",
                "%(parts)s go to a person (%(share)s).",
                reviewed,
                parts=texts.count(
                    "%(some)s of %(count)s part", "%(some)s of %(count)s parts", len(decided), some=reviewed
                ),
                share=percent(reviewed / len(decided)),
            )
        )
    accuracy = evaluation.measures.get("accuracy", _NOTHING)
    if accuracy.value is not None:
        share = percent(accuracy.value)
        right = (
            texts("%(share)s of the parts are given the right class", share=share)
            if _names(evaluation)
            else texts("%(share)s of the parts are on the right side of the threshold", share=share)
        )
        sentences.append(texts("%(sentence)s.", sentence=_with_span(right, "accuracy", accuracy, texts)))
    if auroc.value is not None and not _by_chance(auroc, 0.5):
        sentences.append(
            texts(
                "A defective part scores above a good one in %(share)s of such pairs, AUROC %(figure)s.",
                share=percent(auroc.value),
                figure=_figure("auroc", auroc, texts),
            )
        )
    if evaluation.target.locates:
        sentences.append(_box_sentence(evaluation, texts))
    if not evaluation.target.judges:
        sentences.append(_text_sentence(evaluation, texts))
    return _plain(sentences) or (texts("Nothing could be measured on these pictures; the notes say why."),)


def _remembered(evaluation: Evaluation, texts: Texts) -> tuple[str, ...]:
    """A sentence where it is measured on parts that it has learned from; else empty."""
    seen, count = sum(part.seen for part in evaluation.judged), len(evaluation.judged)
    if not seen:
        return ()
    return (
        texts.count(
            "Not held out: it has learned from %(seen)s of these %(count)s part or was chosen by them, so the figures "
            "show what it remembers, and promise nothing.",
            "Not held out: it has learned from %(seen)s of these %(count)s parts or was chosen by them, so the figures "
            "show what it remembers, and promise nothing.",
            count,
            seen=seen,
        ),
    )


def useless(
    verdicts: Sequence[Verdict], defective: Sequence[bool], auroc: Measure, texts: Texts = ENGLISH
) -> tuple[str, ...]:
    """A sentence where all parts get one verdict, or the scores separate good and defective parts no better than
    chance; else empty. verdicts, defective: (n,)."""
    sentences = []
    kinds = set(verdicts)
    if kinds == {Verdict.REVIEW}:
        sentences.append(texts("This inspector decides nothing: it sends every part to a person."))
    elif kinds == {Verdict.PASS} and any(defective):
        sentences.append(texts("This inspector passes every part, the defective ones too."))
    elif kinds == {Verdict.FAIL} and not all(defective):
        sentences.append(texts("This inspector fails every part, the good ones too."))
    elif kinds == {Verdict.FAIL, Verdict.REVIEW} and not all(defective):
        sentences.append(texts("This inspector passes no part: it fails each or sends it to a person."))
    if _by_chance(auroc, 0.5):
        figure = _figure("auroc", auroc, texts)
        if auroc.high is not None and auroc.high < 0.5:
            sentence = texts(
                "Its scores separate defective parts from good ones worse than chance, as far as these parts show: "
                "AUROC %(figure)s.",
                figure=figure,
            )
        else:
            sentence = texts(
                "Its scores separate defective parts from good ones no better than chance, as far as these parts "
                "show: AUROC %(figure)s.",
                figure=figure,
            )
        sentences.append(sentence)
    return _plain(sentences)


def mistakes(verdicts: Sequence[Verdict], defective: Sequence[bool], texts: Texts = ENGLISH) -> tuple[str, ...]:
    """Escapes and overkills in one sentence, with the exact bound on the rate of each; empty without parts.

    verdicts, defective: (n,).
    """
    of = {
        kind: [verdict for verdict, bad in zip(verdicts, defective, strict=True) if bad is kind]
        for kind in (True, False)
    }
    escapes, overkills = of[True].count(Verdict.PASS), of[False].count(Verdict.FAIL)
    escaped = texts.count(
        "%(some)s of %(count)s defective part escaped",
        "%(some)s of %(count)s defective parts escaped",
        len(of[True]),
        some=escapes,
    )
    good = texts.count(
        "%(some)s of %(count)s good part", "%(some)s of %(count)s good parts", len(of[False]), some=overkills
    )
    # one part of several was failed, and so was one of one
    failed = texts.count(
        "%(parts)s was failed", "%(parts)s were failed", 1 if len(of[False]) == 1 else overkills, parts=good
    )
    escape_rate, overkill_rate = at_most(escapes, len(of[True])), at_most(overkills, len(of[False]))
    sentences = []
    if escape_rate is not None and overkill_rate is not None:
        sentences.append(
            texts(
                "%(escaped)s (at most %(escape_rate)s, one-sided 95 %%) and %(failed)s (at most %(overkill_rate)s).",
                escaped=escaped,
                escape_rate=percent_at_most(escape_rate),
                failed=failed,
                overkill_rate=percent_at_most(overkill_rate),
            )
        )
    elif escape_rate is not None:
        sentences.append(
            texts(
                "%(escaped)s (at most %(rate)s, one-sided 95 %%); no good part was judged, so the overkill rate is "
                "unknown.",
                escaped=escaped,
                rate=percent_at_most(escape_rate),
            )
        )
    elif overkill_rate is not None:
        sentences.append(
            texts(
                "%(failed)s (at most %(rate)s, one-sided 95 %%); no defective part was judged, so the escape rate is "
                "unknown.",
                failed=failed,
                rate=percent_at_most(overkill_rate),
            )
        )
    return _plain(sentences)


def too_few(defective: Sequence[bool], texts: Texts = ENGLISH) -> tuple[str, ...]:
    """Sentences on kinds of which there are too few parts for any claim, with the bound of the rate. defective:
    (n,)."""
    sentences = []
    number = sum(defective)
    if (most := at_most(0, number)) is not None and most > _CLAIM:
        sentences.append(
            texts.count(
                "%(count)s defective part is too few: even with no escape among them, up to %(most)s of such parts "
                "could escape.",
                "%(count)s defective parts are too few: even with no escape among them, up to %(most)s of such parts "
                "could escape.",
                number,
                most=percent_at_most(most),
            )
        )
    number = len(defective) - number
    if (most := at_most(0, number)) is not None and most > _CLAIM:
        sentences.append(
            texts.count(
                "%(count)s good part is too few: even with no overkill among them, up to %(most)s of such parts could "
                "be failed.",
                "%(count)s good parts are too few: even with no overkill among them, up to %(most)s of such parts "
                "could be failed.",
                number,
                most=percent_at_most(most),
            )
        )
    return _plain(sentences)


def _fruitless(evaluation: Evaluation, texts: Texts) -> tuple[str, ...]:
    """A sentence where no box is found, no answer has a true word, or embeddings do not separate classes."""
    measured: Mapping[str, Measure] = evaluation.measures
    if evaluation.target.locates:
        right, wrong, missed = _box_counts(evaluation)
        if missed and not right:
            clauses = [
                texts.count(
                    "This inspector finds no box: 0 of %(count)s true box",
                    "This inspector finds no box: 0 of %(count)s true boxes",
                    missed,
                )
            ]
            if wrong:
                clauses.append(
                    texts.count(
                        "%(count)s box that it draws is wrong", "%(count)s boxes that it draws are wrong", wrong
                    )
                )
            return (texts("%(sentence)s.", sentence=texts("; ").join(clauses)),)
    if evaluation.target is Target.TEXT and measured.get("token_f1", _NOTHING).value == 0:
        return (texts("No answer of this inspector has a word of the true answer."),)
    pairs = measured.get("verification_auroc", _NOTHING)
    if _by_chance(pairs, 0.5):
        return (
            texts(
                "Its embeddings separate pairs of two classes from pairs of one no better than chance: AUROC of pairs "
                "%(figure)s.",
                figure=value("verification_auroc", pairs.value),
            ),
        )
    return ()


def _guessed(evaluation: Evaluation, verdicts: Sequence[Verdict], auroc: Measure, texts: Texts) -> tuple[str, ...]:
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
    figure = _figure("balanced_accuracy", measure, texts)
    if names:
        sentence = texts(
            "Its classes are no better than a guess among %(classes)s, as far as these parts show: balanced accuracy "
            "%(figure)s.",
            classes=classes,
            figure=figure,
        )
    else:
        sentence = texts(
            "Its decisions are no better than chance, as far as these parts show: balanced accuracy %(figure)s.",
            figure=figure,
        )
    return (sentence,)


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


def _box_sentence(evaluation: Evaluation, texts: Texts) -> str:
    right, wrong, missed = _box_counts(evaluation)
    of_true = texts.count(
        "%(some)s of %(count)s true box", "%(some)s of %(count)s true boxes", right + missed, some=right
    )
    sentence = texts.count("%(boxes)s is found", "%(boxes)s are found", right, boxes=of_true)
    if not right + missed:
        sentence = texts("There is no true box in these pictures")
    if right + wrong:
        of_drawn = texts.count(
            "%(some)s of the %(count)s box drawn", "%(some)s of the %(count)s boxes drawn", right + wrong, some=right
        )
        drawn = texts.count("%(boxes)s is right", "%(boxes)s are right", right, boxes=of_drawn)
        sentence = texts("%(found)s, and %(drawn)s", found=sentence, drawn=drawn)
    figures = [
        texts("%(measure)s is %(value)s", measure=title(name, texts), value=value(name, measure.value))
        for name in ("map", "map_50")
        if (measure := evaluation.measures.get(name, _NOTHING)).value is not None
    ]
    return texts("%(sentence)s.", sentence=texts("; ").join([sentence, *figures]))


def _text_sentence(evaluation: Evaluation, texts: Texts) -> str:
    exact, f1 = (evaluation.measures.get(name, _NOTHING) for name in ("exact_match", "token_f1"))
    right = texts(
        "%(share)s of the answers have the words of the true answer in its order",
        share=value("exact_match", exact.value),
    )
    return texts(
        "%(right)s; F1 of the words is %(f1)s.",
        right=_with_span(right, "exact_match", exact, texts),
        f1=value("token_f1", f1.value),
    )


def _figure(name: str, measure: Measure, texts: Texts) -> str:
    """The value with its interval, where there is one."""
    return _with_span(value(name, measure.value), name, measure, texts)


def _with_span(before: str, name: str, measure: Measure, texts: Texts) -> str:
    """A text with the interval in brackets behind it, where there is one."""
    span = interval(name, measure, texts)
    return texts("%(before)s (two-sided 95 %% interval %(span)s)", before=before, span=span) if span else before


def _plain(sentences: Sequence[str]) -> tuple[str, ...]:
    """Sentences with ordinary spaces; a page binds numbers to their units itself."""
    return tuple(sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in sentences)
