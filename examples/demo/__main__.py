"""``make demo``. Reads ``ONCE``, ``PORT`` and ``MODEL_SERVER_PORT`` from the environment, where make puts them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from examples.demo.errors import DemoError
from examples.demo.place import CHECKOUT, DemoPlace
from examples.demo.processes import stop_marked
from examples.demo.show import DemoOptions, run_demo
from examples.demo.voice import Voice
from tendies_ops.errors import TendiesError


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--directory", type=Path, default=CHECKOUT / ".demo", help="where it keeps what it makes")
    parser.add_argument("--clean", action="store_true", help="only stop what an earlier demo left running")
    arguments = parser.parse_args()
    place = DemoPlace(arguments.directory.resolve())
    if arguments.clean:
        stop_marked(place.root)
        return 0
    return _run(place, Voice())


def _run(place: DemoPlace, voice: Voice) -> int:
    # SIGINT too: a shell without a terminal starts its background jobs deaf to it, and Python leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # under nohup it is meant to stay
        signal.signal(signal.SIGHUP, _stop)
    threading.Thread(target=_stop_when_orphaned, args=(os.getppid(),), daemon=True).start()
    try:
        return run_demo(place, _read_options(), voice)
    except (DemoError, TendiesError) as error:
        voice.line(f"Error: {error}", style="bold red")
        return 1
    except KeyboardInterrupt:
        return 130


def _read_options() -> DemoOptions:
    return DemoOptions(
        once=os.environ.get("ONCE", "") not in ("", "0"),
        airflow_port=_port("PORT", 8080),
        first_model_server_port=_port("MODEL_SERVER_PORT", 8501),
    )


def _port(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise DemoError(f"{name} must be a port between 1 and 65535; found {text!r}.")
    return int(text)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _stop_when_orphaned(parent: int) -> None:
    """Make can be killed without a chance to tell; what it started must end all the same."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
