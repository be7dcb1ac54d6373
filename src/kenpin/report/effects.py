"""Results of an item selection: the S/N ratio with and without each item, and the effect of the selection."""

from __future__ import annotations

from itertools import groupby

from kenpin.report import words
from kenpin.report.drawing import Change, Figure, change_chart, linear_axis
from kenpin.taguchi.selection import ItemGain, Selection
from kenpin.visible import beginning
from kenpin.words import ENGLISH, Texts

_ROWS = 24
_LETTERS = 22  # most letters of a name; those of Japanese and Chinese count twice


def effects_figure(selection: Selection, texts: Texts = ENGLISH) -> Figure:
    """The effect plot: groups of items by falling gain; of many groups, those with the largest and the smallest."""
    groups = [list(group) for _, group in groupby(sorted(selection.gains, key=_by_gain), key=lambda gain: gain.group)]
    half = _ROWS // 2
    shown = groups if len(groups) <= _ROWS else [*groups[:half], *groups[-half:]]
    changes = [_change(group) for group in shown]
    values = [value for change in changes for value in (change.before, change.after)]
    axis = linear_axis(texts("S/N ratio, dB"), min(values), max(values))
    kept = sum(group[0].kept for group in groups)
    caption = [
        texts("From the runs without it (ring) to those with it (dot); to the right, defective parts are farther away.")
    ]
    if shown is not groups:
        caption.append(
            texts.count(
                "The %(half)s largest and %(half)s smallest of %(count)s gain are shown.",
                "The %(half)s largest and %(half)s smallest of %(count)s gains are shown.",
                len(groups),
                half=half,
            )
        )
    of_groups = texts.count(
        "%(some)s of %(count)s group of items", "%(some)s of %(count)s groups of items", len(groups), some=kept
    )
    described = texts.count(
        "%(groups)s is kept; %(most)s gains most.",
        "%(groups)s are kept; %(most)s gains most.",
        kept,
        groups=of_groups,
        most=changes[0].name,
    )
    title = texts("Effect of each item")
    return Figure(
        title,
        change_chart(title, described, changes, axis),
        texts.in_a_row(caption),
        (("ok", texts("kept")), ("bad", texts("dropped"))),
    )


def confirmation_sentence(selection: Selection, texts: Texts = ENGLISH) -> str:
    """A sentence on the reduced space's results on parts that were held out from the choice."""
    confirmed, kept = selection.confirmation, len(selection.kept)
    about = texts.count(
        "%(items)s is kept, by %(runs)s of an orthogonal array on %(parts)s: %(kept_db)s dB with them, %(all_db)s dB "
        "with all.",
        "%(items)s are kept, by %(runs)s of an orthogonal array on %(parts)s: %(kept_db)s dB with them, %(all_db)s dB "
        "with all.",
        kept,
        items=texts.count("%(some)s of %(count)s item", "%(some)s of %(count)s items", len(selection.gains), some=kept),
        runs=texts.count("%(count)s run", "%(count)s runs", selection.runs),
        parts=texts.count("%(count)s defective part", "%(count)s defective parts", selection.defective),
        kept_db=f"{selection.kept_db:.1f}",
        all_db=f"{selection.all_db:.1f}",
    )
    if confirmed is None:
        return texts("%(about)s The choice was not confirmed on other parts.", about=about)
    change = words.change("auroc", confirmed.change, texts)
    if interval := words.change_interval("auroc", confirmed.change, texts):
        change = texts("%(before)s (two-sided 95 %% interval %(span)s)", before=change, span=interval)
    return texts.count(
        "%(about)s On %(good)s good and %(count)s defective part held out, AUROC is %(kept)s with the kept items and "
        "%(all)s with all: a change of %(change)s, %(verdict)s.",
        "%(about)s On %(good)s good and %(count)s defective parts held out, AUROC is %(kept)s with the kept items and "
        "%(all)s with all: a change of %(change)s, %(verdict)s.",
        confirmed.defective,
        about=about,
        good=confirmed.good,
        kept=f"{confirmed.auroc_kept:.3f}",
        all=f"{confirmed.auroc_all:.3f}",
        change=change,
        verdict=texts("more than chance explains") if confirmed.lost else texts("no loss beyond chance"),
    )


def _by_gain(gain: ItemGain) -> tuple[float, int]:
    return -gain.gain_db, gain.group


def _name(group: list[ItemGain]) -> str:
    more = f" +{len(group) - 1}" if len(group) > 1 else ""
    return beginning(group[0].item, _LETTERS - len(more)) + more


def _change(group: list[ItemGain]) -> Change:
    first = group[0]
    return Change(_name(group), first.without_db, first.with_db, "ok" if first.kept else "bad")
