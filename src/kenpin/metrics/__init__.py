"""Measures of an inspector on arrays: confusion, ranking, calibration, and how far chance could move them."""
