"""``tendies-model-server``."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from tendies_ops.server.http_server import HttpServer
from tendies_ops.server.load import LoadSettings
from tendies_ops.server.manager import Manager
from tendies_ops.server.rest_handler import RestHandler
from tendies_ops.server.saved_model_loader import SavedModelLoader
from tendies_ops.server.servable import Loader, SessionSettings
from tendies_ops.server.status import StatusError, invalid_argument
from tendies_ops.server.version_source import ModelConfig, VersionSource

log = logging.getLogger(__name__)


def _flag(arguments: list[str], name: str, default: str) -> str:
    for argument in arguments:
        if argument.startswith(f"--{name}="):
            return argument.split("=", 1)[1]
    return default


def run(arguments: list[str], *, make_loader: Callable[[SessionSettings], Loader] = SavedModelLoader) -> int:
    """
    Serve until SIGTERM.

    :param arguments: tensorflow_model_server's flags.
    :param make_loader: what loads version directories; tests bring one without TensorFlow.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    name = _flag(arguments, "model_name", "default")
    base_path = _flag(arguments, "model_base_path", "")
    port = int(_flag(arguments, "rest_api_port", "8501"))
    poll_s = float(_flag(arguments, "file_system_poll_wait_seconds", "1"))
    settings = LoadSettings(
        max_num_load_retries=int(_flag(arguments, "max_num_load_retries", "5")),
        load_retry_interval_s=float(_flag(arguments, "load_retry_interval_micros", "60000000")) / 1e6,
        num_load_threads=int(_flag(arguments, "num_load_threads", "0")),
    )
    manager = Manager(make_loader(SessionSettings()), settings)
    source = VersionSource(manager, poll_wait_s=poll_s)
    source.set_models({name: ModelConfig(name, base_path)})
    return asyncio.run(_serve(manager, source, [name], port))


def _no_label(model_name: str, label: str) -> int:
    raise invalid_argument(f"Unrecognized servable version label: {label}")


async def _serve(manager: Manager, source: VersionSource, names: list[str], port: int) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    stop_waiting = threading.Event()

    def stop() -> None:
        stopping.set()
        stop_waiting.set()
        manager.states.wake()

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop)
    manager.start()
    source.start()
    try:
        await asyncio.to_thread(manager.wait_until_serving, names, stop_waiting)
        manager.end_of_start()
        if not stopping.is_set():
            server = HttpServer(
                RestHandler(manager, _no_label, timeout_ms=30000), num_threads=4 * (os.cpu_count() or 1)
            )
            bound = await server.start("127.0.0.1", port)
            log.info("Exporting HTTP/REST API at:localhost:%d ...", bound)
            await stopping.wait()
            await server.drain()
    except StatusError as error:
        sys.stderr.write(f"Failed to start server. Error: {error}\n")
        return 255
    finally:
        source.stop()
        manager.stop()
    return 0


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
