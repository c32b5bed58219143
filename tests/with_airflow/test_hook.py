from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import Connection

from tendies_ops.errors import UsageError, VersionGoneError
from tendies_ops.hooks.model_server import (
    ConnectionExtra,
    ModelServerConnection,
    ModelServerHook,
    read_connection,
)
from tendies_ops.provider import CONNECTION_FIELDS
from tests.support.canned_server import Answer, CannedServer, Request, error_answer


def test_replicas_are_hosts_with_commas_between_and_take_the_connection_s_port() -> None:
    connection = Connection(conn_id="c", conn_type="tf_serving", host="a, b:9000 ,https://c.example/x/", port=8600)

    assert read_connection(connection).servers == ("http://a:8600", "http://b:9000", "https://c.example/x")


def test_the_port_is_8501_where_none_is_given() -> None:
    assert read_connection(Connection(conn_id="c", conn_type="tf_serving", host="a")).servers == ("http://a:8501",)


def test_an_ipv6_host_keeps_its_brackets() -> None:
    connection = Connection(conn_id="c", conn_type="tf_serving", host="[::1],[::1]:8502")

    assert read_connection(connection).servers == ("http://[::1]:8501", "http://[::1]:8502")


def test_the_extra_says_base_path_timeouts_and_tls() -> None:
    extra = {"model_base_path": "/models/{model_name}", "timeout_s": "5", "tls": True, "ca_file": "/ca.pem"}
    extra |= {"client_certificate": "/c.pem", "client_key": "/c.key"}
    server = read_connection(Connection(conn_id="c", conn_type="tf_serving", host="a", extra=json.dumps(extra)))

    assert server.servers == ("https://a:8501",)
    assert server.base_path_of("style") == "/models/style"
    assert (server.timeout_s, server.credentials.verify) == (5.0, "/ca.pem")
    assert (server.credentials.client_certificate, server.credentials.client_key) == ("/c.pem", "/c.key")


def test_a_token_and_a_login_become_headers_that_repr_does_not_show() -> None:
    token = read_connection(Connection(conn_id="c", conn_type="tf_serving", host="a", extra='{"token": "s3cret"}'))
    login = read_connection(Connection(conn_id="c", conn_type="tf_serving", host="a", login="u", password="p"))

    assert token.credentials.headers == {"Authorization": "Bearer s3cret"}
    assert login.credentials.headers == {"Authorization": "Basic dTpw"}
    assert "s3cret" not in repr(token)


def test_the_token_of_a_connection_goes_to_its_own_hosts_alone() -> None:
    connection = Connection(
        conn_id="c", conn_type="tf_serving", host="localhost:1", extra=json.dumps({"token": "s3cret"})
    )
    own, other = "http://localhost:1", "http://localhost:2"
    server = read_connection(connection).with_servers((other, own))

    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client) for client in server.clients()]
        assert [client.base_url for client in clients] == [other, own]
    assert [server.credentials.headers_for(url) for url in (other, own)] == [{}, {"Authorization": "Bearer s3cret"}]


@pytest.mark.parametrize("secret", [{"extra": '{"token": "s3cret"}'}, {"login": "u", "password": "s3cret"}])
def test_a_login_that_would_go_unencrypted_to_another_machine_is_kept_back(secret: dict[str, Any]) -> None:
    server = read_connection(Connection(conn_id="c", conn_type="tf_serving", host="far.example", **secret))

    with pytest.raises(UsageError, match=r"would be sent unencrypted.*in a connection: `tls`") as refused:
        server.clients()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("host", ["u:s3cret@a", "http://u:s3cret@a:8501", "b,https://s3cret@a"])
def test_a_login_in_a_host_is_refused_without_showing_it(host: str) -> None:
    with pytest.raises(UsageError, match=r"'c': the address https?://\*\*\*@a.* holds a login") as refused:
        read_connection(Connection(conn_id="c", conn_type="tf_serving", host=host))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("value", ["soon", 0, -1, [1], "nan", "inf"])
