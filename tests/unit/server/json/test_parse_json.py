from __future__ import annotations

import math
import random
import threading
import time

import pytest

from tendies_ops.server.json.parse_json import parse_json
from tendies_ops.server.json.pretty_json import debug_string, error_body
from tendies_ops.server.status_codes import StatusError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The document is empty"),
        (b"   ", "The document is empty. at offset: 3"),
        (b"hello", "Invalid value. at offset: 0"),
        (b"nul", "Invalid value. at offset: 3"),
        (b'{"a":[1', "Missing a comma or ']' after an array element. at offset: 7"),
        (b'{"a":1 2}', "Missing a comma or '}' after an object member. at offset: 7"),
        (b'{"a":1,}', "Missing a name for object member. at offset: 7"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a":}', "Invalid value. at offset: 5"),
        (b'{"a":"b', "Missing a closing quotation mark in string. at offset: 7"),
        (b'{"a":"\\q"}', "Invalid escape character in string. at offset: 6"),
        (b'{"a":"\\u12g4"}', "Incorrect hex digit after \\u escape in string. at offset: 6"),
        (b'{"a":"\\ud800x"}', "The surrogate pair in string is invalid. at offset: 6"),
        (b'{"a":"\n"}', "Invalid encoding in string. at offset: 6"),
        (b'{"a":5.}', "Miss fraction part in number. at offset: 7"),
        (b'{"a":5e}', "Miss exponent in number. at offset: 7"),
        (b'{"a":5e+}', "Miss exponent in number. at offset: 8"),
        (b'{"a":-1e400}', "Number too big to be stored in double. at offset: 5"),
        (b'{"a":' + b"9" * 400 + b"}", "Number too big to be stored in double. at offset: 5"),
        (b'{"a":Infinit}', "Invalid value. at offset: 12"),
        (b"5.", "Miss fraction part in number. at offset: 2"),
        (b"-5e", "Miss exponent in number. at offset: 3"),
        (b'{"a":["' + b"x" * 70_000, "Missing a closing quotation mark in string. at offset: 70007"),
        (b"[" * 100_000, "Nested too deep. at offset: 1001"),
        (b'["\xff"]', "Invalid encoding in string."),
        (b'["\\udc00"]', "The surrogate pair in string is invalid. at offset: 2"),
    ],
)
def test_invalid_json_is_reported_with_its_offset(body: bytes, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_json(body)
    assert str(caught.value) == f"INVALID_ARGUMENT: JSON Parse error: {message}"


def test_json_that_only_the_real_parser_accepts_is_accepted() -> None:
    assert parse_json(b"\xef\xbb\xbf [Inf, -Inf] and more") == [math.inf, -math.inf]
    assert parse_json(b"5 and more") == 5
    assert math.isnan(parse_json(b"-NaN"))
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_the_first_of_two_members_with_one_name_counts() -> None:
    assert parse_json(b'{"a":1,"b":2,"a":3}') == {"a": 1, "b": 2}


def test_integers_beyond_64_bits_are_doubles() -> None:
    assert parse_json(b"[18446744073709551615, -9223372036854775808]") == [2**64 - 1, -(2**63)]
    too_big = parse_json(b"[18446744073709551616, -9223372036854775809]")
    assert [type(value) for value in too_big] == [float, float]


def test_doubles_are_at_most_two_units_in_the_last_place_off() -> None:
    chance = random.Random(3)
    texts = [repr(chance.uniform(-1, 1) * 10 ** chance.randrange(-30, 30)) for _ in range(2000)]
    pairs = [(parse_json(text.encode()), float(text)) for text in texts if "." in text or "e" in text]
    off = [(ours, pythons) for ours, pythons in pairs if ours != pythons]
    assert 0 < len(off) < 0.25 * len(pairs)
    assert all(abs(ours - pythons) <= 2.01 * math.ulp(pythons) for ours, pythons in off)


def test_a_long_document_lets_other_threads_run() -> None:
    body = b"[" + b"[1.5,2]," * 400_000 + b"0]"
    turns = 0
    over = threading.Event()

    def count() -> None:
        nonlocal turns
        while not over.is_set():
            turns += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    before = turns
    parse_json(body)
    seen = turns - before
    over.set()
    thread.join()
    assert seen > 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1000.0, "1000.0"), (0.1, "0.1"), (-0.0, "-0.0"), (1e20, "1e+20"), (5, "5"), (None, "null"), (True, "true"),
        ([1, [2.5, "a"]], '[1, [2.5, "a"]]'), ({}, "{}"), ([], "[]"), ("\x01\"\\/é", '"\\u0001\\"\\\\/é"'),
        (math.nan, "NaN"),
    ],
)  # fmt: skip
def test_values_are_printed_as_the_real_server_prints_them(value: object, text: str) -> None:
    assert debug_string(value) == text


def test_long_values_are_cut_between_tokens() -> None:
    text = debug_string(list(range(1000)))
    assert 256 <= len(text) < 270
    assert debug_string(["x" * 1000, 1]) == '["' + "x" * 1000 + '"'


def test_the_excerpt_of_a_huge_value_in_an_error_is_bounded() -> None:
    nested: object = {"": 0}
    for _ in range(300):
        nested = {"a": nested, "b": nested}
    assert len(debug_string(nested)) < 2_000


def test_an_error_body_is_json() -> None:
    assert error_body('a "b"\n') == b'{\n    "error": "a \\"b\\"\\n"\n}'
