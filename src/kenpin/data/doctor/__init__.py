"""The doctor: what is wrong with a data set, where, and how to mend it, before anything is trained."""

from kenpin.data.doctor.between import PairExamination, examine_pair, pair_as_json
from kenpin.data.doctor.examination import Examination, Sizes, as_json, examine, examine_dataset
from kenpin.data.doctor.rendering import render, render_pair, verdict

__all__ = [
    "Examination",
    "PairExamination",
    "Sizes",
    "as_json",
    "examine",
    "examine_dataset",
    "examine_pair",
    "pair_as_json",
    "render",
    "render_pair",
    "verdict",
]
