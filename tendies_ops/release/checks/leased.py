"""Batch runs that are using the version that a swap would unload are waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tendies_ops.errors import NotNowError, StoppedError
from tendies_ops.publish.leases import leases_in_the_way

_POLL_S = 0.5


def wait_for_leases(
    model_base_path: Path,
    *,
    new_digest: str,
    timeout_s: float,
    note: Callable[[str], None],
    cancelled: threading.Event | None,
) -> None:
    """
    Wait until nobody uses the highest version any more, which the next one would replace.

    :param new_digest: of the content that is to be released: if the highest version has it, nothing is replaced.
    :raises NotNowError: somebody still did after ``timeout_s``; nothing was changed.
    :raises StoppedError: ``cancelled`` was set.
    """
    started_s = time.monotonic()
    leases = leases_in_the_way(model_base_path, new_digest)
    if leases:
        note(f"Waiting up to {timeout_s:g} s for batch runs: {'; '.join(map(str, leases))}")
    while leases:
        if time.monotonic() - started_s >= timeout_s:
            raise NotNowError(
                f"After {timeout_s:g} s {'; '.join(map(str, leases))}. A swap would take it away from the run, so "
                "nothing was changed. Run the same again later, or allow more time with `lease_wait_s`."
            )
        if cancelled is not None and cancelled.is_set():
            raise StoppedError(
                "The release was asked to stop while it was waiting for a batch run; nothing was changed."
            )
        time.sleep(min(_POLL_S, timeout_s))
        leases = leases_in_the_way(model_base_path, new_digest)
        if not leases:
            note(f"The batch runs are done; waited {time.monotonic() - started_s:.0f} s.")
