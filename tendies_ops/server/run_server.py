"""``tendies-model-server`` and ``tendies serve``: the parts, wired together and run until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial

from tendies_ops.errors import TendiesError, UsageError
from tendies_ops.server.flags import Flags, hint_for, parse_flags, usage
from tendies_ops.server.graph.servable import Loader
from tendies_ops.server.heap import keep_freed_memory
from tendies_ops.server.http.http_server import HttpServer
from tendies_ops.server.loading.saved_model_loader import SavedModelLoader
from tendies_ops.server.prometheus import Metrics
from tendies_ops.server.rest.rest_handler import RestHandler
from tendies_ops.server.rest.site import Site
from tendies_ops.server.status_codes import StatusError, invalid_argument
from tendies_ops.server.versions.configured_models import Models
from tendies_ops.server.versions.manager import Manager
from tendies_ops.server.versions.model_config import checked, read_model_config, read_prometheus_path
from tendies_ops.server.versions.repeated import Repeated
from tendies_ops.server.versions.version_source import ModelConfig, VersionSource

log = logging.getLogger("tendies_ops.server")

_LOG_LEVELS = ("debug", "info", "warning", "error")
EXIT_NOT_STARTED = 255  # the real server's -1

MakeLoader = Callable[[Flags], Loader]


def run(arguments: list[str], *, make_loader: MakeLoader | None = None) -> int:
    """
    Serve until SIGTERM.

    :param arguments: tensorflow_model_server's flags.
    :param make_loader: makes the loader of version directories; tests have one without TensorFlow.
    :return: the exit status: 0 after SIGTERM, 255 if it could not start.
    :raises UsageError: a flag of the real server is not implemented.
    """
    try:
        command_line = parse_flags(arguments)
        if command_line.asks_help:
            sys.stdout.write(usage())
            return 0
        for unknown in command_line.unknown:
            sys.stderr.write(f"unknown argument: {unknown}{hint_for(unknown)}\n")
        flags = command_line.flags
        _set_up_logging(flags.log_level)
        keep_freed_memory()
        return asyncio.run(_Server(flags, make_loader or SavedModelLoader).serve())
    except StatusError as error:
        sys.stderr.write(f"Failed to start server. Error: {error}\n")
        return EXIT_NOT_STARTED


def _set_up_logging(level: str) -> None:
    if level not in _LOG_LEVELS:
        raise UsageError(f"--log_level must be one of {', '.join(_LOG_LEVELS)}, not {level!r}.")
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname).1s %(name)s: %(message)s")


def _configured_models(flags: Flags) -> dict[str, ModelConfig] | None:
    if flags.port == 0:
        raise invalid_argument(
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."
        )
    if not flags.model_base_path and not flags.model_config_file:
        raise invalid_argument("Both server_options.model_base_path and server_options.model_config_file are empty!")
    if flags.batching_parameters_file and not flags.enable_batching:
        raise invalid_argument(
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
        )
    if flags.rest_api_port == 0:
        # The real server would start, to serve gRPC.
        raise invalid_argument("--rest_api_port=PORT is required: the embedded Model Server serves REST only.")
    if flags.model_config_file:
        return read_model_config(flags.model_config_file)
    return checked([ModelConfig(flags.model_name, flags.model_base_path)])


def _listener(flags: Flags) -> socket.socket:
    """
    Bind the port, or use the bound socket of ``--rest_api_socket``.

    :raises StatusError: the port is not available.
    """
    host, port = flags.rest_api_address, flags.rest_api_port
    try:
        if flags.rest_api_socket >= 0:
            return socket.socket(fileno=flags.rest_api_socket)
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        text = f"Failed to start HTTP Server at {host}:{port}: {error.strerror}"
        raise StatusError("UNAVAILABLE", text) from None
    return listener


class _Server:
    """The parts of one server process."""

    def __init__(self, flags: Flags, make_loader: MakeLoader) -> None:
        self._flags = flags
        self._configured = _configured_models(flags)
        self._prometheus_path = (
            read_prometheus_path(flags.monitoring_config_file) if flags.monitoring_config_file else None
        )
        self._metrics = Metrics()
        self._manager = Manager(make_loader(flags), flags)
        self._source = VersionSource(self._manager.set_aspired)
        self._models = Models(
            self._manager, self._source, allow_unavailable=flags.allow_version_labels_for_unavailable_models
        )
        self._polls: list[Repeated] = []
        self._stop_waiting = threading.Event()

    async def serve(self) -> int:
        """Load the models, open the port, and serve until SIGTERM or SIGINT."""
        flags, stopping = self._flags, self._stop_on_signals()
        self._models.apply(self._configured)
        self._manager.start()
        if flags.file_system_poll_wait_seconds >= 0:
            self._source.poll_now()
        self._repeat(self._source.poll_now, flags.file_system_poll_wait_seconds, "version-source")
        try:
            await asyncio.to_thread(self._manager.wait_until_serving, self._models.names(), self._stop_waiting)
            self._manager.end_of_start()
            if not stopping.is_set():
                await self._serve_rest(stopping)
        finally:
            for poll in self._polls:
                poll.stop()
            self._manager.stop()
        return 0

    def _stop_on_signals(self) -> asyncio.Event:
        stopping = asyncio.Event()

        def stop() -> None:
            stopping.set()
            self._stop_waiting.set()
            self._manager.states.wake()

        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, stop)
        return stopping

    async def _serve_rest(self, stopping: asyncio.Event) -> None:
        flags = self._flags
        rest = RestHandler(self._manager, self._models.version_of_label, self._metrics, flags)
        site = Site(
            rest,
            self._metrics,
            ready=lambda: self._models.ready() and not stopping.is_set(),
            prometheus_path=self._prometheus_path,
            cors=flags.rest_api_enable_cors_support,
        )
        # In the real server, the event loop occupies one of the threads.
        server = HttpServer(site.answer_now, site.answer, num_threads=max(1, flags.rest_api_num_threads - 1))
        listener = _listener(flags)
        await server.start(listener)
        if flags.port != Flags.port:
            log.warning("--port has no effect: the embedded Model Server has no gRPC.")
        log.info("Exporting HTTP/REST API at:%s:%d ...", *listener.getsockname()[:2])
        if flags.model_config_file:
            reload = partial(self._models.reload, flags.model_config_file)
            self._repeat(reload, flags.model_config_file_poll_wait_seconds, "config-poll")
        await stopping.wait()
        log.info("Stopping after the requests in flight.")
        await server.drain()

    def _repeat(self, look: Callable[[], None], wait_s: float, name: str) -> None:
        if wait_s > 0:
            self._polls.append(Repeated(look, wait_s=wait_s, name=name))


def main() -> None:
    """Run the console script."""
    try:
        sys.exit(run(sys.argv[1:]))
    except TendiesError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
