"""The Mahalanobis-Taguchi system in plain arrays, estimators in scikit-learn's form."""

from kenpin.taguchi.unit_space import UnitSpace

__all__ = ["UnitSpace"]
