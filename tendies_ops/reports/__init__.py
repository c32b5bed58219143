"""Reports for people: contact sheets and pages."""

from __future__ import annotations

from tendies_ops.reports.contact_sheet import write_contact_sheet
from tendies_ops.reports.page import write_report_page

__all__ = ["write_contact_sheet", "write_report_page"]
