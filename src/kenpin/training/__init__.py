"""Training: from a data set and a family to a run folder."""

from kenpin.training.crossfit import out_of_fold
from kenpin.training.job import train
from kenpin.training.listener import Epoch, Listener, Step

__all__ = ["Epoch", "Listener", "Step", "out_of_fold", "train"]
