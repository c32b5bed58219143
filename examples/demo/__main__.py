"""``make demo``. Reads ``ONCE``, ``PORT`` and ``MODEL_SERVER_PORT`` from the environment, where make puts them."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from examples.demo.show import run_demo
from examples.demo.specs import CHECKOUT
from tendies_ops.cli.interrupts import interrupt_on_signals
from tendies_ops.dev import DevError, DevOptions, Voice
from tendies_ops.dev.processes import stop_marked
from tendies_ops.errors import TendiesError


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--directory", type=Path, default=CHECKOUT / ".demo", help="its working folder")
    parser.add_argument("--clean", action="store_true", help="only stop what an earlier demo left running")
    arguments = parser.parse_args()
    folder = arguments.directory.resolve()
    if arguments.clean:
        stop_marked(folder)
        return 0
    return _run(folder, Voice())


def _run(folder: Path, voice: Voice) -> int:
    try:
        with interrupt_on_signals():
            return run_demo(folder, _read_options(), voice, once=os.environ.get("ONCE", "") not in ("", "0"))
    except TendiesError as error:
        text = str(error).replace("--port=", "make demo PORT=").replace("--model-server-port=", "MODEL_SERVER_PORT=")
        voice.line(f"Error: {text}", style="bold red")
        return 1
    except KeyboardInterrupt:
        return 130


def _read_options() -> DevOptions:
    # Model builders below examples/ are imported by name.
    environment = {"PYTHONPATH": str(CHECKOUT)}
    return DevOptions(_port("PORT", 8080), _port("MODEL_SERVER_PORT", 8501), environment=environment)


def _port(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise DevError(f"{name} must be a port between 1 and 65535; found {text!r}.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
