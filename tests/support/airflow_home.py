"""An Airflow of the tests' own, in a temporary directory. Import this before anything imports ``airflow``."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import DAG

REPOSITORY = Path(__file__).resolve().parents[2]


def airflow_environment(home: Path) -> dict[str, str]:
    """The environment of an Airflow that lives in ``home``: SQLite, no examples, our dags and plugins."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": "[]",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for tests only, which is long enough to please the library" * 2,
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    }


@cache
def use_own_airflow() -> Path:
    """Point this process at an Airflow home of its own, once, and return that home."""
    if "airflow" in sys.modules:
        raise RuntimeError("airflow is imported already: import tests.support.airflow_home first")
    home = Path(tempfile.mkdtemp(prefix="tendies_airflow_home_"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    environment = airflow_environment(home)
    environment.pop("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST")
    environment["AIRFLOW__CORE__DAGS_FOLDER"] = str(home / "dags")
    environment["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
    (home / "dags").mkdir()
    os.environ.update(environment)
    return home


@cache
def initialize_database() -> None:
    """Make the tables. About four seconds, once a process."""
    use_own_airflow()
    from airflow.utils.db import initdb

    initdb()


def run_dag(dag: DAG, *, conf: Mapping[str, Any] | None = None) -> Any:
    """
    Run every task of ``dag`` in this process, with real XComs, events and state, and return the DagRun.

    ``dag.test()`` alone wants the DAG in the database as a bundle's; so it is put there first.
    """
    initialize_database()
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name="testing"))
        session.flush()
        lazy = LazyDeserializedDAG.from_dag(dag)
        SerializedDAG.bulk_write_to_db("testing", None, [lazy], session=session)
        SerializedDagModel.write_dag(lazy, bundle_name="testing", session=session)
    return dag.test(run_conf=dict(conf or {}))
