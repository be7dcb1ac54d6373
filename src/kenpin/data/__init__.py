"""Labelled pictures: reading, checking, splitting and writing them."""

from kenpin.data.dataset import Dataset
from kenpin.data.doctor import examine, examine_pair
from kenpin.data.formats import Format
from kenpin.data.images import read_image
from kenpin.data.loading import load_dataset, write_dataset
from kenpin.data.reading import Note, Reading
from kenpin.data.reading.box_forms import BoxForm
from kenpin.data.reading.pictures import PictureCopier, id_below
from kenpin.data.roboflow import download_export

__all__ = [
    "BoxForm",
    "Dataset",
    "Format",
    "Note",
    "PictureCopier",
    "Reading",
    "download_export",
    "examine",
    "examine_pair",
    "id_below",
    "load_dataset",
    "read_image",
    "write_dataset",
]
