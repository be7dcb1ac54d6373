"""The Mahalanobis-Taguchi system in plain arrays, estimators in scikit-learn's form."""

from kenpin.taguchi.adjugate import AdjugateSpace
from kenpin.taguchi.graded import SignalEstimator
from kenpin.taguchi.gram_schmidt import GramSchmidtSpace
from kenpin.taguchi.limits import Limit, chi_square_limit, f_limit, tolerance_limit
from kenpin.taguchi.moments import Moments, sum_of_fourth_powers
from kenpin.taguchi.pair_moments import PairMoments
from kenpin.taguchi.recognition import RecognitionSpace
from kenpin.taguchi.selection import select_items
from kenpin.taguchi.shares import quadratic_shares
from kenpin.taguchi.unit_space import UnitSpace, parts_needed

__all__ = [
    "AdjugateSpace",
    "GramSchmidtSpace",
    "Limit",
    "Moments",
    "PairMoments",
    "RecognitionSpace",
    "SignalEstimator",
    "UnitSpace",
    "chi_square_limit",
    "f_limit",
    "parts_needed",
    "quadratic_shares",
    "select_items",
    "sum_of_fourth_powers",
    "tolerance_limit",
]
