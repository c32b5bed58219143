"""Folders of a spec that differ from run to run: Airflow renders the Jinja in ``batch.input`` and ``batch.output``."""

from __future__ import annotations

import re

import jinja2
from jinja2 import nodes

_MARKS = re.compile(r"\{[{%#]")


def is_template(text: str) -> bool:
    """Return True if a text has Jinja in it."""
    return _MARKS.search(text) is not None


def fixed_folder(place: str) -> str:
    """Return the folder or URL above the first Jinja of a place: the place itself if it has none, empty if all is."""
    found = _MARKS.search(place)
    if found is None:
        return place
    folder = place[: found.start()].rpartition("/")[0]
    return "" if folder.endswith(":/") else folder  # nothing but the scheme of a URL


def variables_in(text: str) -> set[str]:
    """Return the names of the values that a template uses, not those of its filters."""
    return {node.name for node in jinja2.Environment(autoescape=True).parse(text).find_all(nodes.Name)}


def require_template(text: str) -> None:
    """
    Check the syntax of a place; one without Jinja passes.

    :raises ValueError: it cannot be parsed.
    """
    if not is_template(text):
        return
    try:
        jinja2.Environment(autoescape=True).parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"its template is wrong: {error.message}") from None
