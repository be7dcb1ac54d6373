"""Labelled pictures: reading, checking, splitting and writing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset
    from kenpin.data.doctor import examine, examine_pair
    from kenpin.data.formats import Format
    from kenpin.data.images import read_image
    from kenpin.data.loading import load_dataset, write_dataset
    from kenpin.data.made_defects import MadeDefect, make_defect
    from kenpin.data.reading import Note, Reading
    from kenpin.data.reading.box_forms import BoxForm
    from kenpin.data.reading.pictures import PictureCopier, id_below
    from kenpin.data.roboflow import download_export

__all__ = [
    "BoxForm",
    "Dataset",
    "Format",
    "MadeDefect",
    "Note",
    "PictureCopier",
    "Reading",
    "download_export",
    "examine",
    "examine_pair",
    "id_below",
    "load_dataset",
    "make_defect",
    "read_image",
    "write_dataset",
]

# who asks one thing of data does not wait for the doctor and every format
__getattr__ = on_first_use(
    __name__,
    {
        "BoxForm": "reading.box_forms",
        "Dataset": "dataset",
        "Format": "formats",
        "MadeDefect": "made_defects",
        "Note": "reading",
        "PictureCopier": "reading.pictures",
        "Reading": "reading",
        "download_export": "roboflow",
        "examine": "doctor",
        "examine_pair": "doctor",
        "id_below": "reading.pictures",
        "load_dataset": "loading",
        "make_defect": "made_defects",
        "read_image": "images",
        "write_dataset": "loading",
    },
)
