"""Export: a run's network with its adapters merged, for other programs and as a base; or a package that only judges."""

from kenpin.export.networks import export_merged, export_npz
from kenpin.export.packages import export_package
from kenpin.export.quantised import export_int8

__all__ = ["export_int8", "export_merged", "export_npz", "export_package"]
