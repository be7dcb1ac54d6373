"""Unit spaces made on their items, and restored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import OptionError, UnitSpaceError
from kenpin.models.bases import Announced, BaseRecord, check_base
from kenpin.models.beside import NetworkBeside
from kenpin.models.contract import Inspector, Task
from kenpin.models.mahalanobis.decoding import SPACE_FILE, read_space
from kenpin.models.mahalanobis.inspector import UnitSpaceInspector
from kenpin.models.mahalanobis.items import item_source, of_table, same_source
from kenpin.models.mahalanobis.options import (
    CELLS_TOGETHER,
    LITE0_LAYER_SETS,
    MAP_LITE0_LAYER_SETS,
    MAP_LITE0_LAYERS,
    TILE_LITE0_LAYERS,
    MahalanobisOptions,
)
from kenpin.models.mahalanobis.patch_inspector import PatchSpaceInspector
from kenpin.models.mahalanobis.selection import check_count, divide_parts
from kenpin.models.mahalanobis.several_inspector import SeveralPatchSpaces
from kenpin.models.networks.backbones import BUILT_IN, TOY_LAYERS, load_backbone
from kenpin.models.networks.layers import in_quarters
from kenpin.models.networks.several import SeveralBackbones, several_of
from kenpin.models.networks.sizes import announced_together
from kenpin.models.networks.vision import quarters_of
from kenpin.run.record import is_run
from kenpin.targets import Target

_FEWEST_PARTS, _FEWEST_TOGETHER = 12, 2
"""While one or a fifth of them is held out, a unit space needs the others."""


class MahalanobisFamily:
    """Inspectors that learn from good parts alone."""

    Options = MahalanobisOptions
    target = Target.LABEL
    good_alone = True
    reads_tables = True

    def in_one_pass(self, options: MahalanobisOptions) -> bool:
        """Always."""
        return True

    def fewest_good(self, options: MahalanobisOptions) -> int:
        """Two where the cells of one part are enough for their common space; else as many as its items need."""
        return _FEWEST_TOGETHER if options.where in CELLS_TOGETHER else _FEWEST_PARTS

    def fewer_good(self, options: MahalanobisOptions, good: int) -> str:
        """By their cells together."""
        if good < _FEWEST_TOGETHER:
            return ""
        return f"take --where {' or '.join(CELLS_TOGETHER)}, for which {_FEWEST_TOGETHER} are enough"

    def trimmed_share(self, options: MahalanobisOptions) -> float:
        """As the option says."""
        return options.trim

    def made_defects(self, options: MahalanobisOptions) -> int:
        """As the option says."""
        return options.made_defects

    def learns_defects(self, options: MahalanobisOptions) -> bool:
        """As the option says."""
        return options.learn_defects

    def limits_by_law(self, options: MahalanobisOptions) -> bool:
        """As the option says."""
        return options.is_by_law

    def layer_sets(self, options: MahalanobisOptions) -> tuple[tuple[int, ...], ...]:
        """A few where the option says so: all quarters of the depth, the two in its middle, and each alone."""
        if not options.choose_layers:
            return ()
        if options.base == "lite0":
            return LITE0_LAYER_SETS if options.where == "none" else MAP_LITE0_LAYER_SETS
        if options.base != "toy" and is_run(Path(options.base)):
            raise OptionError(f"option `choose_layers` does nothing with base {options.base}, a run; leave it out.")
        quarters = in_quarters(TOY_LAYERS) if options.base == "toy" else quarters_of(options.base)
        if quarters is None:
            raise OptionError(
                f"option `choose_layers`: base {options.base} has no layers of one size to choose among; name them."
            )
        first = quarters if options.where != "none" else quarters[-1:]
        alone = ((layer,) for layer in quarters)
        return tuple(dict.fromkeys((first, quarters, *((quarters[1:3],) if len(quarters) > 2 else ()), *alone)))

    def on_layers(self, options: MahalanobisOptions, layers: tuple[int, ...]) -> MahalanobisOptions:
        """As a user who names them."""
        return options.model_copy(update={"layers": layers, "choose_layers": False})

    def check(self, training: Dataset, options: MahalanobisOptions, task: Task, lineage: Lineage) -> None:
        """Require good parts for a unit space, where defects are learned a defective part, and where items are selected
        parts of both kinds to choose and to confirm by. Raises UnitSpaceError, DatasetError."""
        is_good = [label in task.ok_labels for label in training.column("label")]
        if options.where not in CELLS_TOGETHER:
            check_count(sum(is_good), "ledoit-wolf" if options.where != "none" else options.ridge)
        elif not any(is_good):
            raise UnitSpaceError("unit space: 0 good parts to fit to; at least 1 is needed. Add good parts.")
        if options.learn_defects:
            _check_defects(training, is_good, tiled=options.tile_px is not None)
        if options.select_items:
            divide_parts(training, is_good, options.confirm_share, options.seed, lineage)

    def settled(self, options: MahalanobisOptions) -> MahalanobisOptions:
        """For maps by the tokens of a network a layer of each quarter of its depth, which see defects of different
        kinds."""
        if options.where == "none" or options.layers is not None or options.base in BUILT_IN or options.choose_layers:
            return options
        return options.model_copy(update={"layers": quarters_of(options.base)})

    def announced(self, options: MahalanobisOptions) -> Announced | None:
        """Size of the weights of bases from transformers."""
        return announced_together([options.base, *(one.name for one in options.networks_beside)])

    def create(self, options: MahalanobisOptions, task: Task) -> Inspector:
        """An inspector on its base, or on the table of the task. Raises OptionError, MissingExtraError, RunError."""
        if options.where != "none":
            return _of_cells(options, task)
        source = item_source(options, task.labels, task.items)
        return UnitSpaceInspector(source, task, options)

    def restore(self, folder: Path, base: BaseRecord, options: MahalanobisOptions, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        if options.where != "none":
            inspector = _of_cells(options, task)
            check_base(base, inspector.base)
            return inspector.restored(folder)
        space, items, columns = read_space(folder / SPACE_FILE, options.method)
        source = of_table(columns) if columns else same_source(base, options, task.labels)
        check_base(base, source.base)
        return UnitSpaceInspector(source, task, options, space, items)


def _check_defects(training: Dataset, is_good: Sequence[bool], *, tiled: bool) -> None:
    """Require a defective part, and of tiles that something marks each defect. Raises UnitSpaceError."""
    bad = training.select(row for row, good in enumerate(is_good) if not good)
    if not len(bad):
        raise UnitSpaceError(
            "option `learn_defects`: 0 defective parts to learn from; at least 1 is needed. Add some, or leave the "
            "option out."
        )
    unmarked = np.flatnonzero(~bad.has_any("mask", "boxes_xyxy_px"))
    if tiled and len(unmarked):
        raise UnitSpaceError(
            f"option `learn_defects`: nothing marks the defect of {bad[int(unmarked[0])].id}, so that nobody knows "
            "which of its tiles show it; give it boxes or a mask, or leave `tile_px` out."
        )


def _of_cells(options: MahalanobisOptions, task: Task) -> PatchSpaceInspector | SeveralPatchSpaces:
    assert options.where != "none"
    if task.items:
        raise OptionError("option `where` does nothing with a table of numbers; leave it out.")
    layers = options.lite0_layers if options.base == "lite0" else options.layers
    backbone = load_backbone(options.base, task.labels, options.seed, layers=layers, picture_px=options.picture_px)

    def layers_of(one: NetworkBeside) -> tuple[int, ...] | None:
        if one.name == "lite0":
            return MAP_LITE0_LAYERS if options.tile_px is None else TILE_LITE0_LAYERS
        return None if one.name in BUILT_IN else quarters_of(one.name)

    backbone = several_of(backbone, options.networks_beside, task.labels, options.seed, layers_of).frozen()
    if isinstance(backbone, SeveralBackbones):
        return SeveralPatchSpaces(backbone, task, options)
    return PatchSpaceInspector(backbone.uncropped(options.has_view), task, options)


FAMILY = MahalanobisFamily()
