"""The Mahalanobis-Taguchi system in plain arrays, estimators in scikit-learn's form."""

from kenpin.taguchi.adjugate import AdjugateSpace
from kenpin.taguchi.graded import SignalEstimator
from kenpin.taguchi.gram_schmidt import GramSchmidtSpace
from kenpin.taguchi.moments import Moments, sum_of_fourth_powers
from kenpin.taguchi.recognition import RecognitionSpace
from kenpin.taguchi.unit_space import UnitSpace, parts_needed

__all__ = [
    "AdjugateSpace",
    "GramSchmidtSpace",
    "Moments",
    "RecognitionSpace",
    "SignalEstimator",
    "UnitSpace",
    "parts_needed",
    "sum_of_fourth_powers",
]
