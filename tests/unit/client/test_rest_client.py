"""ModelServerClient against a real socket that answers well and badly."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.client_pieces import server
from tendies_ops.client import ModelServerClient
from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    RequestRefusedError,
    ServerSickError,
    ServerUnreachableError,
    UsageError,
    VersionGoneError,
    WrongContractError,
)
from tests.support.canned_server import Answer, CannedModel, CannedServer, Request, error_answer, predictions_answer

SHARED = Path(__file__).parents[4] / "shared" / "data" / "model-server-exchanges" / "http.json"


def ask(answer: Answer, call: Callable[[ModelServerClient], object], *, timeout_s: float = 5.0) -> object:
    with CannedServer(lambda _: answer) as server, ModelServerClient(server.url, timeout_s=timeout_s) as client:
        return call(client)


def predict(client: ModelServerClient) -> list[bytes]:
    return client.predict_files("m", [b"a", b"b"], version=1)


def test_files_come_back_in_order_from_the_pinned_version() -> None:
    model = CannedModel(lambda file: file[::-1], version=7)
    with CannedServer(model) as server, ModelServerClient(server.url) as client:
        files = [bytes([n]) * n + b"end" for n in range(40)]
        assert client.predict_files("m", files, version=7) == [file[::-1] for file in files]
    assert model.paths == ["/v1/models/m/versions/7:predict"]


def test_one_connection_carries_many_requests() -> None:
    with CannedServer(CannedModel(bytes.upper)) as server, ModelServerClient(server.url) as client:
        for n in range(20):
            assert client.predict_files("m", [b"a%d" % n]) == [b"A%d" % n]
        assert server.accepted == 1


def test_a_closed_client_connects_again() -> None:
    with CannedServer(CannedModel(bytes.upper)) as server, ModelServerClient(server.url) as client:
        for n in (b"a", b"b"):
            assert client.predict_files("m", [n]) == [n.upper()]
            client.close()
        assert server.accepted == 2


def test_a_load_balancers_cookie_goes_with_the_requests_after_it() -> None:
    asked = []

    def answer(request: Request) -> Answer:
        asked.append((request.path, request.headers.get("cookie")))
        return Answer(body=b"{}", headers={"Set-Cookie": "replica=two; Path=/"})

    with CannedServer(answer) as server, ModelServerClient(server.url) as client:
        client.metadata("m")
        client.metadata("m", 2)
    assert asked == [("/v1/models/m/metadata", None), ("/v1/models/m/versions/2/metadata", "replica=two")]


def test_no_files_need_no_request() -> None:
    with ModelServerClient("http://127.0.0.1:1") as client:
        assert client.predict_files("m", []) == []


def test_a_label_is_asked_for_by_name() -> None:
    paths = []

    def answer(request: object) -> Answer:
        paths.append(request.path)  # type: ignore[attr-defined]
        return predictions_answer([b"x"])

    with CannedServer(answer) as server, ModelServerClient(server.url) as client:
        client.predict_files("m", [b"x"], label="canary")
    assert paths == ["/v1/models/m/labels/canary:predict"]


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        (Answer(body=b'{"model_spec": {"name": "m", "version": "3"}}'), 3),
        (error_answer(400, "Unrecognized servable version label: stable"), None),
        (error_answer(404, "Servable not found for request: Specific(m, 2)"), 2),
        (error_answer(404, "Servable not found for request: Latest(m)"), None),
        (Answer(404, b"<HTML>Not Found</HTML>"), None),
        (Answer(body=b'{"model_version_status": []}'), None),
    ],
)
def test_a_label_names_a_version_also_one_that_is_not_served(answer: Answer, version: int | None) -> None:
    paths = []

    def note(request: Request) -> Answer:
        paths.append(request.path)
        return answer

    with CannedServer(note) as server, ModelServerClient(server.url) as client:
        assert client.version_of_label("m", "stable") == version
    assert paths == ["/v1/models/m/labels/stable/metadata"]  # the status of a label is that of all versions


@pytest.mark.parametrize(
    ("status", "error_type"), [(401, RequestRefusedError), (403, RequestRefusedError), (503, ServerSickError)]
)
def test_a_label_that_cannot_be_asked_for_is_not_taken_for_an_unknown_one(
    status: int, error_type: type[ModelServerError]
) -> None:
    with pytest.raises(error_type):
        ask(error_answer(status, "no"), lambda client: client.version_of_label("m", "stable"))


def test_the_highest_available_version_serves() -> None:
    states = {"9": "END", "8": "LOADING", "5": "AVAILABLE", "4": "AVAILABLE"}
    entries = [{"version": version, "state": state, "status": {}} for version, state in states.items()]
    body = json.dumps({"model_version_status": entries}).encode()
    assert ask(Answer(body=body), lambda client: client.serving_version("m")) == 5


def test_a_model_that_only_failed_to_load_is_reported_with_the_reason() -> None:
    entry = {
        "version": "3",
        "state": "END",
        "status": {"error_code": "NOT_FOUND", "error_message": "no saved_model.pb"},
    }
    body = json.dumps({"model_version_status": [entry]}).encode()
    with pytest.raises(VersionGoneError, match=r"version 3 is END no saved_model\.pb"):
        ask(Answer(body=body), lambda client: client.serving_version("m"))


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (400, RequestRefusedError),
        (403, RequestRefusedError),
        (404, VersionGoneError),
        (429, ServerSickError),
        (499, ServerSickError),
        (500, ServerSickError),
        (501, RequestRefusedError),
        (502, ServerSickError),
        (503, ServerSickError),
        (504, ServerSickError),
    ],
)
def test_a_status_becomes_the_error_that_says_what_to_do(status: int, error_type: type[ModelServerError]) -> None:
    with pytest.raises(error_type, match="the server's own words") as caught:
        ask(error_answer(status, "the server's own words"), predict)
    assert caught.type is error_type
    assert (caught.value.http_status, caught.value.server_words) == (status, "the server's own words")


def test_a_huge_error_message_is_capped() -> None:
    with pytest.raises(RequestRefusedError) as caught:
        ask(error_answer(400, "x" * 300_000), predict)
    assert len(str(caught.value)) < 700


def test_a_404_page_of_another_server_is_not_a_gone_version() -> None:
    with pytest.raises(RequestRefusedError, match="Is this the address of a Model Server"):
        ask(Answer(404, b"<HTML>Not Found</HTML>"), predict)


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "http://[nowhere"])
def test_a_redirect_is_refused_and_not_followed(location: str) -> None:
    with pytest.raises(RequestRefusedError, match="302: moved"):
        ask(Answer(302, b"moved", headers={"Location": location}), predict)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b'{"predictions": [{"b64": "YQ=='),
        Answer(body=b"<html>hello</html>"),
        Answer(body=b'{"predictions": [{"b64": "YQ=="}]}'),
        Answer(body=b'{"predictions": [{"b64": "!!"}, {"b64": "YQ=="}]}'),
        Answer(body=b'{"outputs": 3}'),
        Answer(body=b'[{"b64": "YQ=="}, {"b64": "YQ=="}]'),
        Answer(body=b""),
        Answer(body=predictions_answer([b"a" * 5000, b"b" * 5000]).body, cut_after_bytes=6000),
        Answer(raw=b"\x00\x01garbage\r\n\r\n"),
    ],
)
def test_what_is_no_answer_is_never_taken_for_one(answer: Answer) -> None:
    with pytest.raises((BadAnswerError, ServerUnreachableError)):
        ask(answer, predict)


def test_a_cut_connection_is_a_server_out_of_reach() -> None:
    with pytest.raises(ServerUnreachableError, match="the connection was lost"):
        ask(Answer(cut_after_bytes=0), predict)


def test_silence_ends_after_the_timeout() -> None:
    with pytest.raises(ServerSickError, match=r"not answered within 0\.1 s"):
        ask(Answer(delay_s=1.0), predict, timeout_s=0.1)


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux lets a client acknowledge at once")
def test_an_answer_that_comes_in_pieces_does_not_wait_for_acknowledgements() -> None:
    """A delayed acknowledgement takes 40 ms at least, each time."""
    with server(predictions_answer([b"x" * 60_000]).body, no_delay=False) as url, ModelServerClient(url) as client:
        taken_s = []
        for _ in range(20):
            started_s = time.perf_counter()
            client.predict_files("m", [b"a"])
            taken_s.append(time.perf_counter() - started_s)
    assert min(taken_s) < 0.02


def test_silence_in_the_middle_of_a_body_ends_too() -> None:
    held: list[socket.socket] = []

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        held.append(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ModelServerClient(url, timeout_s=0.1) as client,
            pytest.raises(ServerSickError, match="not answered within"),
        ):
            predict(client)
    held[0].close()


def test_a_byte_now_and_then_is_no_answer() -> None:
    slowly = Answer(body=predictions_answer([b"x" * 300]).body, bytes_per_second=200)
    with (
        CannedServer(lambda _: slowly) as server,
        ModelServerClient(server.url, timeout_s=0.1) as client,
        pytest.raises(ServerSickError, match=r"not answered within 0\.1 s"),
    ):
        client.predict_files("m", [b"a"])


def test_an_absent_server_is_reported_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = ModelServerClient(f"http://127.0.0.1:{port}")
    with pytest.raises(ServerUnreachableError, match="nothing listens there"):
        client.serving_version("m")


@pytest.mark.parametrize("url", ["localhost:8501", "", "ftp://h", "http://", "http://h:99999"])
def test_what_is_no_url_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError, match="looks like http://localhost:8501"):
        ModelServerClient(url)


def test_a_url_with_v1_or_a_slash_at_its_end_is_understood() -> None:
    assert ModelServerClient("http://h:1/v1/").base_url == "http://h:1"
    assert ModelServerClient("http://h:1/proxy/v1").base_url == "http://h:1/proxy"


def test_a_model_with_other_outputs_is_a_wrong_contract() -> None:
    body = b'{"predictions": [{"boxes": [1.0, NaN], "scores": 1.0}, {"boxes": [2.0, Infinity], "scores": 1.0}]}'
    with pytest.raises(WrongContractError, match="an object with boxes, scores"):
        ask(Answer(body=body), predict)


def test_rows_keep_names_and_lists_and_decode_base64() -> None:
    body = b'{"predictions": [{"image_bytes": {"b64": "YQ=="}, "scores": [0.5, NaN]}]}'
    rows = ask(Answer(body=body), lambda client: client.predict_rows("m", [b"x"]))
    assert rows[0]["image_bytes"] == b"a"  # type: ignore[index]
    assert rows[0]["scores"][0] == 0.5  # type: ignore[index]


def test_one_more_bytes_output_next_to_the_picture_is_never_cut_into_pictures() -> None:
    body = b'{"predictions": [{"a_bytes": {"b64": "YQ=="}}, {"a_bytes": {"b64": "YQ=="}}]}'
    with pytest.raises(WrongContractError):
        ask(Answer(body=body), predict)


@pytest.mark.shared_data
def test_every_recorded_answer_of_a_real_model_server_is_understood() -> None:
    if not SHARED.exists():
        pytest.skip(f"recorded exchanges are not at {SHARED}")
    seen = 0
    for exchange in json.loads(SHARED.read_text()):
        if exchange.get("method") != "POST" or "request_body" not in exchange or "body" not in exchange:
            continue
        if exchange["body_bytes"] != len(exchange["body"].encode()) or not exchange["path"].endswith(":predict"):
            continue
        status = int(exchange["status_line"].split()[1])
        answer = Answer(status, exchange["body"].encode())
        seen += 1
        try:
            ask(answer, lambda client: client.predict_rows("m", [b"x"]))
            understood = 200
        except ModelServerError as error:  # 200 too for another count of predictions than one, or column format
            understood = error.http_status or 0
        assert understood == status
    assert seen > 50
