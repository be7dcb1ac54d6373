"""Training: from a data set and a family to a run folder."""

from kenpin.training.crossfit import out_of_fold
from kenpin.training.job import train
from kenpin.training.listener import Epoch, Listener, Step
from kenpin.training.schedules import cosine_with_warmup

__all__ = ["Epoch", "Listener", "Step", "cosine_with_warmup", "out_of_fold", "train"]
