"""Which columns of a Hugging Face table hold boxes and their classes: a nested column, or two at the top level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NESTED = ("objects", "annotations", "detections", "targets")
_BOXES = ("bbox", "bboxes", "boxes", "box", "bounding_boxes", "bounding_box")
_CLASSES = (
    "category", "categories", "label", "labels", "class", "classes", "category_name", "class_name", "names", "name",
    "category_id", "category_ids", "class_id", "class_ids", "class_labels",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BoxCells:
    """Where the boxes of a row stand. Names of columns, or of the fields of `nested`."""

    nested: str | None
    boxes: str
    classes: str | None
    features: Mapping[str, Any]
    is_single: bool = False
    """Whether a row holds one box, four numbers, in place of a list of them."""

    @property
    def columns(self) -> set[str]:
        """The columns of the table that are read."""
        return {self.nested} if self.nested else {self.boxes, *([self.classes] if self.classes else [])}

    def of_row(self, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The lists of a row by their names; None where the row says nothing about boxes."""
        cells = row if self.nested is None else row.get(self.nested)
        if isinstance(cells, list):
            found = [item if isinstance(item, Mapping) else {} for item in cells]
            return {key: [item.get(key) for item in found] for key in self.features}
        if not isinstance(cells, Mapping) or cells.get(self.boxes) is None:
            return None
        if self.is_single:
            return {self.boxes: [cells[self.boxes]], **({self.classes: [cells[self.classes]]} if self.classes else {})}
        return cells


def box_cells(features: Mapping[str, Any]) -> BoxCells | None:
    """Where a table with these columns holds boxes; None where it seems to hold none."""
    names = [*(name for name in _NESTED if name in features), *features]
    for name in dict.fromkeys(names):
        inner = inner_features(features[name])
        boxes = next((key for key in _BOXES if key in inner), None)
        if boxes is not None:
            return BoxCells(name, boxes, next((key for key in _CLASSES if key in inner), None), inner)
    for name in (key for key in _BOXES if key in features):
        if not is_list(features[name]):
            continue
        is_single = not is_list(item_feature(features[name]))
        classes = next((key for key in _CLASSES if key in features and is_list(features[key]) != is_single), None)
        return BoxCells(None, name, classes, features, is_single)
    return None


def item_feature(feature: Any) -> Any:
    """The feature of a list's elements; any other feature itself."""
    return feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", feature)


def inner_features(feature: Any) -> Mapping[str, Any]:
    """The features of a dict of lists, or of a list of dicts."""
    inner = item_feature(feature)
    return inner if isinstance(inner, Mapping) else {}


def is_list(feature: Any) -> bool:
    """Whether a column holds lists."""
    return isinstance(feature, list) or hasattr(feature, "feature")


def may_be_boxes(feature: Any) -> bool:
    """Whether a column holds dicts, or lists of dicts or of lists: an annotation of some form."""
    inner = item_feature(feature)
    return isinstance(inner, Mapping) or (is_list(feature) and is_list(inner))
