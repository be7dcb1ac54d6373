"""Names for people: of families and of a record's fields, and of files without the folders that they lie in."""

from __future__ import annotations

import re
from pathlib import PurePath

from markupsafe import Markup

from kenpin.evaluation.measures import MEASURES
from kenpin.words import ENGLISH, Texts
from kenpin.words.sentences import SETTINGS

TITLES = {
    "base_commit": "Revision of the base",
    "base_id": "Base",
    "basis": "Chosen",
    "cost_escape": "Cost of an escape",
    "cost_overkill": "Cost of an overkill",
    "cost_review": "Cost of a review",
    "created": "Made",
    "data": "Data set",
    "dataset": "Data set",
    "defect_rate": "Share of defective parts",
    "device": "Device",
    "expected_cost": "Expected cost per part",
    "fail_from": "FAIL from",
    "families": "Families",
    "family": "Family",
    "files": "Hash of the file",
    "fingerprint": "Fingerprint",
    "format": "Format",
    "image_size_wh": "Size of its input in pixels, width and height",
    "labels": "Classes",
    "ok_labels": "Classes that are OK",
    "options": "Settings",
    "out": "Run folder",
    "path": "Folder or file",
    "pictures": "Pictures",
    "before": "Updated from",
    "precision": "Number format",
    "review_from": "REVIEW from",
    "schema_version": "Version of the record",
    "scores": "Scores",
    "seal": "Seal of the record",
    "seconds": "Seconds of training",
    "threshold": "Threshold",
    "versions": "Version",
}
"""Titles of a run record's fields; titles of measures are in `kenpin.evaluation.measures`."""
FAMILIES = {
    "classifier": "Classifier",
    "embedder": "Embedder",
    "florence2": "Florence-2",
    "mahalanobis": "Mahalanobis-Taguchi unit space",
    "paligemma": "PaliGemma",
    "vlm": "Chat model for pictures",
}
_ALONE = r"""(?<![^\s"'“‘(\[`=,;])"""  # where a path may begin: not within a word, an address or a fraction
_FOLDERS = re.compile(rf"{_ALONE}(?:/(?:[^/\s]+/)*(?=[^/\s])|[A-Za-z]:\\(?:[^\\\s]+\\)*(?=[^\\\s]))")


def field_title(key: str, texts: Texts = ENGLISH) -> str:
    """The title of a record's field; a key that is a file's name is its own title, and an unknown one stays English."""
    measure = MEASURES.get(key)
    title = TITLES.get(key) or (measure and measure.title)
    if title or "." in key:
        return texts(title) if title else key
    name = key.replace("_", " ")
    if name in SETTINGS:
        return texts(name)
    return name if texts.language == "en" else Markup('<span lang="en">{}</span>').format(name)


def family_title(family: str, texts: Texts = ENGLISH) -> str:
    """The title of a family."""
    return texts(FAMILIES[family]) if family in FAMILIES else family


def without_folders(text: str) -> str:
    """The text with every absolute path reduced to its last name: a page is shared, the disks' layout is not.

    >>> without_folders("/srv/lot8/ok/1.png: is cut short. Copy it again, at 3 m/s.")
    '1.png: is cut short. Copy it again, at 3 m/s.'
    """
    return _FOLDERS.sub("", text)


def picture_name(id: str) -> str:
    """A picture's id, which is its path below the data set; the file's name for a picture elsewhere."""
    path = PurePath(id)
    return path.name if path.is_absolute() else without_folders(id)
