"""Labelled pictures: reading, checking, splitting and writing them."""

from kenpin.data.dataset import Dataset
from kenpin.data.doctor import examine, examine_pair
from kenpin.data.formats import Format
from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset, write_dataset
from kenpin.data.reading import Note
from kenpin.data.reading.content import tell
from kenpin.data.reading.pictures import PictureCopier, id_below
from kenpin.data.roboflow import download_export

__all__ = [
    "Dataset",
    "Format",
    "Note",
    "PictureCopier",
    "download_export",
    "examine",
    "examine_pair",
    "id_below",
    "load_dataset",
    "read_image",
    "tell",
    "write_dataset",
]
