"""What the cluster does: a release, and 2,000 pictures in shards as soon as it has gone through. On Airflow."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from tendies_ops.operators.assets import model_asset
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.spec import ReleaseSpec

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
