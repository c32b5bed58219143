"""A report as one HTML file, which needs only the contact sheet in the same folder."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from tendies_ops.files import write_text_atomically


@functools.cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("tendies_ops.reports")
    return jinja2.Environment(loader=loader, autoescape=True).get_template("report.html")


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """A page for people. Addresses are relative to it."""

    title: str
    ok: bool
    verdict: str
    counts: Mapping[str, Any]  #: shown large: name -> number
    facts: Mapping[str, Any]  #: shown as a table
    failures: Sequence[Mapping[str, str]]  #: each with ``input``, ``kind`` and ``reason``
    by_kind: Mapping[str, int]  #: how many there are of each kind, also beyond those listed
    contact_sheet: str  #: its address; empty without a sheet
    optimized_sheet: str  #: of a version whose graph was rewritten: what that changes; its address as well
    downloads: Mapping[str, str]  #: title -> address of further files

    def write(self, path: Path) -> None:
        """Write the page."""
        text = _template().render(vars(self))
        write_text_atomically(path, text.encode("utf-8", "replace").decode(), durable=False)
