"""What Airflow needs to know about the model's DAGs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, StringConstraints, field_validator

from tendies_ops.spec.cron import require_cron
from tendies_ops.spec.strict_model import SpecPart

#: Airflow refuses longer ones, and the whole DAG file with them.
Tag = Annotated[str, StringConstraints(max_length=100)]


class AirflowSpec(SpecPart):
    """The DAGs ``tendies_release_<model>`` and ``tendies_batch_<model>``."""

    owner: str = "tendies"
    tags: tuple[Tag, ...] = ()
    batch_cron: str | None = Field(None, description="cron expression (UTC), besides the model's asset")
    server_conn_id: str = "tf_serving_default"
    retries: NonNegativeInt = 2
    retry_delay_s: PositiveFloat = 30.0
    description: str = ""
    watch_dir: Path | None = Field(
        None, description="directory whose new checkpoints are released by themselves; the triggerer must see it"
    )
    watch_interval_s: PositiveFloat = 10.0
    shards: PositiveInt = Field(
        1, description="split a batch into tasks, of which at most so many run at a time, on any worker"
    )
    pool: str | None = Field(
        None, description="Airflow pool that holds back a batch's tasks; a release and a rollback never wait in it"
    )
    python: str | None = Field(None, description="interpreter that has TensorFlow; default Airflow's own")
    rehearse: bool = Field(True, description="let a version prove itself in a child process before it is published")
    export_timeout_s: PositiveFloat = 1800.0
    deferrable: bool = Field(
        False, description="a release waits for batch runs in the triggerer, which must see the model base path"
    )

    @field_validator("batch_cron")
    @classmethod
    def _is_cron(cls, text: str | None) -> str | None:
        if text:
            require_cron(text)
        return text
