from __future__ import annotations

import json
from pathlib import Path

MODEL_SERVER_PORT = 8501


def airflow_environment(folder: Path, *, model_server_port: int = MODEL_SERVER_PORT) -> dict[str, str]:
    """
    Return the variables that point Airflow at a working folder.

    Models whose spec names no servers use the connection: Model Server on this machine, with ``models/<name>``.
    """
    connection = {
        "conn_type": "tf_serving",
        "host": f"127.0.0.1:{model_server_port}",
        "extra": {"model_base_path": f"{folder}/models/{{model_name}}", "poll_interval_s": 1},
    }
    return {
        "AIRFLOW_HOME": str(folder / ".airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW_CONN_TF_SERVING_DEFAULT": json.dumps(connection),
        "TENDIES_SPECS_DIR": str(folder / "specs"),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
