"""A unit space as an inspector: D²/k of a part's items, and each item's share of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.data.targets import of_labels
from kenpin.errors import OptionError, RunError, UnitSpaceError
from kenpin.files import write_json
from kenpin.models.contract import Batch, Progress, Task
from kenpin.models.copies import apiece, copies_by
from kenpin.models.framed import framing_by
from kenpin.models.looking.ways import distance_maps
from kenpin.models.mahalanobis.decoding import NAMES_FILE, SPACE_FILE, AnySpace, SpaceDecoding
from kenpin.models.mahalanobis.graph import write_graph
from kenpin.models.mahalanobis.items import ItemSource
from kenpin.models.mahalanobis.options import MahalanobisOptions, keeps_moments
from kenpin.models.mahalanobis.selection import Portions, check_count, choose, divide_parts
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.tiles import LearnedFrom, for_learning, tiling_by
from kenpin.plural import counted, was_were
from kenpin.quality.threshold import threshold_from_quantile
from kenpin.records import Example, Map, Threshold
from kenpin.records_json import to_json
from kenpin.run.seal import REMEDY
from kenpin.taguchi import AdjugateSpace, Moments, PairMoments, RecognitionSpace, UnitSpace, sum_of_fourth_powers
from kenpin.taguchi.limits import chi_square_limit, f_limit, tolerance_limit
from kenpin.taguchi.selection import Selection
from kenpin.targets import Target

SELECTION = "selection.json"
"""File of a run's model folder: the chosen items, and how the choice was confirmed."""


_LAWS = ("chi-square", "f")
"""Limits by the distribution of the distance."""


