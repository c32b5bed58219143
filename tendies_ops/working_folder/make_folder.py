"""Making a working folder from the templates in the package."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from tendies_ops.errors import UsageError

_TEMPLATES = Path(__file__).parent / "templates"
_DAG_FILES = Path(__file__).parents[1] / "example_dags"
_RENAMED = {"gitignore": ".gitignore"}  # a .gitignore in the package would keep its neighbours out of the wheel


def make_folder(folder: Path, *, compose: bool = False) -> list[Path]:
    """
    Create the files and folders that a working folder lacks; those that exist remain unchanged.

    :param compose: include a Docker Compose file with the real Model Server.
    :return: what was created, relative to the folder.
    :raises UsageError: the folder cannot be made.
    """
    folder = folder.absolute()
    created = []
    try:
        for name, content in _files(folder, compose=compose):
            target = folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content, encoding="utf-8")
                created.append(Path(name))
        for name in ("models", "pictures", "results"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot make the working folder {folder}: {error.strerror} ({error.filename}).") from None
    return created


def _files(folder: Path, *, compose: bool) -> Iterator[tuple[str, str]]:
    """Yield name and content of each file of a working folder."""
    for path in sorted(_TEMPLATES.rglob("*")):
        name = str(path.relative_to(_TEMPLATES))
        if path.is_file() and (compose or name != "compose.yaml"):
            yield _RENAMED.get(name, name), path.read_text(encoding="utf-8")
    for path in sorted(_DAG_FILES.glob("tendies_*.py")):
        yield f"dags/{path.name}", path.read_text(encoding="utf-8")
    yield "airflow.env", _environment_file(folder)


def _environment_file(folder: Path) -> str:
    variables = airflow_environment(folder)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join(["# For `airflow` in a terminal: `. ./airflow.env`", *lines, ""])


def airflow_environment(folder: Path, *, model_server_port: int = 8501) -> dict[str, str]:
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
