"""Results of an item selection: the S/N ratio with and without each item, and the effect of the selection."""

from __future__ import annotations

from itertools import groupby

from kenpin.plural import counted, is_are
from kenpin.report import words
from kenpin.report.drawing import Change, Figure, change_chart, linear_axis
from kenpin.taguchi.selection import ItemGain, Selection

_ROWS = 24
_LETTERS = 22  # most letters of a name


def effects_figure(selection: Selection) -> Figure:
    """The effect plot: groups of items by falling gain; of many groups, those with the largest and the smallest."""
    groups = [list(group) for _, group in groupby(sorted(selection.gains, key=_by_gain), key=lambda gain: gain.group)]
    half = _ROWS // 2
    shown = groups if len(groups) <= _ROWS else [*groups[:half], *groups[-half:]]
    changes = [_change(group) for group in shown]
    values = [value for change in changes for value in (change.before, change.after)]
    axis = linear_axis("S/N ratio, dB", min(values), max(values))
    kept = sum(group[0].kept for group in groups)
    left_out = (
        ""
        if shown is groups
        else f" The {half} largest and {half} smallest of {counted(len(groups), 'gain')} are shown."
    )
    return Figure(
        "Effect of each item",
        change_chart(
            "Effect of each item",
            f"{kept} of {counted(len(groups), 'group of items', 'groups of items')} {is_are(kept)} kept; "
            f"{changes[0].name} gains most.",
            changes,
            axis,
        ),
        "From the runs without it (ring) to those with it (dot); to the right, defective parts are farther away."
        f"{left_out}",
        (("ok", "kept"), ("bad", "dropped")),
    )


def confirmation_sentence(selection: Selection) -> str:
    """A sentence on the reduced space's results on parts that were held out from the choice."""
    confirmed, kept = selection.confirmation, len(selection.kept)
    with_all = f"{selection.kept_db:.1f} dB with them, {selection.all_db:.1f} dB with all"
    about = (
        f"{kept} of {counted(len(selection.gains), 'item')} {is_are(kept)} kept, by {counted(selection.runs, 'run')} "
        f"of an orthogonal array on {counted(selection.defective, 'defective part')}: {with_all}."
    )
    if confirmed is None:
        return f"{about} The choice was not confirmed on other parts."
    interval = words.change_interval("auroc", confirmed.change)
    within = f" (two-sided 95 % interval {interval})" if interval else ""
    verdict = "more than chance explains" if confirmed.lost else "no loss beyond chance"
    return (
        f"{about} On {confirmed.good} good and {counted(confirmed.defective, 'defective part')} held out, AUROC is "
        f"{confirmed.auroc_kept:.3f} with the kept items and {confirmed.auroc_all:.3f} with all: a change of "
        f"{words.change('auroc', confirmed.change)}{within}, {verdict}."
    )


def _by_gain(gain: ItemGain) -> tuple[float, int]:
    return -gain.gain_db, gain.group


def _name(group: list[ItemGain]) -> str:
    more = f" +{len(group) - 1}" if len(group) > 1 else ""
    name, room = group[0].item, _LETTERS - len(more)
    return (name if len(name) <= room else f"{name[: room - 1]}…") + more


def _change(group: list[ItemGain]) -> Change:
    first = group[0]
    return Change(_name(group), first.without_db, first.with_db, "ok" if first.kept else "bad")
