"""
The embedded Model Server as it is, with a meter on its stages and a clock on its first and last picture.

Started with the server's own flags; answers each line of its standard input with a line of JSON, :class:`Reading`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass, field

from bench.stages import Meter, measuring
from tendies_ops.server.http.http_message import Request
from tendies_ops.server.rest.rest_handler import RestHandler
from tendies_ops.server.run_server import run

HTTP = "HTTP of the server: receive, hand over, send"
TENSORFLOW = "TensorFlow"
STAGES = {
    HTTP: ("tendies_ops.server.http.http_protocol:HttpProtocol.buffer_updated",),
    "cut and decode the request": ("tendies_ops.server.rest.rest_handler:read_plain_files",),
    "copy into and out of tensors": (
        "tendies_ops.server.graph.servable:_new_tensor",
        "tendies_ops.server.graph.servable:_read_tensor",
    ),
    TENSORFLOW: ("tendies_ops.server.graph.servable:SavedModelServable._session_run",),
    "encode the answer": ("tendies_ops.server.rest.rest_handler:answer_rows",),
}


@dataclass
class Reading:
    """What has been used so far, and when pictures came and went (seconds since 1970; 0: none yet)."""

    process_cpu_s: float = 0.0
    stages_cpu_s: dict[str, float] = field(default_factory=dict)
    first_request_at: float = 0.0
    last_answer_at: float = 0.0


class Watch:
    """Notes when requests for pictures begin and end."""

    def __init__(self) -> None:
        self.first_request_at = self.last_answer_at = 0.0

    def begin_again(self) -> None:
        """Forget what was seen."""
        self.first_request_at = self.last_answer_at = 0.0

    def install(self) -> None:
        """Look at every request from now on."""
        answer = RestHandler.answer

        def watched(handler: RestHandler, request: Request) -> tuple[int, bytes]:
            begun_at = time.time()
            found = answer(handler, request)
            if request.method == "POST":
                self.first_request_at = self.first_request_at or begun_at
                self.last_answer_at = time.time()
            return found

        RestHandler.answer = watched  # type: ignore[method-assign, assignment]


def read_meter(meter: Meter, watch: Watch) -> Reading:
    """Look at everything, and forget when pictures came and went."""
    reading = Reading(time.process_time(), dict(meter.cpu_s()), watch.first_request_at, watch.last_answer_at)
    watch.begin_again()
    return reading


def serve() -> int:
    meter, watch = Meter(HTTP), Watch()
    watch.install()

    def answer_lines() -> None:
        for _ in sys.stdin:
            print(json.dumps(asdict(read_meter(meter, watch))), flush=True)

    threading.Thread(target=answer_lines, daemon=True).start()
    with measuring(meter, STAGES):
        return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(serve())
