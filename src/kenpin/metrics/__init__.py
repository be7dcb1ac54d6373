"""Measures of an inspector on arrays: confusion, ranking, calibration, and how far chance could move them."""

from kenpin.metrics.calibration import calibration_error, calibration_interval, reliability_curve
from kenpin.metrics.intervals import paired_ranking_interval, ranking_interval, wilson
from kenpin.metrics.ranking import auroc
from kenpin.metrics.text import edit_distance, exact_match, token_f1

__all__ = [
    "auroc",
    "calibration_error",
    "calibration_interval",
    "edit_distance",
    "exact_match",
    "paired_ranking_interval",
    "ranking_interval",
    "reliability_curve",
    "token_f1",
    "wilson",
]
