"""
The life cycles of requests that were recorded from tensorflow_model_server, on the embedded server.

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

from tests.support.life_cycle import (
    AVAILABLE,
    END,
    Snapshot,
    StateWatch,
    publish,
    start,
    value,
)
from tests.support.model_server import RunningServer, start_model_server
from tests.support.warmup_records import frame_record, predict_log

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


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


def test_t_poll_zero_looks_once(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    with start(base, "--file_system_poll_wait_seconds=0") as server, StateWatch(server, "half") as watch:
        publish(models / "half" / "2", base, 2)
        time.sleep(2.5)
    assert watch.snapshots == [{1: AVAILABLE}]


def test_d_nested_json_and_t2_connections(models: Path) -> None:
    flags = ("--model_name=half", f"--model_base_path={models / 'half'}")
    with start_model_server(*flags) as server:
        url = f"{server.url}/v1/models/half:predict"
        for depth in (7500, 17500, 20000, 100000, 1000000):  # from the third one on the real server's process ends
            nested = "[" * depth + "1" + "]" * depth
            for body in ('{"instances":' + nested + "}", '{"instances":[1],"x":' + nested + "}"):
                answer = requests.post(url, data=body, timeout=60)
                assert (answer.status_code, "Nested too deep. at offset: " in answer.text) == (400, True)
        empty = requests.post(url, json={"inputs": []}, timeout=10)
        assert empty.text == '{\n    "outputs": []\n}'
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(b"POST /v1/models/half:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n")
            connection.sendall(b"Expect: 100-continue\r\n\r\n")
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b'{"instances":[1]}')
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")


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
