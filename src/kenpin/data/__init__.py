"""Labelled pictures: reading, checking, splitting and writing them."""

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset, write_dataset

__all__ = ["Dataset", "load_dataset", "write_dataset"]
