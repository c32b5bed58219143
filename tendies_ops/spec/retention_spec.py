"""The records of runs and releases that are kept."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveInt

from tendies_ops.spec.dag_settings import Cron
from tendies_ops.spec.strict_model import SpecPart


class RetentionSpec(SpecPart):
    """
    The records of batches and releases to keep. Results, ledgers and versions are not among them.

    A spec that has it makes the DAG ``tendies_tidy_<model>``.
    """

    keep_runs: PositiveInt = Field(100, description="newest runs of each output, and newest reports of releases")
    keep_days: NonNegativeFloat = Field(90.0, description="days for which all of them are kept")
    cron: Cron | None = Field("30 4 * * 0", description="when the DAG runs, in `airflow.timezone`; null: only by hand")
