"""What the cluster does: a release, 2,000 pictures as soon as it has gone through, a rollback, smaller batches."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from tendies_ops.dag_factory import rollback_dag
from tendies_ops.operators.assets import model_asset
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.spec import ModelSpec, ReleaseSpec

PLACE = Path(os.environ["AIRFLOW_HOME"]).parent

with DAG("cluster_release"):
    ReleaseModelVersionOperator(
        task_id="release",
        saved_model_dir=str(PLACE / "candidate"),
        options=ReleaseSpec(model_config_file=PLACE / "models" / "config" / "models.config"),
        rehearse=False,
        outlets=[model_asset("stripes")],
    )

with DAG("cluster_batch", schedule=[model_asset("stripes")]):
    batch_inference_group(
        input_path=str(PLACE / "pictures"),
        output_path=str(PLACE / "results"),
        model_name="stripes",
        shards=4,
        pictures_per_shard=200,
        max_batch_size=8,
        options={"max_concurrency": 1, "timeout_s": 5.0, "provenance": False},
        pool="tf_serving",
        retries=4,
        retry_delay=timedelta(seconds=2),
    )

SPEC = ModelSpec.model_validate(
    {
        "model_name": "stripes",
        "source": {"checkpoint": "unused.keras"},
        "release": {"model_config_file": str(PLACE / "models" / "config" / "models.config")},
        "airflow": {"pool": "tf_serving"},
    }
)

rollback = rollback_dag(SPEC)

#: Name of the DAG -> its folder of results, the pictures that it takes, and how it is divided.
SHARDED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "cluster_night": ("night", "0[0-4]*.png", {"shards": 48, "pictures_per_shard": 10, "max_batch_size": 2}),
    "cluster_long_shards": ("long", "0[0-7]*.png", {"shards": 4, "pictures_per_shard": 200, "max_batch_size": 1}),
}
for dag_id, (results, include, division) in SHARDED.items():
    with DAG(dag_id, schedule=None):
        batch_inference_group(
            input_path=str(PLACE / "pictures"),
            output_path=str(PLACE / results),
            include=[include],
            model_name="stripes",
            options={"max_concurrency": 1, "provenance": False},
            pool=SPEC.airflow.pool,
            retries=SPEC.airflow.retries,
            retry_delay=timedelta(seconds=SPEC.airflow.retry_delay_s),
            **division,
        )

with DAG("cluster_few", schedule=None, params={"output": ""}):
    BatchInferenceOperator(
        task_id="infer",
        input_path=str(PLACE / "pictures"),
        output_path="{{ params.output }}",
        model_name="stripes",
        sample=5,
    )
