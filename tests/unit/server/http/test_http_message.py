from __future__ import annotations

import gzip

import pytest

from tendies_ops.server.http.http_message import Request, Response, html_error, parse_target, response_head


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/v1/models/m?a=1#b", "/v1/models/m?a=1#b"),
        ("http://u@[::1]:8501/v1/models/m?a", "/v1/models/m?a"),
        ("HTTPS://h", "/"),
        ("http://h?a", "/?a"),
        ("//h/x", "//h/x"),
        ("*", None),
        ("h:443", None),
        ("ftp://h/x", None),
        ("", None),
    ],
)
def test_a_target_is_a_path_whether_or_not_it_names_a_host(text: str, target: str | None) -> None:
    assert parse_target(text) == target


def test_an_error_page_closes_the_connection_and_is_always_http_1_1() -> None:
    head = response_head(html_error(404), is_1_1=False, keep_alive=False).decode()
    assert head.startswith("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close\r\n")


def test_an_answer_that_closes_the_connection_has_one_connection_header() -> None:
    names = [
        line.split(":")[0]
        for response in (Response(200, b"a"), html_error(400))
        for line in response_head(response, keep_alive=False).decode().split("\r\n")[1:-2]
    ]
    assert names == ["Date", "Content-Length", "Connection", "Content-Type", "Connection", "Date", "Content-Length"]


def test_an_answer_in_http_1_0_names_its_length_where_the_connection_stays_open() -> None:
    kept = response_head(Response(200, b"abc"), is_1_1=False)
    assert kept == b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n"
    assert response_head(Response(200, b"abc"), is_1_1=False, keep_alive=False) == b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(("status", "phrase"), [(429, "Client Error"), (499, "Client Error"), (404, "Not Found")])
def test_a_status_line_has_the_reason_phrase_of_the_real_server(status: int, phrase: str) -> None:
    assert response_head(Response(status)).decode().startswith(f"HTTP/1.1 {status} {phrase}\r\n")


def test_a_gzip_body_is_unpacked_and_an_invalid_one_counts_as_empty() -> None:
    def content(body: bytes) -> bytes:
        return bytes(Request("POST", "/", {"content-encoding": "gzip"}, body).content())

    assert content(gzip.compress(b"{}")) == b"{}"
    assert content(b"{}") == content(gzip.compress(b"{}") + b"more") == content(gzip.compress(b"{}")[:-1]) == b""
