"""Packages: a run's network for an engine, with all that decides; they judge without torch, and train no more."""

from kenpin.models.package.opening import Package, folder_of_report, is_package, open_package
from kenpin.models.package.record import DECISION, PACKAGE, RUN, PackageRecord

__all__ = ["DECISION", "PACKAGE", "RUN", "Package", "PackageRecord", "folder_of_report", "is_package", "open_package"]