def test_a_timeout_that_is_no_number_of_seconds_is_named(value: object) -> None:
    connection = Connection(conn_id="c", conn_type="tf_serving", host="a", extra=json.dumps({"timeout_s": value}))

    with pytest.raises(UsageError, match=r"'c': `timeout_s`: .*; found .*in its extra"):
        read_connection(connection)


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("tf-serving://https://models.example.com:443/serving?token=x", "https://models.example.com:443/serving"),
        ("tf-serving://models.example.com:9000/a/b", "http://models.example.com:9000/a/b"),
        ("tf-serving://models.example.com/a?tls=true", "https://models.example.com:8501/a"),
        ("tf-serving://https://models.example.com", "https://models.example.com"),
        ("tf-serving://models.example.com:443/https", "https://models.example.com:443"),
        ("tf-serving://https%3A%2F%2Fmodels.example.com%2Fa", "https://models.example.com/a"),
        ("tf-serving://[::1]:8502/", "http://[::1]:8502"),
    ],
)
def test_a_connection_written_as_a_uri_keeps_scheme_port_and_path(
    uri: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AS_URI", uri)

    assert ModelServerHook("as_uri").get_conn().servers == (server,)


def test_one_path_for_several_hosts_is_refused_with_the_way_to_write_it() -> None:
    connection = Connection(conn_id="c", conn_type="tf_serving", host="a,b", schema="serving")

    with pytest.raises(UsageError, match="Give each replica as a whole URL in `host`"):
        read_connection(connection)


@pytest.mark.parametrize(("text", "tls"), [("false", False), ("true", True), ("0", False), ("", False)])
def test_a_yes_or_no_of_a_uri_is_read_as_what_it_says(text: str, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AS_URI", f"tf-serving://a:1/?tls={text}&verify_tls={text}")
    found = ModelServerHook("as_uri").get_conn()

    assert found.servers == (f"http{'s' if tls else ''}://a:1",)
    assert found.credentials.verify is (tls or text == "")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ('{"tokn": "s"}', "'c': unknown key `tokn`; did you mean `token`.*in its extra"),
        ('{"zz": 1}', "unknown key `zz`; known keys: ca_file, client_certificate"),
        ('{"tls": "perhaps"}', "'c': `tls`: .*; found 'perhaps', in its extra"),
        ("timeout_s=5", "'c': its extra is not a JSON object"),
        ("[1]", "'c': its extra is not a JSON object"),
    ],
)
def test_nothing_in_an_extra_is_dropped_in_silence(extra: str, words: str) -> None:
    connection = Connection(conn_id="c", conn_type="tf_serving", host="a", extra=extra)

    with pytest.raises(UsageError, match=words):
        read_connection(connection)


def test_the_keys_that_the_hook_takes_are_those_of_the_form() -> None:
    assert set(CONNECTION_FIELDS) == set(ConnectionExtra.model_fields)


def test_all_replicas_are_asked_at_once() -> None:
    """Each answers only when the other one has been asked as well."""
    asked = {name: threading.Event() for name in ("one", "two")}

    def answer(name: str, other: str) -> Callable[[Request], Answer]:
        def give(_: Request) -> Answer:
            asked[name].set()
            return error_answer(404, "none yet") if asked[other].wait(4) else error_answer(500, "asked alone")

        return give

    with CannedServer(answer("one", "two")) as one, CannedServer(answer("two", "one")) as two:
        answers = ModelServerConnection((one.url, two.url)).served_versions("m")

    assert [type(found) for found in answers.values()] == [VersionGoneError, VersionGoneError]


def test_a_connection_without_a_host_says_what_to_write() -> None:
    with pytest.raises(UsageError, match="names no host"):
        read_connection(Connection(conn_id="c", conn_type="tf_serving"))


def test_the_connection_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", '{"conn_type": "tf_serving", "host": "h", "port": 1}')

    assert ModelServerHook().get_conn().servers == ("http://h:1",)
