"""The trigger of an AssetWatcher that announces new checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from tendies_ops.triggers.checkpoint_watch import (
    WATERMARK_KEY,
    CheckpointWatch,
    FoundCheckpoint,
    Watermark,
    find_checkpoints,
)
from tendies_ops.triggers.own_thread import OwnThread
from tendies_ops.triggers.serialized import SerializedByArguments

_LONGEST_BACKOFF_S = 300.0
_LONGEST_LOOK_S = 60.0  # after that a file server that hangs is reported


class CheckpointTrigger(SerializedByArguments, BaseEventTrigger):
    """
    Watch a directory for complete new checkpoints.

    Each fires an event ``{"checkpoint", "step", "size_bytes", "mtime_ns"}``.

    It never raises: Airflow would restart it every second or two forever. Errors are logged, and it lists the
    directory again after a pause that grows to five minutes.

    :param directory: path or fsspec URL, as the triggerer sees it.
    :param model_name: distinguishes the watchers of several models: Airflow shares one trigger among equal arguments.
    :param poll_interval_s: seconds between two listings; a checkpoint is announced when two of them agree.
    :param replay_backlog: on the very first start announce the newest existing checkpoint.
    """

    def __init__(
        self, *, directory: str, model_name: str, poll_interval_s: float = 10.0, replay_backlog: bool = False
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # not typed by Airflow
        self.directory = directory
        self.model_name = model_name
        self.poll_interval_s = poll_interval_s
        self.replay_backlog = replay_backlog

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """List the directory, announce, save the watermark, and sleep, forever."""
        watch: CheckpointWatch | None = None
        saved: Watermark | None = None
        pause_s = self.poll_interval_s
        thread = OwnThread(f"checkpoints of {self.model_name}")
        while True:
            try:
                if watch is None:
                    saved = await self._load()
                    watch = CheckpointWatch(saved, replay_backlog=self.replay_backlog)
                found = await thread.call(find_checkpoints, self.directory, limit_s=_LONGEST_LOOK_S)
                news = watch.on_listing(found)
                if news is not None:
                    self.log.info("Checkpoint of %s at step %d has arrived: %s", self.model_name, news.step, news.path)
                    # Announced before it is saved: a crash in between announces twice instead of never.
                    yield TriggerEvent(_payload(news))  # type: ignore[no-untyped-call]
                    watch.announced(news)
                if watch.watermark is not None and watch.watermark != saved:
                    await self._save(watch.watermark)
                    saved = watch.watermark
                pause_s = self.poll_interval_s
            except Exception as error:
                pause_s = min(max(pause_s * 2, self.poll_interval_s), _LONGEST_BACKOFF_S)
                self.log.warning(
                    "Checkpoints of %s in %s cannot be watched: %s. Looking again in %.0f s.",
                    self.model_name,
                    self.directory,
                    error,
                    pause_s,
                )
            await asyncio.sleep(pause_s)

    async def _load(self) -> Watermark | None:
        if self.asset_state_store is None:
            return None
        return Watermark.from_json(await self.asset_state_store.aget(WATERMARK_KEY))

    async def _save(self, watermark: Watermark) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(WATERMARK_KEY, watermark.to_json())


def _payload(news: FoundCheckpoint) -> dict[str, Any]:
    return {
        "checkpoint": news.path,
        "step": news.step,
        "size_bytes": news.size_bytes,
        "mtime_ns": news.mtime_ns,
    }
