"""``tendies_batch_<model>__again``: partitions that are done once more, after a release or on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param

from tendies_ops.dag_factory.build_batch import batch_arguments
from tendies_ops.dag_factory.dag_arguments import make_dag
from tendies_ops.dag_factory.forms import value_or_template
from tendies_ops.errors import SpecError
from tendies_ops.operators.assets import model_asset
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.choose_partitions import ChoosePartitionsOperator
from tendies_ops.partitions.keys import partitions_of

if TYPE_CHECKING:
    from tendies_ops.spec import ModelSpec

#: Below that of every batch: a partition that falls due goes before the next one that is processed again.
_AGAIN_WEIGHT = 0
_MAPPED = ("input_path", "output_path", "partition_key")


def again_dag(spec: ModelSpec, name: str = "") -> DAG:
    """
    Make the DAG that processes partitions of a batch again, newest first and one at a time.

    It runs when the model is released, if the spec's ``on_release`` wants that, and by hand with a range of keys.

    :raises SpecError: the batch has no partitions, or names something that Airflow does not have.
    """
    partitions = partitions_of(spec, name)
    if partitions is None:
        raise SpecError(f"{spec.dag_id('batch', name)} has no partitions, so none can be processed again.")
    settings = spec.airflow.of_batch(partitions.batch.airflow)
    with make_dag(
        settings,
        weight=_AGAIN_WEIGHT,
        dag_id=partitions.again_dag_id,
        schedule=[model_asset(spec.model_name)] if partitions.spec.again_on_release else None,
        description=f"Partitions through {spec.model_name} again" + (f": {name}" if name else ""),
        params=_params(),
    ) as dag:
        arguments = batch_arguments(spec, name)
        chosen = ChoosePartitionsOperator(
            task_id="choose",
            partitions=partitions,
            first=value_or_template("first", None),
            last=value_or_template("last", None),
            only_failed="{{ params.only_failed }}",
            max_batch_size=partitions.batch.fixed("max_batch_size"),
        )
        of_all = {key: value for key, value in arguments.items() if key not in _MAPPED}
        of_all |= {"retry_failed": "{{ params.only_failed }}", "version": value_or_template("version", None)}
        of_all |= {"sample": None, "take_over": False}
        BatchInferenceOperator.partial(
            task_id="infer",
            max_active_tis_per_dagrun=1,
            map_index_template="{{ task.partition_key }}",
            **of_all,
        ).expand_kwargs(chosen.output)
    return dag


def _params() -> dict[str, Param]:
    def of_text(title: str, description: str) -> Param:
        return Param(None, type=["null", "string"], title=title, description=description)

    found: dict[str, Any] = {
        "first": of_text("First", "Key of the oldest partition. Without a range: as the spec's `on_release` says."),
        "last": of_text("Last", "Key of the newest partition."),
        "version": Param(
            None,
            type=["null", "integer", "string"],
            minimum=1,
            pattern=r"^[^/:\s]*$",
            title="Version",
            description="Number of a version or a label of the servers; empty: the version in service.",
        ),
        "only_failed": Param(
            False, type="boolean", title="Only failed", description="Retry what failed; done pictures remain unchanged."
        ),
    }
    return found
