"""The DAGs of all model specs of a folder."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tendies_ops.errors import SpecError
from tendies_ops.spec import load_indexed_specs

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

    from tendies_ops.spec import ModelSpec

log = logging.getLogger(__name__)
SPECS_DIR_VARIABLE = "TENDIES_SPECS_DIR"


def dags_of_specs(default_dir: Path, make: Callable[[ModelSpec], DAG]) -> dict[str, DAG]:
    """
    Make a DAG for each model spec that ``index.txt`` in the specs directory names. No other file is read or listed.

    A DAG file that raises has no DAGs at all, and Airflow stops those that it had. So an invalid spec disables only its
    own model's DAGs; it is logged here, and raised by :func:`require_specs`.

    :param default_dir: the specs directory if the environment variable ``TENDIES_SPECS_DIR`` is not set.
    :param make: ``release_dag``, ``batch_dag`` or ``rollback_dag``.
    :return: DAG id -> DAG.
    :raises SpecError: the index cannot be read.
    """
    specs = load_indexed_specs(_specs_dir(default_dir), on_problem=log.error)
    return {dag.dag_id: dag for spec in specs if (dag := _made(spec, make)) is not None}


def _made(spec: ModelSpec, make: Callable[[ModelSpec], DAG]) -> DAG | None:
    try:
        return make(spec)
    except Exception:
        log.exception("The spec of model %s makes no DAG.", spec.model_name)
        return None


def require_specs(default_dir: Path) -> None:
    """
    Raise every problem of the specs, in a DAG file of its own, so that Airflow shows them as an import error.

    :raises SpecError: the index or a spec cannot be read, or two specs have one ``model_name``.
    """
    problems: list[SpecError] = []
    load_indexed_specs(_specs_dir(default_dir), on_problem=problems.append)
    if problems:
        raise SpecError(" ".join(map(str, problems)))


def _specs_dir(default_dir: Path) -> Path:
    return Path(os.environ.get(SPECS_DIR_VARIABLE) or default_dir)
