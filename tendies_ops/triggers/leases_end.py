"""The trigger of a release that waits for batch runs without a worker slot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from airflow.triggers.base import BaseTrigger, TriggerEvent

from tendies_ops.triggers.own_thread import OwnThread
from tendies_ops.triggers.serialized import SerializedByArguments
from tendies_ops.triggers.version_serves import FIRST_LOOK_AFTER_S

_LONGEST_LOOK_S = 60.0  # for a file server that hangs


class LeasesEndTrigger(SerializedByArguments, BaseTrigger):
    """
    Wait until no batch run uses the version that a release would replace, or until the deadline.

    It fires once, ``{"words", "deadline_unix_s"}``, and decides nothing: the task checks again, under the lock. It has
    no state but its arguments, so another triggerer can continue with them. If the triggerer cannot see the model base
    path, it fires at once, and the worker waits.

    :param model_base_path: directory that Model Server watches, as the triggerer sees it.
    :param model_digest: of the content that is to be released.
    :param deadline_unix_s: seconds since 1970 after which it gives up.
    :param poll_interval_s: seconds between two checks.
    """

    def __init__(
        self, *, model_base_path: str, model_digest: str, deadline_unix_s: float, poll_interval_s: float = 5.0
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # not typed by Airflow
        self.model_base_path = model_base_path
        self.model_digest = model_digest
        self.deadline_unix_s = deadline_unix_s
        self.poll_interval_s = poll_interval_s

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire once."""
        await asyncio.sleep(FIRST_LOOK_AFTER_S)
        thread = OwnThread(f"leases in {self.model_base_path}")
        while words := await self._look(thread):
            if time.time() >= self.deadline_unix_s:
                break
            self.log.info("Waiting for batch runs: %s", words)
            await asyncio.sleep(self.poll_interval_s)
        payload = {"words": words, "deadline_unix_s": self.deadline_unix_s}
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]  # not typed by Airflow

    async def _look(self, thread: OwnThread) -> str:
        try:
            return str(await thread.call(self._in_the_way, limit_s=_LONGEST_LOOK_S))
        except TimeoutError as error:
            return f"{self.model_base_path} cannot be read: {error}"

    def _in_the_way(self) -> str:
        from tendies_ops.publish.leases import leases_in_the_way

        try:
            return "; ".join(map(str, leases_in_the_way(Path(self.model_base_path), self.model_digest)))
        except OSError as error:
            self.log.warning("%s cannot be read from here: %s", self.model_base_path, error)
            return ""
