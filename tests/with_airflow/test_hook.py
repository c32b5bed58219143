from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection

from tendies_ops.errors import UsageError
from tendies_ops.hooks.model_server import ModelServerHook, read_connection


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
    server = read_connection(Connection(conn_id="c", conn_type="tf_serving", host="a", extra=json.dumps(extra)))

    assert server.servers == ("https://a:8501",)
    assert server.base_path_of("style") == "/models/style"
    assert (server.timeout_s, server.verify) == (5.0, "/ca.pem")


def test_a_token_and_a_login_become_headers_that_repr_does_not_show() -> None:
    token = read_connection(Connection(conn_id="c", conn_type="tf_serving", host="a", extra='{"token": "s3cret"}'))
    login = read_connection(Connection(conn_id="c", conn_type="tf_serving", host="a", login="u", password="p"))

    assert token.headers == {"Authorization": "Bearer s3cret"}
    assert login.headers == {"Authorization": "Basic dTpw"}
    assert "s3cret" not in repr(token)


@pytest.mark.parametrize("value", ["soon", 0, -1, [1], "nan", "inf"])
def test_a_timeout_that_is_no_number_of_seconds_is_named(value: object) -> None:
    connection = Connection(conn_id="c", conn_type="tf_serving", host="a", extra=json.dumps({"timeout_s": value}))

    with pytest.raises(UsageError, match="'c': `timeout_s` in its extra must be a number of seconds above 0"):
        read_connection(connection)


def test_a_connection_without_a_host_says_what_to_write() -> None:
    with pytest.raises(UsageError, match="names no host"):
        read_connection(Connection(conn_id="c", conn_type="tf_serving"))


def test_the_connection_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", '{"conn_type": "tf_serving", "host": "h", "port": 1}')

    assert ModelServerHook().get_conn().servers == ("http://h:1",)
