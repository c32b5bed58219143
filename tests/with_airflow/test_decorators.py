"""``@task.tendies_batch`` and ``@task.tendies_release``, as Airflow finds them through the provider."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, task

from tendies_ops.errors import UsageError
from tests.support.airflow_home import run_dag
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.watching_server import WatchingServer, pictures_to_shift

pytestmark = pytest.mark.usefixtures("server_connection")
decorators: Any = task


def test_a_function_says_which_folders_and_how(server: WatchingServer, tmp_path: Path) -> None:
    pictures_to_shift(server, tmp_path / "in", 3)

    with DAG("decorated_batch", schedule=None) as dag:

        @task
        def folder() -> str:
            return str(tmp_path / "in")

        @decorators.tendies_batch(model_name=MODEL_NAME, output_path=f"{tmp_path}/out/{{{{ run_id }}}}")  # type: ignore[untyped-decorator]
        def style(input_path: str, count: int) -> dict[str, Any]:
            return {"input_path": input_path, "sample": count, "output_format": "jpeg"}

        style(folder(), 2)
    run = run_dag(dag)

    assert run.get_task_instance("style").state == "success"
    assert len(list((tmp_path / "out").glob("*/*.jp*g"))) == 2


def test_a_function_says_what_to_release(server: WatchingServer, tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path / "candidate", by=10)

    with DAG("decorated_release", schedule=None) as dag:

        @decorators.tendies_release(model_base_path=str(server.base), rehearse=False)  # type: ignore[untyped-decorator]
        def release() -> dict[str, Any]:
            return {"saved_model_dir": str(candidate), "note": "by a function", "tolerance": 3.0}

        release()
    run = run_dag(dag)

    assert run.get_task_instance("release").state == "success"
    assert server.serving() == [1]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ({"inptu_path": "x"}, r"returned `inptu_path`, .* did you mean `input_path`\?"),
        ("x", "must return a mapping of arguments; found str"),
        (None, "needs an input and an output folder"),
    ],
)
def test_what_is_not_an_argument_is_refused(returned: Any, words: str) -> None:
    with DAG("refused", schedule=None) as dag:

        @decorators.tendies_batch(model_name=MODEL_NAME)  # type: ignore[untyped-decorator]
        def style() -> Any:
            return returned

        style()
    made: Any = dag.get_task("style")

    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="style", map_index=-1, try_number=1)

    with pytest.raises(UsageError, match=words):
        made.execute({"ti": ti})
