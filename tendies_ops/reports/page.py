"""A report as one HTML file, which needs only the contact sheet in the same folder."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from tendies_ops.files import write_text_atomically

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --line: light-dark(#e2e6ec, #333f52); }
body { font: 14px/1.43 Inter, -apple-system, BlinkMacSystemFont, "Segoe UI", Helvetica, Arial, sans-serif;
  max-width: 1200px; margin: 1.5rem auto; padding: 0 .75rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.counts { display: flex; flex-wrap: wrap; gap: 1rem; }
.counts div { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .75rem; }
.counts b { display: block; font-size: 1.5rem; }
.red { color: light-dark(#b00020, #ff8f9d); } .green { color: light-dark(#136c2e, #72d495); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .6rem .25rem 0;
border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
img { max-width: 100%; }
</style>
</head>
<body>
<h1>{{ title }}: <span class="{{ 'green' if ok else 'red' }}">{{ verdict }}</span></h1>
<div class="counts">
{% for name, value in counts.items() %}<div><b>{{ value }}</b>{{ name }}</div>
{% endfor %}</div>
<h2>Run</h2>
<table>
{% for name, value in facts.items() %}<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</table>
{% if contact_sheet %}<h2>Before and after</h2>
<img src="{{ contact_sheet }}" alt="pairs of pictures, before on the left and after on the right">
{% endif %}{% if optimized_sheet %}<h2>The optimised version</h2>
<p><a href="{{ optimized_sheet }}">float32, what was served, and their difference times eight</a></p>
{% endif %}{% if downloads %}<h2>Tables</h2>
<ul>
{% for name, address in downloads.items() %}<li><a href="{{ address }}">{{ name }}</a></li>
{% endfor %}</ul>
{% endif %}{% if failures %}<h2>Failures</h2>
{% for kind, group in failures|groupby("kind") %}<h3>{{ kind|replace("_", " ") }} ({{ by_kind.get(kind) }})</h3>
<table>
{% for failure in group %}<tr><td>{{ failure.input }}</td><td>{{ failure.reason }}</td></tr>
{% endfor %}</table>
{% endfor %}{% endif %}</body>
</html>
"""


@functools.cache
def _template() -> jinja2.Template:
    return jinja2.Environment(autoescape=True).from_string(_PAGE)


def write_report_page(  # noqa: PLR0913 # what a page shows, by keyword
    path: Path,
    *,
    title: str,
    ok: bool,
    verdict: str,
    counts: Mapping[str, Any],
    facts: Mapping[str, Any],
    failures: Sequence[Mapping[str, str]] = (),
    by_kind: Mapping[str, int] | None = None,
    contact_sheet: str = "",
    optimized_sheet: str = "",
    downloads: Mapping[str, str] | None = None,
) -> Path:
    """
    Write a page for people.

    :param counts: shown large: name -> number.
    :param facts: shown as a table.
    :param failures: each with ``input``, ``kind`` and ``reason``.
    :param by_kind: how many there are of each kind, also beyond those listed.
    :param contact_sheet: its address, relative to the page.
    :param optimized_sheet: of a version whose graph was rewritten: what that changes; its address as well.
    :param downloads: title -> address of further files, relative to the page.
    """
    text = _template().render(
        title=title,
        ok=ok,
        verdict=verdict,
        counts=counts,
        facts=facts,
        failures=failures,
        by_kind=by_kind or {},
        contact_sheet=contact_sheet,
        optimized_sheet=optimized_sheet,
        downloads=downloads or {},
    )
    write_text_atomically(path, text.encode("utf-8", "replace").decode(), durable=False)
    return path
