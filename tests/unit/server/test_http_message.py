from __future__ import annotations

import gzip

import pytest

from tendies_ops.server.http_message import Request, Response, html_error, is_hopeless, parse_head, response_head
from tendies_ops.server.routes import Route, VersionTooBigError, parse_route
from tendies_ops.server.status import StatusError


def request(head: str) -> Request:
    return parse_head(head.replace("\n", "\r\n").encode("latin-1"))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("hello there", 400), ("GET /v1/a%zz HTTP/1.1", 400), ("GET /v1/a b HTTP/1.1", 400), ("GET / HTTP/2.0", 400),
        ("BREW / HTTP/1.1", 501), ("TRACE / HTTP/1.1", 501), ("GET / HTTP/1.1\nno colon", 400),
        ("GET /\xff HTTP/1.1", 400), ("GET  HTTP/1.1", 400), ("GET 1v:x HTTP/1.1", 400),
        ("GET / HTTP/1.1\n continues: nothing", 400), ("CONNECT h:443 HTTP/1.1", 501), ("B\tW / HTTP/1.1", 501),
        ("A / HTTP/1.1", 400), ("GET //h:65536/ HTTP/1.1", 400), ("GET http://[h/ HTTP/1.1", 400),
        ("DELETE / HTTP/1.1\nContent-Length: x", 400), ("GET http://u@[::1]:8501/v1/models/m HTTP/1.1", 0),
        ("HEAD / HTTP/1.1\nContent-Length: x", 0), ("GET / HTTP/1.1\nX-A: a\rb", 400),
        ("GET / HTTP/1.1\nX-A: a\r\nX-B: b", 400),
        ("GET / HTTP/1.1\nX\rA: a", 400), ("GET / HTTP/1.1\nX-A: a\r\r b", 0),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(head: str, status: int) -> None:
    assert request(head).refusal == status


@pytest.mark.parametrize(
    ("received", "hopeless"),
    [(b"hello", False), (b"hello\n", True), (b"\r\n", True), (b"GET /a b\r\n", True), (b"BREW / HTTP/1.1\r\n", False)],
)
def test_a_line_that_is_no_request_is_known_before_the_head_ends(received: bytes, hopeless: bool) -> None:
    assert is_hopeless(received) is hopeless


def test_header_names_are_folded_and_long_values_continue() -> None:
    found = request("POST / HTTP/1.1\nCoNtEnT-LeNgTh: 5\nX-A: one\n  two")
    assert found.headers == {"content-length": "5", "x-a": "one two"}
    assert found.body_length() == 5


def test_a_continued_line_belongs_to_the_header_before_it_even_where_the_first_of_its_name_counts() -> None:
    found = request("POST / HTTP/1.1\nX-A: one\nX-B: b\nX-A: two\n  three\nConnection:\tclose")
    assert found.headers == {"x-a": "one", "x-b": "b", "connection": "\tclose"}  # blanks are cut off, tabs are not
    assert found.keep_alive


@pytest.mark.parametrize(
    ("head", "length"),
    [
        ("POST / HTTP/1.1", 0), ("POST / HTTP/1.1\nConnection: keep-alive", 0),
        ("GET / HTTP/1.1\nContent-Length: 7", 7), ("DELETE / HTTP/1.1\nContent-Length: 7", 7),
        ("POST / HTTP/1.1\nContent-Length: -0", 0), ("POST / HTTP/1.1\nContent-Length: +7", 7),
        ("POST / HTTP/1.1\nContent-Length: x", None), ("POST / HTTP/1.1\nContent-Length: " + "9" * 5000, (1 << 63) - 1),
        ("POST / HTTP/1.1\nContent-Length: -1", None), ("HEAD / HTTP/1.1\nContent-Length: 7", 0),
        ("POST / HTTP/1.1\nTransfer-Encoding: chunked", 0),
    ],
)  # fmt: skip
def test_the_body_is_as_long_as_libevent_thinks(head: str, length: int | None) -> None:
    assert request(head).body_length() == length


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        ("GET / HTTP/1.1", True), ("GET / HTTP/1.1\nConnection: Close", False), ("GET / HTTP/1.0", False),
        ("GET / HTTP/1.0\nConnection: Keep-Alive", True), ("GET http://h/ HTTP/1.1", False),
        ("GET http://h/ HTTP/1.1\nProxy-Connection: keep-alive", False), ("GET / HTTP/0.9", False),
        ("GET ftp://h/ HTTP/1.1", True), ("GET //h/ HTTP/1.1", True),
    ],
)  # fmt: skip
def test_connections_are_kept_as_libevent_keeps_them(head: str, kept: bool) -> None:
    assert request(head).keep_alive is kept


