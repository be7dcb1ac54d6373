"""Training: from a data set and a family to a run folder."""

from kenpin.training.job import train

__all__ = ["train"]
