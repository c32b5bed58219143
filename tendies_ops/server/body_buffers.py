"""Memory for request bodies, used again: to take 500 kB from the system and clear them costs more than to read them."""

from __future__ import annotations

from typing import Final

_KEPT: Final = 8
_MAX_KEPT_BYTES: Final = 1 << 20


class BodyBuffers:
    """A few buffers of bodies that have been answered. For one thread, the event loop's."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self, size_bytes: int) -> bytearray:
        """A buffer of this size; what is in it is not said."""
        for index in range(len(self._free) - 1, -1, -1):
            if size_bytes <= len(self._free[index]) <= 2 * size_bytes:
                buffer = self._free.pop(index)
                del buffer[size_bytes:]  # its memory stays
                return buffer
        return bytearray(size_bytes)

    def give(self, buffer: bytes | bytearray) -> None:
        """Take back a buffer that nobody reads any more."""
        if isinstance(buffer, bytearray) and 0 < len(buffer) <= _MAX_KEPT_BYTES:
            self._free = [*self._free[1 - _KEPT :], buffer]
