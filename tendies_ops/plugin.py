"""The Airflow plugin: wiring only."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class TendiesPlugin(AirflowPlugin):
    """Registers what tendies adds to Airflow's UI."""

    name = "tendies"
