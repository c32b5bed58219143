"""Requests that are wrong in some way, made by mutating good ones. The same seed makes the same requests."""

from __future__ import annotations

import random
from collections.abc import Callable

_GOOD = b'{"instances": [{"b64": "aGVsbG8gd29ybGQ="}, {"b64": "AP+A"}]}'
_COLUMNS = b'{"signature_name": "serving_default", "inputs": {"input_bytes": [{"b64": "aGk="}, {"b64": ""}]}}'
_TOKENS = (
    b"{", b"}", b"[", b"]", b":", b",", b'"', b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-", b"0.", b"9" * 400,
    b"\\u12", b"\\ud800", b"\x00", b"\xff\xfe", b'"b64"', b'"instances"', b"1" * 30, b"\n", b"@@@=",
)  # fmt: skip


class BrokenRequests:
    """A source of requests as the bytes of a connection."""

    def __init__(self, seed: int, model_name: str) -> None:
        self._random = random.Random(seed)
        self._path = f"/v1/models/{model_name}:predict"
        self._makers: list[Callable[[], bytes]] = [
            self._mutated_json,
            self._mutated_json,
            self._deep,
            self._long_number,
            self._truncated_base64,
            self._broken_head,
            self._cut_body,
            self._broken_chunks,
            self._random_bytes,
        ]

    def next(self) -> bytes:
        """One more request."""
        return self._random.choice(self._makers)()

    def _post(self, body: bytes, *headers: bytes) -> bytes:
        lines = [b"POST " + self._path.encode() + b" HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(body), *headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def _mutated_json(self) -> bytes:
        body = bytearray(self._random.choice((_GOOD, _COLUMNS)))
        for _ in range(self._random.randint(1, 6)):
            place = self._random.randrange(len(body) + 1)
            action = self._random.randrange(3)
            if action == 0:
                body[place:place] = self._random.choice(_TOKENS)
            elif action == 1:
                del body[place : place + self._random.randint(1, 8)]
            else:
                body[place : place + 1] = bytes([self._random.randrange(256)])
        return self._post(bytes(body))

    def _deep(self) -> bytes:
        depth = self._random.choice((10, 300, 300, 300, 3000, 30000))
        opening, closing = self._random.choice(((b"[", b"]"), (b'{"a":', b"}")))
        ending = closing * self._random.choice((0, depth))
        return self._post(b'{"instances":' + opening * depth + b"1" + ending + b"}")

    def _long_number(self) -> bytes:
        digits = b"7" * self._random.choice((20, 310, 5000))
        number = self._random.choice((digits, b"-" + digits, b"0." + digits, b"1e" + digits, b"1e-" + digits))
        return self._post(b'{"instances": [' + number + b"]}")

    def _truncated_base64(self) -> bytes:
        return self._post(b'{"instances": [{"b64": "' + b"QUJD" * 50 + b"QUJD"[: self._random.randrange(4)] + b'!"}]}')

    def _broken_head(self) -> bytes:
        heads = (
            b"GET\r\n\r\n",
            b"GET /v1/models/m\r\n\r\n",
            b"POST " + self._path.encode() + b" HTTP/9.9\r\n\r\n",
            b"POST " + self._path.encode() + b" HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            b"POST " + self._path.encode() + b" HTTP/1.1\r\nContent-Length: 12x\r\n\r\n",
            b"POST " + self._path.encode() + b" HTTP/1.1\r\nno colon here\r\n\r\n",
            b"GET /v1/models/%zz HTTP/1.1\r\n\r\n",
            b"GET /v1/models/\xff\xfe HTTP/1.1\r\n\r\n",
            b"BREW /v1/models/m HTTP/1.1\r\n\r\n",
            b"\r\n\r\n\r\n",
        )
        return self._random.choice(heads)

    def _cut_body(self) -> bytes:
        request = self._post(_GOOD)
        return request[: self._random.randrange(1, len(request))]

    def _broken_chunks(self) -> bytes:
        head = b"POST " + self._path.encode() + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        bodies = (
            b"zz\r\n",
            b"-1\r\n",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\n",
            b"5;x=1\r\nhello\r\n0\r\n\r\n",
        )
        return head + self._random.choice(bodies)

    def _random_bytes(self) -> bytes:
        return self._random.randbytes(self._random.randint(1, 400))
