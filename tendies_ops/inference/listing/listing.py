"""The listing, made ahead by a thread of its own, so that a run knows early how many pictures there are."""

from __future__ import annotations

import marshal
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator

from tendies_ops.inference.ledger.outcomes import Found

_FIRST_BLOCK = 64  # files; small, because the first request waits for them
_BLOCK = 2000  # files that are packed together
_LONGEST_BLOCK_S = 0.1  # for a slow storage
_KEPT_PER_SAMPLE = 8  # the more, the more even
_PATIENCE_S = 0.005  # between two checks by a run that has caught up


class Listing:
    """
    Files in their order, taken from ``files`` by a thread.

    Files that are listed and not yet taken are packed: about 20 bytes each, 20 MB for a million.

    :param files: may raise; the reader of the listing gets the error.
    """

    def __init__(self, files: Iterable[Found]) -> None:
        self.total: int | None = None  #: how many there are, once all are listed
        self._blocks: deque[bytes] = deque()
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._closed = False
        threading.Thread(target=self._list, args=(iter(files),), daemon=True, name="tendies-list").start()

    def __iter__(self) -> Iterator[Found | None]:
        """Yield every file once, and None while the next one is not listed yet."""
        while True:
            ended = self._ended.is_set()  # read first: the last block comes before it
            try:
                block = self._blocks.popleft()
            except IndexError:
                if ended:
                    break
                self._ended.wait(_PATIENCE_S)
                yield None
                continue
            for values in marshal.loads(zlib.decompress(block)):  # noqa: S302 # our own data
                yield Found(*values)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Let the thread end."""
        self._closed = True

    def _list(self, files: Iterator[Found]) -> None:
        count = 0
        block: list[tuple[object, ...]] = []
        length, begun_s = _FIRST_BLOCK, time.monotonic()
        try:
            for found in files:
                block.append(_values(found))
                if len(block) >= length or time.monotonic() - begun_s > _LONGEST_BLOCK_S:
                    count += len(block)
                    self._blocks.append(_packed(block))
                    block, length, begun_s = [], _BLOCK, time.monotonic()
                    if self._closed:
                        return
            self._blocks.append(_packed(block))
            self.total = count + len(block)
        except BaseException as error:  # raised where the listing is read
            self._blocks.append(_packed(block))
            self._error = error
        finally:
            self._ended.set()


def spread_sample(files: Iterable[Found], count: int) -> list[Found]:
    """
    Return ``count`` files, evenly spread over all. It keeps up to eight times as many in memory.

    :param count: at least 1.
    """
    kept: list[Found] = []
    stride = 1
    for number, found in enumerate(files):
        if number % stride == 0:
            kept.append(found)
        if len(kept) > _KEPT_PER_SAMPLE * count:
            kept = kept[::2]
            stride *= 2
    if len(kept) <= count:
        return kept
    return [kept[(2 * index + 1) * len(kept) // (2 * count)] for index in range(count)]  # the middle of each share


def _values(found: Found) -> tuple[object, ...]:
    return found.path, found.size_bytes, found.modified_ns, found.output_stem, found.problem


def _packed(block: list[tuple[object, ...]]) -> bytes:
    return zlib.compress(marshal.dumps(block), 1)
