"""What a Model Server in trouble, or something in its place, answers: of each kind one."""

from __future__ import annotations

from tests.support.canned_server import Answer, error_answer

SICK_ANSWERS = [
    error_answer(503, "The batch scheduling queue to which this task was submitted is full"),
    error_answer(504, "Timed out waiting for notification"),
    error_answer(500, "internal"),
    error_answer(429, "Run() timeout exceeded while waiting in batching queue"),
    Answer(body=b"<html>proxy says hello</html>"),
    Answer(raw=b"\x16\x03\x01garbage\r\n"),
    Answer(cut_after_bytes=0),
    Answer(body=b'{"predictions": [{"b64": "' + b"A" * 4000, cut_after_bytes=2000),
]