def test_an_error_page_is_always_http_1_1() -> None:
    head = response_head(request("GET /x HTTP/1.0"), html_error(404)).decode()
    assert head.startswith("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close\r\nDate: ")


@pytest.mark.parametrize("head", ["HEAD /v1/a%zz HTTP/1.1", "CONNECT h:443 HTTP/1.1"])
def test_a_page_for_a_method_without_answers_names_no_length(head: str) -> None:
    found = request(head)
    assert "Content-Length" not in response_head(found, html_error(found.refusal)).decode()


def test_a_client_that_asks_to_close_is_told_so_last_also_on_a_page() -> None:
    broken = request("POST / HTTP/1.1\nConnection: close\nContent-Length: x")
    head = response_head(broken, html_error(broken.refusal)).decode()
    assert [line.split(":")[0] for line in head.split("\r\n")[1:-2]] == [
        "Content-Type", "Date", "Content-Length", "Connection"
    ]  # fmt: skip


def test_statuses_without_a_phrase_have_their_class() -> None:
    head = response_head(request("POST /x HTTP/1.1"), Response(429)).decode()
    assert head.startswith("HTTP/1.1 429 Client Error\r\n")


def test_a_gzip_body_is_unpacked_and_a_false_one_is_none() -> None:
    found = request("POST / HTTP/1.1\nContent-Encoding: gzip")
    found.body = gzip.compress(b"{}")
    assert found.content() == b"{}"
    found.body = b"{}"
    assert found.content() == b""


@pytest.mark.parametrize(
    ("method", "target", "route"),
    [
        ("POST", "/v1/models/m:predict", Route("predict", "m")),
        ("POST", "/V1/Models/m/versions/07:regress", Route("regress", "m", version=7)),
        ("POST", "/v1/models/a%2Fb/labels/c%20d:classify", Route("classify", "a/b", label="c d")),
        ("GET", "/v1/models", Route("status", "")),
        ("GET", "/v1/models/m/metadata", Route("metadata", "m")),
        ("GET", "/v1/models/m/METADATA", Route("status", "m")),
        ("GET", "/v1/models/m?x=1", Route("status", "m?x=1")),
    ],
)
def test_routes(method: str, target: str, route: Route) -> None:
    assert parse_route(method, target) == route


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/models/m:predict"),
        ("POST", "/v1/models/m:PREDICT"),
        ("PUT", "/v1/models/m"),
        ("GET", "/v1/models/m/"),
    ],
)
def test_everything_else_is_malformed(method: str, target: str) -> None:
    with pytest.raises(StatusError, match=f"Malformed request: {method} {target}"):
        parse_route(method, target)


@pytest.mark.parametrize("version", ["9223372036854775808", "9" * 5000, "1" + "0" * 40])
def test_a_version_beyond_64_bits_is_told_apart(version: str) -> None:
    with pytest.raises(VersionTooBigError):
        parse_route("GET", f"/v1/models/m/versions/{version}")


def test_zeros_before_a_version_count_for_nothing() -> None:
    assert parse_route("GET", f"/v1/models/m/versions/{'0' * 5000}7") == Route("status", "m", version=7)
