"""
Asking a replica about golden images until the answer is about them.

A server with ``--enable_batching`` merges the requests of all its clients and answers all of them 400 when one picture
among them does not decode. So a refusal is no verdict: the same is asked again, alone, at moments drawn at random. One
answer is enough to know what the version makes of the picture.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tendies_ops.client import ModelServerClient
from tendies_ops.client.refusals import Fit, fit_of_words
from tendies_ops.errors import ModelServerError, NotProvedError, RequestRefusedError, ServerSickError, StoppedError
from tendies_ops.release.golden import GoldenImage

#: Refusals that make a verdict, by how their words fit the picture. Other clients' do not count.
_REFUSALS: Mapping[Fit, int] = {"its": 3, "open": 6}
_TRIES_OF_A_SICK_SERVER = 3
#: For all golden images of a replica. One that other clients feed with rubbish all the time answers one try in twenty.
_PATIENCE_S = 120.0
_LONGEST_PAUSE_S = 0.15  # more than a usual batching timeout, so that tries fall anywhere into other clients' rhythm
_NO_FORMAT = "unknown image file format"
_RANDOM = random.Random()  # noqa: S311  # of moments, not of secrets


class Patience:
    """
    What is left of the time for one replica.

    :param cancelled: when set, nothing is asked again.
    :param limit_s: how long other clients' refusals are waited out.
    """

    def __init__(self, cancelled: threading.Event | None = None, *, limit_s: float = _PATIENCE_S) -> None:
        self._cancelled = cancelled or threading.Event()
        self._deadline_s = time.monotonic() + limit_s
        self._merges = False  # a refusal was about another client's picture

    def ask(
        self, client: ModelServerClient, model_name: str, images: Sequence[GoldenImage], **address: Any
    ) -> list[Any]:
        """
        Send the images in one request, again and again until it is clear what the version makes of them.

        :param address: ``version`` or ``label``.
        :return: what ``predictions`` holds for each.
        :raises RequestRefusedError: the version refuses them.
        :raises NotProvedError: all that came back was about other clients' pictures.
        :raises StoppedError: it was cancelled.
        :raises ModelServerError: as the client's methods.
        """
        refusals: list[Fit] = []
        sick = 0
        while True:
            try:
                files = [image.input for image in images]
                return client.predict_rows(model_name, files, inputs=images[0].inputs, **address)
            except RequestRefusedError as error:
                refusals.append(fit_of_refusal(error, images))
                self._give_up_or_go_on(error, refusals)
            except ServerSickError as error:
                sick += 1
                if error.http_status is None or sick >= _TRIES_OF_A_SICK_SERVER:
                    raise
            if self._cancelled.wait(_RANDOM.uniform(0.0, _LONGEST_PAUSE_S)):
                raise StoppedError("The proof was asked to stop")

    def _give_up_or_go_on(self, error: RequestRefusedError, refusals: Sequence[Fit]) -> None:
        """:raises ModelServerError: it is clear that the version refuses them, or it is too late to find out."""
        self._merges |= "foreign" in refusals
        late = time.monotonic() >= self._deadline_s
        if refusals.count("its") >= _REFUSALS["its"]:
            raise error
        # Words that fit any picture are other clients' as well, on a server that is known to merge requests.
        if refusals.count("open") >= _REFUSALS["open"] and (late or not self._merges):
            raise error
        if late:
            raise NotProvedError(f"nothing but refusals of other clients' pictures came back, such as: {error}")


def fit_of_refusal(error: ModelServerError, images: Sequence[GoldenImage]) -> Fit:
    """Return ``foreign`` if the server's words cannot be about any of the images, ``its`` if they are about one."""
    words = error.server_words or str(error)
    if _NO_FORMAT in words.lower():  # golden images are PNG or JPEG files
        return "foreign"
    fits = {fit_of_words(words, image.input) for image in images}
    return next((fit for fit in ("its", "open") if fit in fits), "foreign")
