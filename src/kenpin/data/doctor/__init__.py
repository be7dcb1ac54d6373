"""The doctor: what is wrong with a data set, where, and how to mend it, before anything is trained."""

from kenpin.data.doctor.examination import Examination, Sizes, as_json, examine, examine_dataset
from kenpin.data.doctor.rendering import render, verdict

__all__ = ["Examination", "Sizes", "as_json", "examine", "examine_dataset", "render", "verdict"]
