"""Options of a unit space."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kenpin.config import TOY, CopyOptions, TransformOptions
from kenpin.models.beside import BesideOptions
from kenpin.strict_options import InGroup, OptionGroup
from kenpin.taguchi import PairMoments
from kenpin.taguchi.selection import DEFAULT_FACTORS

LITE0_LAYERS = (6,)
MAP_LITE0_LAYERS = (4, 5, 6)
"""Stages of Lite0 whose features make a map: on real solar cells better than earlier and later ones."""
TILE_LITE0_LAYERS = (3, 4)
"""The same of tiles: they see scratches as well and less far around, so that a map has no seams (benchmarks, Tiles)."""
_LAWS = ("chi-square", "f")
"""Limits by the distribution of the distance."""
LITE0_LAYER_SETS = (LITE0_LAYERS, (5,), (4,), (3,), MAP_LITE0_LAYERS)
MAP_LITE0_LAYER_SETS = (MAP_LITE0_LAYERS, (3, 4, 5), (2, 3, 4), (4,), (5,), (6,))
"""Sets of stages that made defects choose among: neighbouring ones together, and single ones."""
_MOST_BYTES = 64_000_000
"""Of moments that are kept without being asked for."""

CELLS_TOGETHER = ("pooled", "neighbours")
"""Maps of which the cells of all places make one unit space: those of a single part are enough for it."""


class MahalanobisOptions(BesideOptions, CopyOptions):
    """Options of `kenpin train mahalanobis`."""

    group: ClassVar[OptionGroup] = "model"

    base: str = Field(
        "lite0",
        description="Network whose features are the items: lite0 (EfficientNet-Lite0), a hub id, a folder of "
        "save_pretrained, or a run folder, whose embeddings they are; "
        f"{TOY}. Of a table of numbers its columns are the items.",
    )
    layers: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None,
        min_length=1,
        description="Layers of the base whose features are items: stages 0 to 6 of lite0, by default 6, with where 4 "
        "5 6, of tiles 3 4; 1 to the last of another network, by default the last, with where a layer of each quarter "
        "of the depth.",
    )
    where: Literal["none", "positions", "pooled", "neighbours"] = Field(
        "none",
        description="Map the distance over the picture: by a unit space for each cell of the map (positions), by one "
        "for the patches of all cells, for parts that move (pooled), or from the nearest patch of a good part in that "
        "space (neighbours).",
    )
    object: Literal["none", "brightness", "features"] = Field(  # type: ignore[assignment]
        "none",
        description="Look at the part alone: what is brighter, or darker, than the border of its picture (brightness); "
        "with where, the cells on one side of the first principal component of good parts' features (features).",
    )
    join_layers: Literal["together", "apart"] = Field(
        "together",
        description="With where pooled: one unit space of all layers (together), or one of each, of which that "
        "counts which finds a cell, or the whole picture, farthest from what is usual (apart).",
    )
    kept_cells: Annotated[int, InGroup("advanced")] = Field(
        10_000, ge=1, description="Patches of good parts that are kept, at most, with where neighbours."
    )
    learn_defects: bool = Field(
        False,
        description="With where: learn what the defective training parts look like too, by their masks, boxes or "
        "labels alone, and weigh the distance of each cell by how like them it is.",
    )
    place_items: Annotated[int, InGroup("advanced")] = Field(
        200, ge=1, description="Items of each cell of the map, at most, with where positions."
    )
    method: Literal["mt", "mta", "rt"] = Field(
        "mt",
        description="Mahalanobis-Taguchi; with the adjugate matrix; or by recognition, from two figures of all items.",
    )
    inverse: Annotated[Literal["ridge", "pseudo"], InGroup("advanced")] = Field(
        "ridge", description="How method mt inverts the correlation matrix: with a ridge, or by its pseudo-inverse."
    )
    ridge: Annotated[Annotated[float, Field(ge=0, lt=1)] | Literal["ledoit-wolf"], InGroup("advanced")] = Field(
        "ledoit-wolf",
        description="Share of the identity in the correlation matrix: a number, or ledoit-wolf to estimate it.",
    )
    select_items: bool = Field(
        False, description="Keep only the items that tell known defective training parts apart, by an orthogonal array."
    )
    keep_share: Annotated[float, InGroup("advanced")] = Field(
        0.5, gt=0, le=1, description="Largest share of the items that a selection keeps."
    )
    confirm_share: Annotated[float, InGroup("advanced")] = Field(
        0.3, gt=0, lt=1, description="Share of the training parts set aside to confirm a selection."
    )
    factors: Annotated[int, InGroup("advanced")] = Field(
        DEFAULT_FACTORS,
        ge=2,
        description="Columns of the orthogonal array; more items than that are selected in groups.",
    )
    trim: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="Share of the good parts, at most, that may be bad: those that lie apart from the others are left "
        "out of the fit and of the threshold, and named.",
    )
    made_defects: Annotated[int, InGroup("decision")] = Field(
        0,
        ge=0,
        description="Defects to make in copies of held-out good parts, where no real one is known: by them the costs "
        "choose the threshold.",
    )
    choose_layers: bool = Field(
        False, description="Choose the layers among a few sets, by how well made defects are told from good parts."
    )
    cluster: str | None = Field(
        None,
        description="Have features computed by workers of Ray before the fit: local, or the address of a cluster whose "
        "machines share the folders (extra `cluster`).",
    )
    updatable: Annotated[Literal["auto", "always", "never"], InGroup("advanced")] = Field(
        "auto",
        description="Keep moments of the good parts in the run, with which `kenpin update` adds others; auto: where "
        "they take at most 64 MB.",
    )
    limit: Annotated[Literal["costs", "chi-square", "f", "quantile"], InGroup("decision")] = Field(
        "costs",
        description="How the limit is set from which parts fail: by costs, by a distribution of the distance, or by a "
        "quantile of good parts.",
    )
    good_passed: Annotated[float, InGroup("decision")] = Field(
        0.99, gt=0, lt=1, description="Share of good parts that pass a limit that is not set by costs."
    )
    confidence: Annotated[float | None, InGroup("decision")] = Field(
        None, gt=0, lt=1, description="Confidence with which limit quantile passes that share; by default the estimate."
    )

    def idle(self) -> frozenset[str]:
        """Names of the options that do nothing beside the others."""
        return frozenset(self._idle())

    def _idle(self) -> dict[str, str]:
        """Names of the options that do nothing, each with the option that makes it idle."""
        idle: dict[str, str] = {}
        if self.where != "positions":
            idle["place_items"] = f"where {self.where}"
        if self.finds_object:
            idle["updatable"] = "object features"
        if self.where == "none":
            idle["learn_defects"] = "where none"
        elif self.learn_defects:
            idle["updatable"] = "learn_defects"
        if self.join_layers == "apart":
            idle["updatable"] = "join_layers apart"
        if self.beside and self.where != "none":
            idle["updatable"] = "several networks"
        if self.where != "pooled":
            idle["join_layers"] = f"where {self.where}"
        if self.where != "neighbours":
            idle["kept_cells"] = f"where {self.where}"
        else:
            idle["updatable"] = "where neighbours"
        if self.where != "none":
            idle |= dict.fromkeys(("method", "inverse", "select_items", "limit"), f"where {self.where}")
        if self.inverse == "pseudo":
            idle |= dict.fromkeys(("ridge", "select_items"), "inverse pseudo")
        if self.method != "mt":
            idle |= dict.fromkeys(("inverse", "ridge", "select_items"), f"method {self.method}")
        if self.method == "rt":
            idle["updatable"] = "method rt"
        if not self.augmented_copies:
            idle |= dict.fromkeys(TransformOptions.own_fields(), "no --augmented-copies")
        if not self.made_defects:
            idle["choose_layers"] = "no --made-defects"
        if not self.select_items:
            idle |= dict.fromkeys(("keep_share", "confirm_share", "factors"), "no --select-items")
        if self.limit == "costs":
            idle |= dict.fromkeys(("good_passed",), "limit costs")
        else:
            costs = ("cost_escape", "cost_overkill", "cost_review", "defect_rate")
            idle |= dict.fromkeys(costs, f"limit {self.limit}")
        if self.limit != "quantile":
            idle["confidence"] = f"limit {self.limit}"
        return idle

    @property
    def lite0_layers(self) -> tuple[int, ...]:
        """Stages of Lite0 whose features are items: the last sees whole pictures, earlier ones separate cells."""
        if self.layers is not None:
            return self.layers
        return LITE0_LAYERS if self.where == "none" else MAP_LITE0_LAYERS if self.tile_px is None else TILE_LITE0_LAYERS

    @model_validator(mode="before")
    @classmethod
    def _stages_of_old_runs(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Options of runs of the first edition: `stages` of Lite0, which other bases had at their defaults."""
        if "stages" not in values or "layers" in values:
            return values
        rest = {name: value for name, value in values.items() if name != "stages"}
        if values.get("base", "lite0") == "lite0":
            return rest | {"layers": values["stages"]}
        return rest if tuple(values["stages"]) in (LITE0_LAYERS, MAP_LITE0_LAYERS) else values

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> Self:
        """A setting that others overrule is a misunderstanding, not a default."""
        reasons = self._idle()
        if (name := self.first_set(reasons)) is not None:
            raise ValueError(f"`{name}` does nothing with {reasons[name]}; leave it out or change the other.")
        if self.tile_px is not None:
            self._refuse_tiles()
        if self.finds_object and self.where == "none":
            raise ValueError("`object` features is found among the cells of a map; give `where`, or take brightness.")
        if self.finds_object and self.join_layers == "apart":
            raise ValueError(
                "`object` features looks at some cells, and `join_layers` apart at the mean of all; leave one out."
            )
        self._refuse_beside()
        self._refuse_copies()
        seen = self.where != "none" or self.has_view or self.augmented_copies
        if self.cluster is not None and (seen or self.made_defects):
            raise ValueError(
                "`cluster` computes features of whole pictures as they are; leave it or what is asked of "
                "their places, views, copies or made defects out."
            )
        if self.choose_layers and self.layers is not None:
            raise ValueError("`choose_layers` and `layers` exclude each other; leave one of them out.")
        if self.made_defects and self.calibrate != "none":
            raise ValueError(
                "`calibrate` needs real defects, whose share scores are to tell; leave it or `made_defects` out."
            )
        if self.made_defects and self.limit == "costs" and self.defect_rate is None:
            raise ValueError(
                "`made_defects` say nothing of how many parts are defective; give that share with `defect_rate`."
            )
        if self.limit != "costs" and self.calibrate != "none":
            raise ValueError(
                f"`limit` {self.limit} holds for the distance itself; take limit costs, or set calibrate none."
            )
        if self.limit == "f" and self.method == "mt" and self.inverse == "ridge" and self.ridge != 0:
            raise ValueError("`limit` f holds without a ridge alone; set ridge 0, or take another limit.")
        return self

    def _refuse_beside(self) -> None:
        """What stands on the features of a single network."""
        of_one = {
            "cluster": self.cluster is not None,
            "choose_layers": self.choose_layers,
            "join_layers": self.join_layers == "apart",
            "learn_defects": self.learn_defects,
            "object": self.finds_object,
        }
        for name, is_set in of_one.items():
            if self.beside and is_set:
                value = str(getattr(self, name)).lower()
                raise ValueError(f"`{name}` {value} is for a single network, and `beside` names others; leave one out.")

    def _refuse_copies(self) -> None:
        """What holds for parts that have nothing to do with one another."""
        if not self.augmented_copies:
            return
        if self.is_by_law:
            raise ValueError(
                f"`limit` {self.limit} is for parts that are independent of one another, and `augmented_copies` makes "
                "others of each; take limit quantile or costs, or leave one out."
            )
        if self.ridge == 0:
            raise ValueError(
                "`ridge` 0 needs more parts than items, and `augmented_copies` makes no further ones; set another "
                "ridge, or leave one out."
            )
        if self.select_items:
            raise ValueError(
                "`select_items` weighs items by parts as they are, and `augmented_copies` makes others of each; leave "
                "one out."
            )

    @property
    def finds_object(self) -> bool:
        """Whether the part is found by features, among the cells of a map."""
        return self.object == "features"

    @property
    def is_by_law(self) -> bool:
        """Whether the limit follows from the distribution of the distance."""
        return self.limit in _LAWS

    def _refuse_tiles(self) -> None:
        """What holds for whole pictures alone: places of a part, and the law of one distance."""
        of_whole = {
            "where": self.where == "positions",
            "object": self.finds_object,
            "select_items": self.select_items,
            "limit": self.is_by_law,
        }
        for name, is_of_whole in of_whole.items():
            if is_of_whole:
                value = str(getattr(self, name)).lower()
                raise ValueError(f"`{name}` {value} is for whole pictures, and `tile_px` cuts them; leave one out.")


def keeps_moments(options: MahalanobisOptions, items: int, cells: int = 1) -> bool:
    """Whether a run with these options keeps the moments of so many items, of each of so many cells."""
    if (options.method == "rt" and options.where == "none") or options.where == "neighbours":
        return False
    if options.join_layers == "apart" or options.learn_defects or options.finds_object:
        return False
    small = PairMoments.bytes_of(items, cells) <= _MOST_BYTES
    return options.updatable == "always" or (options.updatable == "auto" and small)
