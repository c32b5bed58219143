"""
The life cycles of configurations and flags that were recorded from tensorflow_model_server, on the embedded server.

Each test names its scenario of lifecycle.json. What is compared is the order and the states that a client sees, the
error texts, and the answers on the way.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests

from tests.support.life_cycle import (
    AVAILABLE,
    END,
    StateWatch,
    publish,
    ran,
    start,
    value,
)
from tests.support.model_server import start_model_server

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


def test_j_config_reload_and_labels(base: Path, models: Path, tmp_path: Path) -> None:
    for name in (1, 2, 3):
        publish(models / "half" / ("2" if name == 2 else "1"), base, name)
    config = tmp_path / "models.config"

    def configure(versions: str, labels: dict[str, int]) -> None:
        lines = "".join(f'version_labels {{ key: "{key}" value: {version} }} ' for key, version in labels.items())
        config.write_text(
            f'model_config_list {{ config {{ name: "half" base_path: "{base}" model_platform: "tensorflow" '
            f"model_version_policy {{ specific {{ {versions} }} }} {lines} }} }}"
        )
        time.sleep(1.4)

    configure("versions: 1", {})
    flags = (f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1")
    with start_model_server(*flags) as server, StateWatch(server, "half") as watch:
        configure("versions: 1 versions: 2", {"stable": 1})
        watch.wait_for({2: AVAILABLE, 1: AVAILABLE})
        configure("versions: 1 versions: 2", {"stable": 1, "canary": 2})
        assert value(server.predict("half", [1], "/labels/canary")[1]) == 3.5
        configure("versions: 1 versions: 2", {"stable": 2, "canary": 3})  # 3 is not loaded: all of it is refused
        assert value(server.predict("half", [1], "/labels/stable")[1]) == 2.5
        configure("versions: 2 versions: 3", {"canary": 3})
        assert "Request to assign label to version 3 of model half, which is not currently available" in server.log()
        assert watch.snapshots[-1] == {2: AVAILABLE, 1: AVAILABLE}
        config.write_text("model_config_list { oops")
        time.sleep(1.4)
        assert value(server.predict("half", [1], "/labels/canary")[1]) == 3.5
        configure("versions: 77", {})
        watch.wait_for({2: END, 1: END})
        assert server.predict("half", [1])[0] == 404
        configure("versions: 3", {})
        watch.wait_for({3: AVAILABLE, 2: END, 1: END})
        config.write_text("model_config_list { }")
        watch.wait_for({3: END, 2: END, 1: END})
        config.unlink()
        time.sleep(1.4)
        assert server.process.poll() is None


def test_j2_labels_in_the_first_config(base: Path, models: Path, tmp_path: Path) -> None:
    publish(models / "half" / "1", base, 1)
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{base}" model_platform: "tensorflow" '
        'version_labels { key: "stable" value: 1 } } }'
    )
    done = ran("--rest_api_port=1", f"--model_config_file={config}")
    assert done.returncode == 255
    assert (
        "Failed to start server. Error: FAILED_PRECONDITION: Request to assign label to version 1 of model half, which "
        "is not currently available for inference" in done.stderr
    )
    flag = "--allow_version_labels_for_unavailable_models=true"
    with start_model_server(f"--model_config_file={config}", flag) as server:
        assert value(server.predict("half", [1], "/labels/stable")[1]) == 2.5


def test_o_batching(base: Path, models: Path, tmp_path: Path) -> None:
    publish(models / "half" / "1", base, 1)
    parameters = tmp_path / "batching.txt"
    parameters.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 1000 } max_enqueued_batches { value: 4 } "
        "num_batch_threads { value: 2 } allowed_batch_sizes: 4 allowed_batch_sizes: 8"
    )
    with start(base, "--enable_batching=true", f"--batching_parameters_file={parameters}") as server:
        assert server.predict("half", [1]) == (200, '{\n    "predictions": [2.5\n    ]\n}')
        assert server.predict("half", list(range(1, 9)))[1].startswith('{\n    "predictions": [2.5, 3.0, 3.5, 4.0, 4.5')
        too_large = '{\n    "error": "Task size 9 is larger than maximum input batch size 8"\n}'
        assert server.predict("half", [0] * 9) == (400, too_large)
        url = f"{server.url}/v1/models/half:predict"
        scalar = requests.post(url, json={"inputs": 1.0}, timeout=10)
        assert scalar.status_code == 400
        assert "Batching Run() input tensors must have at least one dimension" in scalar.text
        assert requests.post(url, json={"inputs": []}, timeout=10).status_code == 400  # the real one never answers


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ((), "Both server_options.model_base_path and server_options.model_config_file are empty!"),
        (
            ("--model_base_path=some/where",),
            "Expected model default to have an absolute path or URI; got base_path()=some/where",
        ),
        (
            ("--port=0", "--model_base_path=/x"),
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.",
        ),
        (("--rest_api_num_threads=many",), "Couldn't interpret value 'many' for flag --rest_api_num_threads"),
        (("--model_config_file=/nope",), "NOT_FOUND: /nope; No such file or directory"),
        (
            ("--batching_parameters_file=/x", "--model_base_path=/x"),
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true.",
        ),
    ],
)
def test_e_command_lines_that_cannot_work(flags: tuple[str, ...], error: str) -> None:
    done = ran("--rest_api_port=1", *flags)
    assert done.returncode == 255
    assert "Failed to start server. Error: " in done.stderr
    assert error in done.stderr


def test_g5_a_broken_version_of_one_model_delays_another(base: Path, models: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    publish(models / "half" / "1", base, 1)
    publish(models / "half" / "1", other, 1)
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{base}" model_platform: "tensorflow" }} '
        f'config {{ name: "other" base_path: "{other}" model_platform: "tensorflow" }} }}'
    )
    retries = ("--max_num_load_retries=3", "--load_retry_interval_micros=1000000")
    with start_model_server(f"--model_config_file={config}", *retries) as server, StateWatch(server, "other") as watch:
        (base / "2").mkdir()
        server.wait_for("half", 2, "LOADING")
        begin = time.monotonic()
        publish(models / "half" / "2", other, 2)
        watch.wait_for({2: AVAILABLE, 1: END})
        assert time.monotonic() - begin > 1.5


def test_h2_files_and_dangling_links_at_start(base: Path, models: Path, tmp_path: Path) -> None:
    publish(models / "half" / "1", base, 20)
    (base / "21").write_text("a file")
    (base / "22").symlink_to(tmp_path / "nowhere")
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{base}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    done = ran("--rest_api_port=1", f"--model_config_file={config}", "--max_num_load_retries=0")
    assert done.returncode == 255
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {{{name: half version: 22} "
        "due to error: NOT_FOUND: Error while attempting to reserve resources to load servable "
        f"{{name: half version: 22}}: {base}/22 not found}}, }}" in done.stderr
    )