class UnitSpaceInspector(SpaceDecoding):
    """A space of good parts on the items of a source."""

    batch_size = None

    def __init__(
        self,
        source: ItemSource,
        task: Task,
        options: MahalanobisOptions,
        space: AnySpace | None = None,
        items: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__(task, space, items, source.names)
        self.base, self.image_size_wh, self.module = source.base, source.image_size_wh, source.module
        self.encode, self.extract, self.table_items = source.encode, source.extract, source.table_items
        self.processor = source.processor
        self.tiling, self.framing = tiling_by(options), framing_by(options)
        self.copies = copies_by(options, task.labels, task.ok_labels)
        self._source, self._options = source, options
        self._selection: Selection | None = None

    def infer(self, batch: Batch) -> Batch:
        """The features as they are: the unit space is no network."""
        return batch

    def items_of(self, features: NDArray[np.float32]) -> NDArray[Any]:
        """The items of the space, where it standardises them in units of the good parts' spread. (n, d) -> (n, k)."""
        space, items = self._fitted()
        chosen = features[:, items]
        return chosen if isinstance(space, RecognitionSpace) else (chosen - space.mean_) / space.scale_

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """Maps of the distance, by its items' shares. Raises OptionError."""
        space, items = self._fitted()
        extract = self.extract
        if isinstance(space, RecognitionSpace) or extract is None:
            raise OptionError("a map needs the shares of single items of a picture; take method mt or mta.")
        if way not in (None, "shares") or label is not None:
            raise OptionError("this run's map shows shares of the distance; leave --way and --label out.")

        def chosen(x: Tensor) -> Tensor:
            return extract({"pixel_values": x})[:, items]

        return distance_maps(self, chosen, space.contributions, space.mean_, images)

    def fit(self, training: Dataset, lineage: Lineage, progress: Progress) -> tuple[str, ...]:
        """Learn the space from the good parts alone, and perhaps the choice of items from the others.

        The rows are read block by block. Raises UnitSpaceError, OptionError, DatasetError, MissingExtraError.
        """
        options = self._options
        is_good = [label in self._task.ok_labels for label in training.column("label")]
        self._check_law(lineage.seen(training), is_good, lineage)
        learned = self._learned_from(training)
        training, is_good = learned.pictures, [is_good[row] for row in learned.rows]
        check_count(sum(is_good) // apiece(learned.copies), options.ridge)
        if options.select_items:
            portions = divide_parts(training, is_good, options.confirm_share, options.seed, lineage)
        else:
            portions = Portions([row for row, good in enumerate(is_good) if good], [], [], [])
        rows = self._source.rows(self, training.select(portions.all_rows), progress)
        good = rows[: sum(is_good)]
        moments = Moments.of(good)
        varying = self._varying(moments)
        chosen = varying
        notes = []
        if options.select_items:
            self._selection, sentence = choose(
                rows,
                portions,
                chosen,
                [self._source.names[item] for item in self._source.candidates[chosen]],
                UnitSpace(options.ridge),
                options,
                progress,
            )
            notes.append(sentence)
            confirmed = self._selection.confirmation
            if confirmed is None or not confirmed.lost:
                chosen = chosen[list(self._selection.kept)]
        of_items = moments.of_items(chosen)
        if options.method == "rt":
            self._take(RecognitionSpace().fit(good[:, chosen]), chosen)
        else:
            self._take(self._fit_space(of_items, lambda: sum_of_fourth_powers(good, of_items, chosen)), chosen)
        return (*notes, *self._sentences(len(good), len(varying)))

    def _learned_from(self, training: Dataset) -> LearnedFrom:
        """The pictures as they are looked at, or the tiles of the good ones, with their copies; rows of a table as they
        are."""
        return for_learning(self, training, Target.LABEL, self._task.ok_labels, good_alone=True)

    @property
    def cannot_update(self) -> str | None:
        """Method rt compares each part with the mean pattern of all, which moves with every part."""
        if self._options.method != "rt":
            return None
        return "method rt compares every part with the mean of all, which others would move; train again on all parts."

    def limit_of_law(self) -> Threshold | None:
        """The limit by the distribution of the distance."""
        return self.limit(()) if self._options.limit in _LAWS else None

    @property
    def keeps_moments(self) -> bool:
        """Whether a run is to keep the moments of its good parts."""
        return keeps_moments(self._options, len(self._source.candidates))

    def moments_of(self, training: Dataset, progress: Progress) -> PairMoments:
        """Moments of all features of the good parts that may be items."""
        good = self._learned_from(of_labels(training, self._task.ok_labels))
        return PairMoments.of(self._source.rows(self, good.pictures, progress))

    def fit_moments(self, moments: PairMoments) -> tuple[str, ...]:
        """Learn the space from moments of `moments_of`. Selected items stay selected; else all that vary are taken.
        Raises UnitSpaceError, OptionError, RunError."""
        candidates = self._source.candidates
        if moments.mean.shape != candidates.shape:
            raise RunError(f"the moments are those of other items than the run's; {REMEDY}.")
        varying = chosen = self._varying(moments.moments)
        if self._options.select_items:
            _, items = self._fitted()
            chosen = np.intersect1d(np.flatnonzero(np.isin(candidates, items)), varying)
        of_items, weights = moments.moments.of_items(chosen), np.zeros(len(candidates))
        weights[chosen] = 1 / of_items.scale
        self._take(self._fit_space(of_items, lambda: float(moments.sum_of_fourth_powers(weights))), chosen)
        return self._sentences(moments.count, len(varying))

    def limit(self, good_scores: Sequence[float]) -> Threshold | None:
        """The threshold by a law or by good parts, where the options ask for it. Raises OptionError, UnitSpaceError."""
        options, (space, _) = self._options, self._fitted()
        law = space.space_ if isinstance(space, RecognitionSpace) else space
        if options.limit == "costs":
            return None
        if options.limit == "quantile" and options.confidence is None:
            unseen = counted(len(good_scores), "part")
            basis = f"{options.good_passed:.2%} of good parts pass, by {unseen} that the space has not seen."
            return threshold_from_quantile(good_scores, options.good_passed, basis)
        if options.limit == "quantile" and options.confidence is not None:
            cut = tolerance_limit(good_scores, options.good_passed, options.confidence, space.scale)
        else:
            cut = (chi_square_limit if options.limit == "chi-square" else f_limit)(law, options.good_passed)
        return Threshold(cut.on(space.scale), None, cut.basis)

    def save(self, folder: Path) -> None:
        """Write the space's arrays, its items, and how they were selected; the base is loaded again by its id."""
        space, items = self._fitted()
        arrays: dict[str, Any] = {"items": items, **space.to_arrays()}
        if self.table_items:
            arrays["names"] = np.array(self.table_items)
        np.savez(folder / SPACE_FILE, **arrays)
        if self._selection is not None:
            content = json.dumps(to_json(self._selection), ensure_ascii=False, indent=1, allow_nan=False)
            (folder / SELECTION).write_text(content, encoding="utf-8")

    def packed(self) -> OnEngine:
        """The features of pictures."""
        assert isinstance(self.extract, OnEngine), "a table is written by write_table_graph"
        return self.extract

    def write_table_graph(self, file: Path) -> str:
        """The whole of a unit space of a table, with its calibration."""
        space, items = self._fitted()
        write_graph(file, space, items, self.table_items, self.calibration)
        return space.scale

    def write_decision(self, folder: Path) -> None:
        """The space's arrays, and the names of the features of pictures."""
        self.save(folder)
        if not self.table_items:  # its names are with the arrays
            write_json(folder / NAMES_FILE, {"names": list(self._source.names)})

    def _check_law(self, seen: Sequence[bool], is_good: Sequence[bool], lineage: Lineage) -> None:
        """Refuse a law of the distance where items were learned from the same parts: these lie nearer together than any
        others will. Raises OptionError."""
        count = sum(good and was for good, was in zip(is_good, seen, strict=True))
        if self._options.limit in _LAWS and count:
            raise OptionError(
                f"option `limit` {self._options.limit}: {lineage.having()} learned from {count} of "
                f"{counted(sum(is_good), 'good part')}, and other parts do not follow their law; take limit quantile "
                "or costs, or parts that it has not seen."
            )

    def _varying(self, moments: Moments) -> NDArray[np.int64]:
        """Indices of the candidates that vary among the good parts. Raises UnitSpaceError where none does."""
        # a channel that is constant over all good parts has no scale to measure a distance in
        varying = np.flatnonzero(moments.scale > self._source.least_spread * np.abs(moments.mean).clip(1e-6))
        if not len(varying):
            kind = "row" if self.table_items else "picture"
            raise UnitSpaceError(
                f"unit space: all good parts ({moments.count}) are the same {kind} to base {self.base.id}. Add others."
            )
        return varying

    def _fit_space(self, of_items: Moments, fourth_powers: Callable[[], float]) -> AnySpace:
        """By moments of the chosen items, and the sum of ‖z‖⁴ over all parts where the ridge needs it."""
        options = self._options
        if options.method == "mta":
            return AdjugateSpace().fit_moments(of_items)
        space = UnitSpace(options.ridge, options.inverse)
        powers = fourth_powers() if space.needs_fourth_powers else None
        return space.fit_moments(of_items, powers, apiece(self.copies))

    def _take(self, space: AnySpace, chosen: NDArray[np.int64]) -> None:
        self._space, self._items = space, self._source.candidates[chosen]
        if self._options.limit in _LAWS:
            self.limit(())  # refused here, before anything is saved

    def _sentences(self, rows: int, varying: int) -> tuple[str, ...]:
        space, items = self._fitted()
        good = rows // apiece(self.copies)
        silent = len(self._source.candidates) - varying
        left_out = f" {counted(silent, 'item')} without variation {was_were(silent)} left out." if silent else ""
        held = counted(good, "good part" if self.tiling is None else "tile")
        sentence = _space_sentence(space, held, len(items)) + left_out
        return (sentence,) if self.copies is None else (sentence, self.copies.in_words())


def _space_sentence(space: AnySpace, held: str, items: int) -> str:
    content = f"The unit space holds {held} and {counted(items, 'item')}"
    if isinstance(space, RecognitionSpace):
        return f"{content}, as sensitivity and deviation from their mean pattern."
    if isinstance(space, AdjugateSpace):
        return f"{content}, by the adjugate" + (
            ", which judges the one relation they keep." if space.singular_ else "."
        )
    return f"{content}, " + (f"rank {space.rank_}." if space.inverse == "pseudo" else f"ridge {space.ridge_:.4f}.")
