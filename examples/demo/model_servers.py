"""One embedded Model Server a model, as in production: one slow model never delays another."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from examples.demo.airflow_server import program_environment
from examples.demo.place import DemoPlace
from examples.demo.ports import HOST
from examples.demo.processes import Program, start


@dataclass(frozen=True)
class ModelServer:
    """A started Model Server."""

    program: Program
    model_name: str
    url: str


def start_model_server(place: DemoPlace, model_name: str, port: int) -> ModelServer:
    """
    Start the server. It answers from the moment that its first version is loaded, as TensorFlow Serving does.

    A failed load is not tried again by itself: a release that cannot load must be told so at once.
    """
    base_path = place.base_path(model_name)
    base_path.mkdir(parents=True, exist_ok=True)
    program = start(
        f"the Model Server of {model_name}",
        [
            *(sys.executable, "-m", "tendies_ops.server.run_server"),
            f"--rest_api_port={port}",
            f"--rest_api_host={HOST}",
            f"--model_name={model_name}",
            f"--model_base_path={base_path}",
            "--file_system_poll_wait_seconds=1",
            "--max_num_load_retries=0",
            "--num_load_threads=2",
        ],
        log_path=place.logs / f"model_server_{model_name}.log",
        mark=place.root,
        environment=program_environment(place),
    )
    return ModelServer(program, model_name, f"http://{HOST}:{port}")
