"""Ports on loopback."""

from __future__ import annotations

import random
import socket

#: Below the ports that Linux hands to outgoing connections (``net.ipv4.ip_local_port_range`` begins at 32768): one of
#: those may be taken by any client between the moment it is chosen and the moment a server opens it.
_CHOICE = range(20000, 32700)


def free_port(count: int = 1) -> int:
    """
    A TCP port on 127.0.0.1 that no one listens on now.

    :param count: this many in a row are free; the first is returned.
    """
    for _ in range(1000):
        first = random.choice(_CHOICE)
        if all(map(_is_free, range(first, first + count))):
            return first
    raise OSError(f"no {count} free ports in a row on 127.0.0.1 between {_CHOICE.start} and {_CHOICE.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
