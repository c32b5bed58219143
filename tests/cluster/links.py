"""
Links to servers that can be cut: network namespaces where the machine allows them, else a proxy on loopback.

A server in a namespace of its own is as good as another machine: when its link goes down, packets get lost and no one
is told. The proxy does the same as well as one on loopback can: it passes no more bytes on and leaves connections open.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from tests.support.ports import free_port

_numbers = itertools.count(1)


class Link(Protocol):
    """The way from here to one server."""

    address: str  #: that the server listens on
    port: int  #: that the server listens on
    url: str  #: under which it is reached from here
    prefix: tuple[str, ...]  #: words before the server's command line

    def cut(self) -> None:
        """From now on nothing gets through."""

    def mend(self) -> None:
        """It does again."""

    def close(self) -> None:
        """Take it away."""


def make_link() -> Link:
    """The best link that this machine can have."""
    return NamespaceLink() if namespaces_are_allowed() else ProxyLink()


def namespaces_are_allowed() -> bool:
    """Whether this process may make network namespaces and devices."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    probe = ["unshare", "--net", "ip", "link", "add", "tendies-probe", "type", "veth"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@dataclass
class NamespaceLink:
    """A namespace and a pair of virtual network cards, of which one is here and one is in there."""

    port: int = 8501
    name: str = field(default_factory=lambda: f"tnd{os.getpid() % 10000}n{next(_numbers)}")

    def __post_init__(self) -> None:
        subnet = f"10.{200 + next(_numbers) % 50}.{os.getpid() % 250}"
        self.address = f"{subnet}.2"
        self.url = f"http://{self.address}:{self.port}"
        self.prefix: tuple[str, ...] = ("ip", "netns", "exec", self.name)
        _ip("netns", "add", self.name)
        _ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("addr", "add", f"{subnet}.1/24", "dev", self.name)
        _ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        _ip("-n", self.name, "link", "set", "eth0", "up")
        self.mend()

    def cut(self) -> None:
        """Pull the cable at the far end: here, nothing is to be seen of it."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def mend(self) -> None:
        _ip("link", "set", self.name, "up")
        _ip("-n", self.name, "link", "set", "eth0", "up")

    def close(self) -> None:
        for arguments in (("link", "del", self.name), ("netns", "del", self.name)):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(*arguments)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class ProxyLink:
    """A TCP proxy on loopback, a thread for each direction of a connection."""

    prefix: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.address = "127.0.0.1"
        self.port = free_port()
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> ProxyLink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self._listener.close()
        self._whole.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self._whole.wait()
        try:
            far = socket.create_connection((self.address, self.port), timeout=10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        back = threading.Thread(target=self._pass_on, args=(far, near), daemon=True)
        back.start()
        self._pass_on(near, far)
        back.join()
        near.close()
        far.close()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
