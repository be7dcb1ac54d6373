"""Targets of training and evaluation: a picture's label, its boxes, or the answer to a question."""

from __future__ import annotations

from enum import StrEnum


class Target(StrEnum):
    """An annotation that families learn and evaluations measure; in files its name."""

    column: str
    """Of `kenpin.data.dataset.SCHEMA`; None in it where nobody annotated the picture."""
    one: str
    several: str
    picture: str
    """Noun phrase of an annotated picture."""
    judges: bool
    """Whether it separates good parts from defective ones."""
    locates: bool
    """Whether it has positions on a picture: several or none."""

    LABEL = "label", "label", "a label", "labels", "labelled picture", True, False
    BOXES = "boxes", "box_labels", "annotated boxes", "boxes", "picture with annotated boxes", True, True
    TEXT = "text", "suffix", "an answer", "answers (suffix)", "picture with an answer", False, False

    def __new__(cls, name: str, *about: str | bool) -> Target:
        target = str.__new__(cls, name)
        target._value_ = name
        for attribute, value in zip(cls.__annotations__, about, strict=True):
            setattr(target, attribute, value)
        return target
