"""
What HTTP alone costs: the same requests and answers over the same connections, with nothing behind them.

No server can do with less, whatever it is written in: what this takes of the cores TensorFlow does not get.
"""

from __future__ import annotations

import statistics
import sys
from contextlib import ExitStack
from typing import Any

from bench.closed_loop import SHARED_EVENLY, requests_in
from bench.contenders import Server, free_port, start_child
from bench.results import Row
from bench.workloads import Workload

NAME = "http"
TURNS = 12
TURN_S = 1.0  #: about; the system counts a process's CPU time in hundredths of a second


def start_wire(stack: ExitStack, ours: Server) -> Server:
    """
    Start a server that has the answers of ``ours`` ready and sends them for the asking; it gets the same client.

    :param stack: stops it.
    """
    workload = ours.workload
    answer, port = workload.model_base_path / "answer", free_port()
    answer.write_bytes(ours.first_pictures()[0])
    command = [sys.executable, "-m", "bench.canned_answers", str(answer), str(port), str(ours.lanes + 1)]
    wire = Server(NAME, "HTTP alone", start_child(NAME, command, workload), workload, ours.lanes, port, ours.client)
    stack.callback(wire.stop)
    wire.wait_until_ready()
    return wire


def cpu_ms_per_image(wire: Server) -> tuple[float, float]:
    """Measure what a picture costs there: the client's part, and the server's."""
    requests, batch_size = SHARED_EVENLY, wire.workload.batch_size
    wire.work(requests)  # the first requests find cold caches
    requests = requests_in(TURN_S, requests * batch_size / wire.work(requests), batch_size)
    turns = [_cost_of_turn(wire, requests) for _ in range(TURNS)]
    return statistics.median(client for client, _ in turns), statistics.median(server for _, server in turns)


def _cost_of_turn(wire: Server, requests: int) -> tuple[float, float]:
    client_s, server_s = wire.client_cpu_s(), wire.cpu_s()
    wire.work(requests)
    per_image_ms = 1e3 / (requests * wire.workload.batch_size)
    return (wire.client_cpu_s() - client_s) * per_image_ms, (wire.cpu_s() - server_s) * per_image_ms


def ceiling_row(workload: Workload, limit: Row, limit_cpu_ms: float, wire_ms: tuple[float, float]) -> Row:
    """
    Tell how much of the limit is left for any server and this client, where they share all cores with TensorFlow.

    :param limit: the row of TensorFlow in process, in images/s.
    :param limit_cpu_ms: its CPU time for a picture.
    :param wire_ms: of the client and of the server, from :func:`cpu_ms_per_image`.
    """
    share = limit_cpu_ms / (limit_cpu_ms + sum(wire_ms))
    more: dict[str, Any] = {"workload": workload.name, "contender": NAME}
    more |= {"client_cpu_ms_per_image": round(wire_ms[0], 4), "server_cpu_ms_per_image": round(wire_ms[1], 4)}
    what = f"what HTTP leaves to any server, {workload.title}"
    rate = round(share * limit.value, 3)
    return Row(what, rate, limit.unit, limit.compared_with, limit.value, round(share, 3), more=more)
