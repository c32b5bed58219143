"""Values of a spec that differ from run to run: Airflow renders the Jinja in them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

import jinja2
from jinja2 import meta, nodes
from pydantic import AfterValidator

_MARKS = re.compile(r"\{[{%#]")
#: What scheduled runs have, and runs that an event or a user has started do not.
DATED_NAMES = frozenset(("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz")).union(
    ("logical_date", "data_interval_start", "data_interval_end")
)
KNOWN_NAMES = DATED_NAMES.union(
    ("conn", "dag", "dag_run", "inlet_events", "inlets", "macros", "outlet_events", "outlets", "params", "run_id"),
    ("partition_date", "partition_key", "prev_data_interval_start_success", "prev_data_interval_end_success"),
    ("prev_start_date_success", "prev_end_date_success", "task", "task_instance", "task_instance_key_str", "ti"),
    ("test_mode", "triggering_asset_events", "try_number", "var"),
)
#: What those who write specs, or administrate Airflow, decide on, and not those who trigger a run.
TRUSTED_NAMES = DATED_NAMES.union(("conn", "macros", "var"))
#: Those that Airflow adds to Jinja's.
FILTERS = ("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz")
_JINJA = jinja2.Environment(autoescape=True)
_JINJA.filters.update(dict.fromkeys(FILTERS, str))


class SettingsDisagreeError(ValueError):
    """A setting that needs or excludes another one; ``location`` leads to its key."""

    def __init__(self, message: str, location: tuple[str, ...]) -> None:
        super().__init__(message)
        self.location = location


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
    """Return the names that a template takes from the context of the run."""
    return meta.find_undeclared_variables(_JINJA.parse(text)) - _JINJA.globals.keys()


def dates_needed_by(text: str) -> set[str]:
    """Return the names of :data:`DATED_NAMES` that a template uses without asking whether they are defined."""
    asked: set[str] = set()
    for node in _JINJA.parse(text).find_all((nodes.Test, nodes.Filter)):
        if isinstance(node.node, nodes.Name) and node.name in ("defined", "undefined", "default", "d"):
            asked.add(node.node.name)
    return (variables_in(text) & DATED_NAMES) - asked


def templates_in(key: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield the key and the text of each template in a value, which may be a list or a mapping."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else (value,)
    for part in parts:
        if isinstance(part, str) and is_template(part):
            yield key, part


def without_template(value: object) -> object:
    """
    Return a value that Airflow does not render.

    :raises ValueError: there is Jinja in it, which would be taken literally.
    """
    for part in value if isinstance(value, tuple | list) else (value,):
        if part is not None and is_template(str(part)):
            raise ValueError("templates are rendered in the settings of a batch only, not here")
    return value


#: Annotates a setting that Airflow does not render.
Fixed = AfterValidator(without_template)


def require_template(text: str) -> None:
    """
    Check the syntax of a template and the names in it; a text without Jinja passes.

    :raises ValueError: it cannot be parsed, or a name is not one of Airflow's.
    """
    if not is_template(text):
        return
    try:
        unknown = sorted(variables_in(text) - KNOWN_NAMES)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"its template is wrong: {error.message}") from None
    if unknown:
        nearest = difflib.get_close_matches(unknown[0], KNOWN_NAMES, n=1)
        hint = f"did you mean `{nearest[0]}`?" if nearest else "`params`, `var`, `conn` and `dag_run` lead to more"
        raise ValueError(f"its template uses `{unknown[0]}`, which no run has; {hint}")
