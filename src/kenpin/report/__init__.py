"""The report: one self-contained page, drawn from a run folder's saved results alone."""

from kenpin.report.content import ReportContent, read_content
from kenpin.report.findings import Findings, write_findings
from kenpin.report.headline import headline
from kenpin.report.page import render_report, write_report
from kenpin.run.thumbnails import read_thumbnails, write_thumbnails

__all__ = [
    "Findings",
    "ReportContent",
    "headline",
    "read_content",
    "read_thumbnails",
    "render_report",
    "write_findings",
    "write_report",
    "write_thumbnails",
]
