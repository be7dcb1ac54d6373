"""Decisions about parts: thresholds from costs or from good parts, verdicts, and exact bounds on wrong ones."""
