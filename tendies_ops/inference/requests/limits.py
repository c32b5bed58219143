"""Limit the size of requests, by the options and by the server's answers so far."""

from __future__ import annotations

from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.report.learned import Learned
from tendies_ops.inference.requests.exchange import BYTES_HELD_PER_PIXEL
from tendies_ops.inference.requests.packer import Packer, Request, Whole

_GROW_AFTER = 4  # answered requests before a larger one is tried again; doubles each time that one fails
_LONGEST_GROW_AFTER = 512
_MIXTURES_REFUSED = 2  # whose sizes passed separately, before requests are packed by size
_FIRST_MEGAPIXELS = 1.0  # of a request, until the speed of the server is known


class RequestLimits:
    """
    Set the limits of a packer.

    :param learned: from an earlier run of the same version.
    :param same_size: the model's signature only accepts pictures of one size in a request.
    """

    def __init__(self, packer: Packer, options: BatchOptions, learned: Learned, *, same_size: bool) -> None:
        self._packer, self._options = packer, options
        # One request must not hold more than half of the memory.
        affordable_megapixels = options.max_bytes_in_flight / (2e6 * BYTES_HELD_PER_PIXEL)
        self._max_megapixels = min(options.max_request_megapixels, affordable_megapixels)
        self._answers_since_cut = 0
        self._grow_after = _GROW_AFTER
        self._mixtures_refused = 0  # and passed one size after the other, since a mixture was answered
        self.seconds_per_megapixel = learned.seconds_per_megapixel
        packer.max_megapixels = min(_FIRST_MEGAPIXELS, self._max_megapixels)
        packer.by_size = same_size or learned.same_size

    def on_answer(self, request: Request, milliseconds: float, *, merges: bool | None = None) -> None:
        """
        Learn from the time of a request, and from pieces that passed although the whole request failed.

        :param merges: the server merges requests of several clients, so the whole may have failed for another client's.
        """
        self._learn_cost(request, milliseconds)
        self._answers_since_cut += 1
        self._mixtures_refused *= request.of_one_size
        whole = request.whole
        if whole is not None:
            whole.answered += 1
            if whole.answered == whole.pieces and not merges:
                self._learn_from(whole)
        elif self._answers_since_cut >= self._grow_after:
            self._packer.max_count = min(self._options.max_request_pictures, self._packer.max_count * 2)
            self._answers_since_cut = 0

    def _learn_from(self, whole: Whole) -> None:
        if not whole.by_size:
            self._take_fewer(whole.parts // 2)
            return
        self._mixtures_refused += 1
        self._packer.by_size |= self._mixtures_refused >= _MIXTURES_REFUSED

    def _learn_cost(self, request: Request, milliseconds: float) -> None:
        if request.megapixels <= 0:
            return
        cost = milliseconds / 1e3 / request.megapixels
        known = self.seconds_per_megapixel
        self.seconds_per_megapixel = max(cost, 0.9 * known + 0.1 * cost) if known else cost
        affordable = 0.5 * self._options.server_timeout_s / self.seconds_per_megapixel
        self._packer.max_megapixels = min(self._max_megapixels, affordable)

    def _take_fewer(self, count: int) -> None:
        self._packer.max_count = max(1, min(self._packer.max_count, count))
        self._answers_since_cut = 0
        self._grow_after = min(_LONGEST_GROW_AFTER, 2 * self._grow_after)
