"""
Send golden images to a replica until the answer is about them.

A server with ``--enable_batching`` merges the requests of all its clients and answers all of them 400 if one picture
among them does not decode. So one refusal decides nothing: the request is repeated, alone, at random moments. One
answer is enough to know what the version returns for the picture.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tendies_ops.client import ModelServerClient
from tendies_ops.client.refusals import Fit, fit_of_words
from tendies_ops.errors import ModelServerError, NotProvedError, RequestRefusedError, ServerSickError, StoppedError
from tendies_ops.release.replicas.golden_images import GoldenImage

#: Refusals that decide, by how their message fits the picture. Those of other clients do not count.
_REFUSALS: Mapping[Fit, int] = {"its": 3, "open": 6}
_TRIES_OF_A_SICK_SERVER = 3
#: For all golden images of a replica. If other clients send broken pictures all the time, one try in twenty succeeds.
_PATIENCE_S = 120.0
_LONGEST_PAUSE_S = 0.15  # more than a usual batching timeout, so that tries fall anywhere into other clients' rhythm
#: Refusals of other clients' pictures, after which a whole batch of the server is filled so that nothing is merged.
_FOREIGN_BEFORE_FILLING = 6
_LARGEST_FILL = 1024  # rows; Model Server's own default limit is 1000
_LARGEST_FILL_BYTES = 8 << 20  # of files, so that a server is not asked for more than a large picture's work
_LIMIT_OF_BATCH = re.compile(r"Task size \d+ is larger than maximum input batch size (\d+)")
_NO_FORMAT = "unknown image file format"
_RANDOM = random.Random()  # noqa: S311  # of moments, not of secrets


class Patience:
    """
    The time that is left for one replica.

    :param cancelled: when set, no request is repeated.
    :param limit_s: seconds to wait out refusals of other clients' pictures.
    """

    def __init__(self, cancelled: threading.Event | None = None, *, limit_s: float = _PATIENCE_S) -> None:
        self._cancelled = cancelled or threading.Event()
        self._deadline_s = time.monotonic() + limit_s
        self._merges = False  # a refusal was about another client's picture
        self._batch_rows: int | None = None  # the most that the server merges, once it has reported that
        self._may_ask_limit = True  # once: the question is a large request where the limit is larger still

    def ask(
        self, client: ModelServerClient, model_name: str, images: Sequence[GoldenImage], **address: Any
    ) -> list[Any]:
        """
        Send the images in one request, and repeat it until it is clear what the version returns for them.

        :param address: ``version`` or ``label``.
        :return: the entry of ``predictions`` for each.
        :raises RequestRefusedError: the version refuses them.
        :raises NotProvedError: every refusal was about other clients' pictures.
        :raises StoppedError: it was cancelled.
        :raises ModelServerError: as the client's methods.
        """
        refusals: list[Fit] = []
        sick = 0
        while True:
            files = self._filled([image.input for image in images], refusals)
            try:
                rows = client.predict_rows(model_name, files, inputs=[images[0].inputs] * len(files), **address)
                return rows[: len(images)]
            except RequestRefusedError as error:
                if limit := _LIMIT_OF_BATCH.search(error.server_words):
                    self._batch_rows = int(limit.group(1))
                else:
                    refusals.append(fit_of_refusal(error, images))
                self._give_up_or_go_on(error, refusals)
            except ServerSickError as error:
                sick += 1
                if error.http_status is None or sick >= _TRIES_OF_A_SICK_SERVER:
                    raise
            if self._cancelled.wait(_RANDOM.uniform(0.0, _LONGEST_PAUSE_S)):
                raise StoppedError("The proof was asked to stop")

    def _filled(self, files: Sequence[bytes], refusals: Sequence[Fit]) -> list[bytes]:
        """
        Return the files, repeated to fill a whole batch of the server if other clients' pictures keep interfering.

        A full batch takes in no other request. The server reports its size when it is sent too many rows.
        """
        crowded = refusals.count("foreign") >= _FOREIGN_BEFORE_FILLING and self._may_ask_limit
        if self._batch_rows is None and not crowded:
            return list(files)
        self._may_ask_limit = False
        room = min(_LARGEST_FILL, len(files) * _LARGEST_FILL_BYTES // max(1, sum(map(len, files))))
        rows = room if self._batch_rows is None else self._batch_rows
        if not len(files) <= rows <= room:
            return list(files)
        return [files[n % len(files)] for n in range(rows)]

    def _give_up_or_go_on(self, error: RequestRefusedError, refusals: Sequence[Fit]) -> None:
        """
        Decide after refusals whether to ask again.

        :raises ModelServerError: it is clear that the version refuses them, or the time to find out is over.
        """
        self._merges |= "foreign" in refusals
        late = time.monotonic() >= self._deadline_s
        if refusals.count("its") >= _REFUSALS["its"]:
            raise error
        # A message that fits any picture may be about other clients', on a server that is known to merge requests.
        if refusals.count("open") >= _REFUSALS["open"] and (late or not self._merges):
            raise error
        if late:
            raise NotProvedError(f"every refusal was about other clients' pictures, such as: {error}")


def fit_of_refusal(error: ModelServerError, images: Sequence[GoldenImage]) -> Fit:
    """Return ``foreign`` if the error message cannot be about any of the images, ``its`` if it is about one."""
    words = error.server_words or str(error)
    if _NO_FORMAT in words.lower():  # golden images are PNG or JPEG files
        return "foreign"
    fits = {fit_of_words(words, image.input) for image in images}
    return next((fit for fit in ("its", "open") if fit in fits), "foreign")
