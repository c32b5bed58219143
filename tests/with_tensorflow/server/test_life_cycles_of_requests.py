"""
More of the life cycles recorded from tensorflow_model_server, on the embedded server with the recorded models.

Each test names its scenario of lifecycle.json. What is compared is the order and the states that a client sees, the
error texts, and the answers on the way.
"""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from tendies_ops.server.tfrecord import frame_record
from tests.support.life_cycle import (
    AVAILABLE,
    END,
    Snapshot,
    StateWatch,
    publish,
    ran,
    start,
    value,
)
from tests.support.model_server import RunningServer, start_model_server
from tests.support.warmup_records import predict_log

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


def test_k_warm_up(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)

    def publish_with(name: int, content: bytes) -> None:
        staging = base / f".{name}"
        shutil.copytree(models / "half" / "2", staging)
        staging.chmod(0o755)
        (staging / "assets.extra").mkdir()
        (staging / "assets.extra" / "tf_serving_warmup_requests").write_bytes(content)
        staging.rename(base / str(name))

    known: Snapshot = {1: AVAILABLE}
    with start(base, "--max_num_load_retries=0") as server, StateWatch(server, "half") as watch:
        publish_with(2, frame_record(predict_log("half", "", {"x": [1.0, 2.0]})))
        watch.wait_for({2: AVAILABLE, 1: END})
        publish_with(3, frame_record(predict_log("half", "nope", {"x": [1.0]})))
        known = {3: 'END FAILED_PRECONDITION: Serving signature key "nope" not found.', 2: AVAILABLE, 1: END}
        watch.wait_for(known)
        publish_with(4, b"this is no TFRecord file")
        text = (
            "END DATA_LOSS: corrupted record at 0 (Is this even a TFRecord file?). Please verify your warmup data is "
            "in TFRecord format."
        )
        watch.wait_for({4: text, **known})
        publish_with(5, frame_record(predict_log("half", "", {"x": [1.0]})) * 1001)
        number = f"{base}/5/assets.extra/tf_serving_warmup_requests"
        too_many = f"END INVALID_ARGUMENT: Number of warmup records exceeds the maximum (1000) at {number}"
        watch.wait_for({5: too_many, 4: text, **known})


def test_m_timeout(models: Path) -> None:
    flags = ("--model_name=types", f"--model_base_path={models / 'types'}", "--rest_api_timeout_in_ms=500")
    with start_model_server(*flags) as server:
        status, text = server.predict("types", [20000], signature="slow")
        assert (status, text) == (504, '{\n    "error": "Timed out waiting for notification"\n}')
        assert server.predict("types", [1], signature="slow")[0] == 200


def slow_request(server: RunningServer, model_name: str, count: int) -> tuple[threading.Thread, list[int]]:
    answered: list[int] = []
    thread = threading.Thread(
        target=lambda: answered.append(server.predict(model_name, [count], signature="slow")[0]), daemon=True
    )
    thread.start()
    return thread, answered


def seconds_for(server: RunningServer, model_name: str, count: int) -> float:
    begin = time.monotonic()
    server.predict(model_name, [count], signature="slow")
    return time.monotonic() - begin


def test_q2_a_slow_request_on_another_model_holds_back_available(base: Path, models: Path, tmp_path: Path) -> None:
    publish(models / "half" / "1", base, 1)
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{base}" model_platform: "tensorflow" }} '
        f'config {{ name: "types" base_path: "{models / "types"}" model_platform: "tensorflow" }} }}'
    )
    with start_model_server(f"--model_config_file={config}") as server:
        count = int(5000 * 5.0 / max(0.01, seconds_for(server, "types", 5000)))
        with StateWatch(server, "half") as watch:
            thread, answered = slow_request(server, "types", count)
            time.sleep(0.1)
            publish(models / "half" / "2", base, 2)
            watch.wait_for({2: "LOADING", 1: AVAILABLE})
            deadline = time.monotonic() + 2
            while value(server.predict("half", [1])[1]) != 3.5:
                assert time.monotonic() < deadline
            assert not answered
            assert watch.snapshots[-1] == {2: "LOADING", 1: AVAILABLE}
            assert server.predict("half", [1], "/versions/1")[0] == 200
            thread.join()
            watch.wait_for({2: AVAILABLE, 1: END})
    assert answered == [200]


def test_p_sigterm_lets_requests_in_flight_finish(models: Path) -> None:
    flags = ("--model_name=types", f"--model_base_path={models / 'types'}")
    with start_model_server(*flags) as server:
        count = int(5000 * 2.0 / max(0.01, seconds_for(server, "types", 5000)))
        thread, answered = slow_request(server, "types", count)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        thread.join()
        assert answered == [200]
        assert server.process.wait(10) == 0


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


def test_t_poll_zero_looks_once(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    with start(base, "--file_system_poll_wait_seconds=0") as server, StateWatch(server, "half") as watch:
        publish(models / "half" / "2", base, 2)
        time.sleep(2.5)
    assert watch.snapshots == [{1: AVAILABLE}]


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


def test_d_nested_json_and_t2_connections(models: Path) -> None:
    flags = ("--model_name=half", f"--model_base_path={models / 'half'}")
    with start_model_server(*flags) as server:
        url = f"{server.url}/v1/models/half:predict"
        too_deep = '{\n    "error": "tensor parsing error: x"\n}'
        for depth in (7500, 17500):
            nested = "[" * depth + "1" + "]" * depth
            answer = requests.post(url, data='{"instances":' + nested + "}", timeout=60)
            assert (answer.status_code, answer.text) == (400, too_deep)
        ignored = requests.post(url, data='{"instances":[1],"x":' + "[" * 10000 + "]" * 10000 + "}", timeout=60)
        assert (ignored.status_code, value(ignored.text)) == (200, 3.5)
        for depth in (20000, 100000, 1000000):  # where the real server's process ends
            answer = requests.post(url, data='{"instances":' + "[" * depth + "}", timeout=60)
            assert answer.status_code == 400
        empty = requests.post(url, json={"inputs": []}, timeout=10)
        assert empty.text == '{\n    "outputs": []\n}'
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(b"POST /v1/models/half:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n")
            connection.sendall(b"Expect: 100-continue\r\n\r\n")
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b'{"instances":[1]}')
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")


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


def test_n_status_requests_wait_behind_predicts(models: Path) -> None:
    flags = ("--model_name=types", f"--model_base_path={models / 'types'}", "--rest_api_num_threads=3")
    with start_model_server(*flags) as server:
        count = int(5000 * 2.0 / max(0.01, seconds_for(server, "types", 5000)))
        requests_in_flight = [slow_request(server, "types", count) for _ in range(2)]
        time.sleep(0.3)
        begin = time.monotonic()
        assert server.states("types") == {1: AVAILABLE}
        assert time.monotonic() - begin > 0.5
        for thread, answered in requests_in_flight:
            thread.join()
            assert answered == [200]
