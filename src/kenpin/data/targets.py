"""What can be learned of a picture: its label, the boxes on it, or the answer to a question."""

from __future__ import annotations

from dataclasses import dataclass

from kenpin.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Target:
    """An annotation that families learn and evaluations measure."""

    column: str
    """Of `kenpin.data.dataset.SCHEMA`; None in it where nobody annotated the picture."""
    one: str
    several: str
    picture: str
    """What an annotated picture is called."""


TARGETS = {
    "label": Target("label", "a label", "labels", "labelled picture"),
    "boxes": Target("box_labels", "annotated boxes", "boxes", "picture with annotated boxes"),
    "text": Target("suffix", "an answer", "answers (suffix)", "picture with an answer"),
}


def annotated(dataset: Dataset, target: str) -> Dataset:
    """The pictures that have this annotation."""
    column = dataset.column(TARGETS[target].column)
    return dataset.select(place for place, value in enumerate(column) if value is not None)


def classes_of_each(dataset: Dataset, target: str) -> list[set[str]]:
    """The classes that are annotated on each picture: its label's, or its boxes'; an answer is of none."""
    if target == "label":
        return [{label} for label in dataset.column("label")]
    if target == "boxes":
        return [set(labels) for labels in dataset.column("box_labels")]
    return [set() for _ in range(len(dataset))]
