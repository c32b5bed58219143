"""`tendies doctor` finds what is misconfigured, and says what to do."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tendies_ops.cli.main import app
from tendies_ops.doctor import Finding, Subject, examine
from tendies_ops.publish.layout import JOURNAL_NAME, state_directory
from tests.support.candidates import make_candidate
from tests.support.canned_server import Answer, CannedServer, Request, error_answer
from tests.support.certificates import Authority

MODEL = "m"
as_root = os.geteuid() == 0


def states(versions: Mapping[int, str], error: str = "") -> Answer:
    entries = [
        {
            "version": str(version),
            "state": state,
            "status": {"error_code": "OK" if state != "END" else "INTERNAL", "error_message": error},
        }
        for version, state in versions.items()
    ]
    return Answer(body=json.dumps({"model_version_status": entries}).encode())


def model_server(versions: Mapping[int, str], *, label: int | None = None, error: str = "") -> CannedServer:
    def answer(request: Request) -> Answer:
        if "/labels/" in request.path:
            if label is None:
                return error_answer(400, "Unrecognized servable version label: stable")
            return Answer(body=json.dumps({"model_spec": {"version": str(label)}, "metadata": {}}).encode())
        return states(versions, error)

    return CannedServer(answer)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    version = tmp_path / "models" / "m" / "1"
    make_candidate(version, model_name=MODEL)
    return version.parent


@pytest.fixture
def healthy(base: Path) -> Iterator[Subject]:
    with model_server({1: "AVAILABLE"}) as server:
        yield Subject(MODEL, [server.url], base, timeout_s=1.0)


def problems(subject: Subject) -> list[Finding]:
    found = [finding for finding in examine(subject) if finding.level != "ok"]
    assert all(finding.remedy for finding in found), "each says what to do"
    return found


def only(subject: Subject, words: str) -> Finding:
    """The one finding with these words."""
    found = problems(subject)
    (one,) = [finding for finding in found if words in f"{finding.about} {finding.found} {finding.remedy}"]
    return one


def test_an_installation_that_works_has_no_findings(healthy: Subject, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"")

    assert problems(replace(healthy, folders=[(str(tmp_path / "in"), str(tmp_path / "out"))])) == []


def _answers(answer: Answer) -> Callable[[], CannedServer]:
    return lambda: CannedServer(lambda _: answer)


WRONG_SERVERS: dict[str, tuple[Callable[[], CannedServer], str]] = {
    "a web page": (_answers(Answer(body=b"<html>Airflow</html>")), "is not a Model Server"),
    "a redirect": (_answers(Answer(301, headers={"Location": "http://elsewhere"})), "301"),
    "a login": (_answers(Answer(401, b"who are you")), "wants a login"),
    "a gateway": (_answers(Answer(503, b"upstream is down")), "gives no answer"),
    "another model": (
        _answers(error_answer(404, "Could not find any versions of model m")),
        "does not know the model m",
    ),
    "a version that does not load": (lambda: model_server({1: "AVAILABLE", 2: "END"}, error="no memory"), "no memory"),
    "nothing yet": (lambda: model_server({1: "LOADING"}), "serves no version"),
    "another directory": (lambda: model_server({1: "AVAILABLE", 9: "AVAILABLE"}), "version 9, which has no directory"),
}


@pytest.mark.parametrize("case", WRONG_SERVERS)
def test_a_server_that_is_not_right_is_found(case: str, base: Path) -> None:
    start, words = WRONG_SERVERS[case]
    with start() as server:
        assert only(Subject(MODEL, [server.url], base, timeout_s=1.0), words).about == server.url


def test_a_server_that_speaks_first_speaks_grpc(base: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.sendall(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18)

        threading.Thread(target=serve, daemon=True).start()
        assert "REST port" in only(Subject(MODEL, [url], base, timeout_s=1.0), "gRPC").remedy
    finally:
        listener.close()


def test_a_server_that_hangs_is_found_in_its_time_and_does_not_hide_the_others(healthy: Subject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        url = f"http://127.0.0.1:{hung.getsockname()[1]}"
        assert only(replace(healthy, servers=[*healthy.servers, url]), "gives no answer").about == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no-such-host.invalid:8501", "127.0.0.1:8501"])
def test_a_server_that_cannot_be_reached_is_found(url: str, base: Path) -> None:
    assert only(Subject(MODEL, [url], base, timeout_s=1.0), url).level == "problem"


def test_a_certificate_that_no_one_trusts_is_found(base: Path, tmp_path: Path) -> None:
    tls = Authority(tmp_path).server_side()
    with CannedServer(lambda _: states({1: "AVAILABLE"}), tls=tls) as server:
        assert "certificate" in only(Subject(MODEL, [server.url], base, timeout_s=1.0), server.url).found.lower()


def test_no_server_at_all_is_found(base: Path) -> None:
    assert "--server" in only(Subject(MODEL, [], base), "none is named").remedy


def test_replicas_that_serve_different_versions_are_found(base: Path) -> None:
    shutil.copytree(base / "1", base / "2")
    with model_server({1: "AVAILABLE"}) as first, model_server({2: "AVAILABLE"}) as second:
        assert only(Subject(MODEL, [first.url, second.url], base), "different versions").about == "replicas"


def test_one_replica_named_twice_is_found(healthy: Subject) -> None:
    twin = healthy.servers[0].replace("127.0.0.1", "localhost")

    assert only(replace(healthy, servers=[*healthy.servers, twin]), "same address").level == "warning"


def test_a_label_that_releases_move_and_the_server_does_not_know_is_found(healthy: Subject) -> None:
    assert "--model_config_file" in only(replace(healthy, labels=True), "label stable").remedy


def test_a_clock_that_is_wrong_is_found(base: Path) -> None:
    late = {"Date": formatdate(0, usegmt=True)}
    with CannedServer(lambda _: replace(states({1: "AVAILABLE"}), headers=late)) as server:
        assert "NTP" in only(Subject(MODEL, [server.url], base), "behind this machine's").remedy


def test_a_base_path_that_is_not_there_is_found(healthy: Subject, tmp_path: Path) -> None:
    assert only(replace(healthy, model_base_path=tmp_path / "typo"), "does not exist").level == "problem"


def test_a_base_path_that_is_a_file_is_found(healthy: Subject, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert "is a file" in only(replace(healthy, model_base_path=tmp_path / "file"), "model base path").found


@pytest.mark.skipif(as_root, reason="root writes everywhere")
def test_a_base_path_that_cannot_be_written_to_is_found(healthy: Subject, base: Path) -> None:
    base.chmod(0o500)
    try:
        assert "root_squash" in only(healthy, "cannot be written").remedy
    finally:
        base.chmod(0o700)


def test_a_name_that_model_server_takes_for_a_version_is_found(healthy: Subject, base: Path) -> None:
    (base / "007").mkdir()

    assert only(healthy, "for version 7").about.endswith("007")


def test_a_version_without_a_graph_is_found(healthy: Subject, base: Path) -> None:
    (base / "2").mkdir()

    assert only(healthy, "no saved_model.pb").about.endswith("/2")


def test_version_directories_that_model_server_ignores_are_found(healthy: Subject, base: Path) -> None:
    (base / "1").rename(base / "v1")

    assert "numbers" in only(healthy, "ignores v1").remedy


def test_files_that_were_changed_since_their_release_are_found(healthy: Subject, base: Path) -> None:
    (base / "1" / "saved_model.pb").write_bytes(b"another graph")

    assert "new number" in only(healthy, "differ from its manifest").remedy


def test_a_disk_without_room_is_found(healthy: Subject, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(base)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3))

    assert "keep_versions" in only(healthy, "3 bytes are free").remedy


def test_a_release_that_was_killed_is_found(healthy: Subject, base: Path) -> None:
    journal = {"phase": "available", "model_name": MODEL, "version": 2, "replaced": 1}
    (state_directory(base) / JOURNAL_NAME).write_text(json.dumps(journal), encoding="utf-8")

    assert "settles it" in only(healthy, "killed before version 2").remedy


def test_an_input_that_is_not_there_and_one_that_is_empty_are_found(healthy: Subject, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folders = [(str(tmp_path / "nowhere"), ""), (str(tmp_path / "empty"), "")]

    assert {one.level for one in problems(replace(healthy, folders=folders)) if "input" in one.found} == {
        "problem",
        "warning",
    }


def test_an_output_where_nothing_can_be_written_is_found(healthy: Subject, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert only(replace(healthy, folders=[("", str(tmp_path / "file" / "out"))]), "results cannot").level == "problem"


def test_a_store_that_does_not_answer_is_found(healthy: Subject) -> None:
    assert only(replace(healthy, folders=[("nosuch://bucket/in", "")]), "nosuch://").level == "problem"


def test_the_command_prints_every_finding_and_ends_with_1_where_there_is_a_problem(base: Path) -> None:
    with model_server({1: "AVAILABLE"}) as server:
        options = ["--server", server.url, "--server", "http://127.0.0.1:9", "--model-base-path", str(base)]
        words = CliRunner().invoke(app, ["doctor", "--model", MODEL, *options], standalone_mode=False)
        document = CliRunner().invoke(app, ["doctor", "--model", MODEL, *options, "--json"], standalone_mode=False)

    assert words.return_value == document.return_value == 1
    assert "problem http://127.0.0.1:9: gives no answer" in words.stdout
    assert "serves version 1 of m" in words.stdout
    assert {finding["level"] for finding in json.loads(document.stdout)} == {"ok", "problem"}


def test_the_folders_of_every_batch_of_a_spec_are_checked(tmp_path: Path) -> None:
    batches = {name: {"input": f"{tmp_path}/{name}", "output": f"{tmp_path}/{name}-out"} for name in ("day", "night")}
    spec = {"model_name": MODEL, "source": {"checkpoint": "m.keras"}, "batches": batches}
    (tmp_path / "m.yaml").write_text(json.dumps(spec), encoding="utf-8")

    found = CliRunner().invoke(app, ["doctor", str(tmp_path / "m.yaml"), "--json"], standalone_mode=False)

    inputs = {one["about"] for one in json.loads(found.stdout) if "the input cannot be read" in one["found"]}
    assert inputs == {f"{tmp_path}/day", f"{tmp_path}/night"}
