"""What Airflow needs to know about the model's DAGs."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt

from tendies_ops.spec.base import SpecPart


class AirflowSpec(SpecPart):
    """The DAGs ``tendies_release_<model>`` and ``tendies_batch_<model>``."""

    owner: str = "tendies"
    tags: tuple[str, ...] = ()
    batch_cron: str | None = Field(None, description="cron expression (UTC), besides the model's asset")
    server_conn_id: str = "tf_serving_default"
    retries: NonNegativeInt = 2
    description: str = ""
