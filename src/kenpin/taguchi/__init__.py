"""The Mahalanobis-Taguchi system in plain arrays, estimators in scikit-learn's form."""

from kenpin.taguchi.unit_space import UnitSpace, parts_needed

__all__ = ["UnitSpace", "parts_needed"]
