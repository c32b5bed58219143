"""The trigger of an AssetWatcher that announces new pictures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from tendies_ops.triggers.own_thread import OwnThread
from tendies_ops.triggers.pictures_watch import ANNOUNCED_KEY, PicturesWatch
from tendies_ops.triggers.serialized import SerializedByArguments

_LONGEST_BACKOFF_S = 300.0
_LONGEST_LOOK_S = 300.0  # a bucket with a million objects takes minutes
_PATIENCE_S = 300.0


class PicturesTrigger(SerializedByArguments, BaseEventTrigger):
    """
    Watches a folder or bucket for pictures that arrive.

    All that arrive together fire one event ``{"input", "pictures"}``. After a restart there is at most one event more
    than needed, and never one too few. It never raises, for Airflow would restart it every second: it logs what fails
    and looks again after a pause that grows to five minutes.

    :param place: folder, as the triggerer sees it, or fsspec URL.
    :param model_name: distinguishes the watchers of several models: Airflow shares one trigger among equal arguments.
    :param batch: the same for the batches of a model.
    :param leave_out: folder or URL that is not watched: the results, if they are below the pictures.
    :param include: only pictures that match one of these patterns, as for a batch.
    :param exclude: no pictures and folders that match one of these patterns.
    :param include_hidden: names that start with a dot as well.
    :param poll_interval_s: seconds between two looks.
    :param quiet_s: seconds for which a picture has to stay unchanged until it counts as whole; 0 if files are renamed
        into place.
    :param every_s: shortest time between two events in seconds.
    """

    def __init__(
        self,
        *,
        place: str,
        model_name: str,
        batch: str = "",
        leave_out: str = "",
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        include_hidden: bool = False,
        poll_interval_s: float = 30.0,
        quiet_s: float = 20.0,
        every_s: float = 60.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow does not type it
        self.place = place
        self.model_name = model_name
        self.batch = batch
        self.leave_out = leave_out
        self.include = list(include)
        self.exclude = list(exclude)
        self.include_hidden = include_hidden
        self.poll_interval_s = poll_interval_s
        self.quiet_s = quiet_s
        self.every_s = every_s

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, announce, remember, sleep."""
        thread = OwnThread(f"pictures in {self.place}")
        watch: PicturesWatch | None = None
        saved: Any = None
        pause_s = self.poll_interval_s
        while True:
            try:
                if watch is None:
                    saved = await self._load()
                    watch = PicturesWatch(saved, quiet_s=self.quiet_s, every_s=self.every_s, patience_s=_PATIENCE_S)
                found = await thread.call(self._look, limit_s=_LONGEST_LOOK_S)
                now_s = time.monotonic()
                if count := watch.on_listing(found, now_s):
                    self.log.info("%d pictures have arrived in %s", count, self.place)
                    # Announced before it is remembered: a crash in between announces twice, never not at all.
                    yield TriggerEvent({"input": self.place, "pictures": count})  # type: ignore[no-untyped-call]
                    watch.announced(now_s)
                if watch.to_json() != saved:
                    saved = watch.to_json()
                    await self._save(saved)
                pause_s = self.poll_interval_s
            except Exception as error:
                pause_s = min(max(pause_s * 2, self.poll_interval_s), _LONGEST_BACKOFF_S)
                self.log.warning(
                    "Pictures in %s cannot be watched: %s. Looking again in %.0f s.", self.place, error, pause_s
                )
            await asyncio.sleep(pause_s)

    def _look(self) -> list[tuple[str, int, int]]:
        """List the pictures, as a batch would; the imports stay out of the triggerer's start."""
        from tendies_ops.inference.listing.other_files import has_other_extension
        from tendies_ops.inference.listing.patterns import PathFilter
        from tendies_ops.inference.storage.local import open_input

        keep = PathFilter(self.include, self.exclude, include_hidden=self.include_hidden)
        source = open_input(self.place, allow_empty=True)
        try:
            found = [one for one in source.find(keep, leave_out=self.leave_out or self.place) if not one.problem]
        finally:
            source.close()
        return [(one.path, one.size_bytes, one.modified_ns) for one in found if not has_other_extension(one.path)]

    async def _load(self) -> Any:
        return None if self.asset_state_store is None else await self.asset_state_store.aget(ANNOUNCED_KEY)

    async def _save(self, announced: Any) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(ANNOUNCED_KEY, announced)
