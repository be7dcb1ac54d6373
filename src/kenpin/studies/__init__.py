"""Studies of decisions in Python: each takes rows, and returns what it found as sentences, charts and tables."""

from kenpin.studies.drift import study_drift
from kenpin.studies.embeddings import Embeddings, read_embeddings
from kenpin.studies.gage import study_gage
from kenpin.studies.rows import Rows, read_rows
from kenpin.studies.succession import Candidate, Succession, study_succession
from kenpin.studies.threshold import study_threshold, with_truth

__all__ = [
    "Candidate",
    "Embeddings",
    "Rows",
    "Succession",
    "read_embeddings",
    "read_rows",
    "study_drift",
    "study_gage",
    "study_succession",
    "study_threshold",
    "with_truth",
]
