"""
For a checkout that is on the path but not installed: registers the plugin for Airflow.

An installed tendies registers itself by its entry point. Registering it twice would make Airflow drop other plugins in
task processes, so this file stands back then.
"""

from __future__ import annotations

from importlib.metadata import entry_points

if not any(entry_point.name == "tendies" for entry_point in entry_points(group="airflow.plugins")):
    from tendies_ops.plugin import TendiesPlugin  # noqa: F401 - Airflow looks for it among the module's names
