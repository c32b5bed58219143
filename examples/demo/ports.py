"""Which ports the demo takes, all on 127.0.0.1."""

from __future__ import annotations

import socket

from examples.demo.errors import DemoError

HOST = "127.0.0.1"


def check_free(port: int, *, what: str, option: str) -> int:
    """
    Return ``port`` if nobody listens there.

    :param what: who wants it, for the message.
    :param option: the make variable that chooses another.
    :raises DemoError: it is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that just ended holds nothing
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is above 65535"
            raise DemoError(
                f"{what} wants port {port} of {HOST}, which cannot be had ({reason}). "
                f"Stop the program that has it, or choose another: make demo {option}={port + 1000}"
            ) from None
    return port
