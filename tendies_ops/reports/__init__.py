"""Reports for people: contact sheets and pages."""

from __future__ import annotations

from tendies_ops.reports.contact_sheet import write_contact_sheet
from tendies_ops.reports.page import ReportPage

__all__ = ["ReportPage", "write_contact_sheet"]
