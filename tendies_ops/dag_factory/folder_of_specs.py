"""The DAGs of all model specs of a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from airflow.sdk import DAG, get_parsing_context

from tendies_ops.dag_factory.build_again import again_dag
from tendies_ops.dag_factory.build_batch import batch_dag
from tendies_ops.dag_factory.build_release import release_dag
from tendies_ops.dag_factory.build_rollback import rollback_dag
from tendies_ops.dag_factory.build_tidy import tidy_dag
from tendies_ops.errors import SpecError
from tendies_ops.partitions.keys import partitions_of
from tendies_ops.spec import ModelSpec, Wanted, load_indexed_specs, load_spec

log = logging.getLogger(__name__)
SPECS_DIR_VARIABLE = "TENDIES_SPECS_DIR"
Kind = Literal["release", "batch", "rollback"]
_KINDS: tuple[Kind, ...] = ("release", "batch", "rollback")


def tendies_dags(
    directory: Path | str,
    *,
    kinds: Sequence[Kind] = _KINDS,
    include: Sequence[str] = ("*",),
    exclude: Sequence[str] = (),
    dag_id_prefix: str = "",
) -> dict[str, DAG]:
    """
    Make the DAGs of a folder of model specs, for the globals of a DAG file.

    In a task's process only the DAG of the task is made, and no other spec is parsed. A DAG file that raises has no
    DAGs at all, and Airflow stops those that it had. So an invalid spec disables only its own model's DAGs; it is
    logged here, and raised by :func:`require_specs`.

    :param directory: folder of the specs; the environment variable ``TENDIES_SPECS_DIR`` takes its place.
    :param kinds: DAGs to make of each spec.
    :param include: patterns of spec files, as of a shell and relative to ``directory``.
    :param exclude: patterns of spec files to leave out.
    :param dag_id_prefix: start of the ids of the DAGs, for specs that have no ``airflow.dag_id_prefix``.
    :return: DAG id -> DAG.
    :raises SpecError: neither the index of the folder nor the folder can be read.
    """
    wanted = Wanted(include, exclude, get_parsing_context().dag_id)
    found: dict[str, DAG] = {}
    for read in load_indexed_specs(specs_dir(directory), on_problem=log.error, wanted=wanted):
        spec = _with_prefix(read, dag_id_prefix)
        for dag_id, make in _makers(spec, kinds):
            if wanted.dag_id in (None, dag_id) and (dag := _made(spec, make)) is not None:
                found[dag_id] = dag
    return found


def tendies_dag(path: Path | str, kind: Kind = "batch", batch: str = "") -> DAG:
    """
    Make one DAG of a model spec.

    :param batch: name of one of the spec's ``batches``.
    :raises SpecError: the spec cannot be read, has no such batch, or names something that Airflow does not have.
    """
    spec = load_spec(Path(path))
    return batch_dag(spec, batch) if kind == "batch" else {"release": release_dag, "rollback": rollback_dag}[kind](spec)


def require_specs(directory: Path | str) -> None:
    """
    Raise every problem of the specs, in a DAG file of its own, so that Airflow shows them as an import error.

    :raises SpecError: the index or a spec cannot be read, two specs have one ``model_name``, or one makes no DAG.
    """
    problems: list[object] = []
    for spec in load_indexed_specs(specs_dir(directory), on_problem=problems.append):
        for _, make in _makers(spec, _KINDS):
            _made(spec, make, problems.append)
    if problems:
        raise SpecError(" ".join(map(str, problems)))


def specs_dir(directory: Path | str) -> Path:
    """Return the folder of the specs of this deployment."""
    return Path(os.environ.get(SPECS_DIR_VARIABLE) or directory)


def _with_prefix(spec: ModelSpec, prefix: str) -> ModelSpec:
    if not prefix or spec.airflow.dag_id_prefix:
        return spec
    return spec.model_copy(update={"airflow": spec.airflow.model_copy(update={"dag_id_prefix": prefix})})


def _makers(spec: ModelSpec, kinds: Sequence[Kind]) -> Iterator[tuple[str, Callable[[ModelSpec], DAG]]]:
    """Yield the id of each DAG of a spec, and the function that makes it."""
    if "release" in kinds:
        yield spec.dag_id("release"), release_dag
    if "rollback" in kinds:
        yield spec.dag_id("rollback"), rollback_dag
    for name in spec.batches_by_name() if "batch" in kinds else ():
        yield spec.dag_id("batch", name), lambda spec, name=name: batch_dag(spec, name)  # type: ignore[misc]
        if partitions := partitions_of(spec, name):
            yield partitions.again_dag_id, lambda spec, name=name: again_dag(spec, name)  # type: ignore[misc]
    if "batch" in kinds and spec.retention is not None:
        yield spec.dag_id("tidy"), tidy_dag


def _made(
    spec: ModelSpec, make: Callable[[ModelSpec], DAG], on_problem: Callable[[str], object] = log.exception
) -> DAG | None:
    try:
        return make(spec)
    except Exception as error:
        on_problem(f"The spec of model {spec.model_name} makes no DAG: {error}")
        return None


def dags_of_specs(default_folder: Path, make: Callable[[ModelSpec], DAG]) -> dict[str, DAG]:
    """
    Build one kind of DAG of each spec, for DAG files that were written before :func:`tendies_dags`.

    :param make: :func:`release_dag`, :func:`batch_dag` or :func:`rollback_dag`.
    """
    kinds: dict[Callable[[ModelSpec], DAG], Kind] = {
        release_dag: "release",
        batch_dag: "batch",
        rollback_dag: "rollback",
    }
    return tendies_dags(default_folder, kinds=[kinds[make]])
