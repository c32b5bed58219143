from __future__ import annotations

import socket

from tendies_ops.dev.error import DevError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Return True if nothing listens at a port."""
    return not _why_not(port)


def check_free(port: int, *, what: str, option: str) -> None:
    """
    Do nothing if a port is free.

    :param what: the program that needs it, for the message.
    :param option: the option that chooses another.
    :raises DevError: it is not free.
    """
    if reason := _why_not(port):
        raise DevError(
            f"{what} cannot use port {port} of {HOST} ({reason}). Stop the program that has it, or choose another one: "
            f"{option}={port + 1000}"
        )


def _why_not(port: int) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that just ended holds nothing
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror or str(error)
        except OverflowError:
            return "it is above 65535"
    return ""
