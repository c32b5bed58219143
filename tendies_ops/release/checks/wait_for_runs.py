"""Wait for batch runs that use the version which a swap would unload."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from tendies_ops.errors import NotNowError, StoppedError
from tendies_ops.publish.leases import leases_in_the_way
from tendies_ops.release.record.log import ReleaseLog
from tendies_ops.spans import traced

_POLL_S = 0.5


@traced("tendies.release.wait_for_runs")
def wait_for_runs(
    model_base_path: Path, new_digest: str, timeout_s: float, log: ReleaseLog, cancelled: threading.Event | None
) -> None:
    """
    Wait until no run uses the highest version, which the release would replace.

    :param new_digest: of the content that is to be released: if the highest version has it, nothing is replaced.
    :raises NotNowError: a run still used it after ``timeout_s``; nothing was changed.
    :raises StoppedError: ``cancelled`` was set.
    """
    started_s = time.monotonic()
    leases = leases_in_the_way(model_base_path, new_digest)
    if leases:
        log.note(f"Waiting up to {timeout_s:g} s for batch runs: {'; '.join(map(str, leases))}")
    while leases:
        if time.monotonic() - started_s >= timeout_s:
            raise NotNowError(
                f"After {timeout_s:g} s {'; '.join(map(str, leases))}. A swap would unload it under the run, so "
                "nothing was changed. Rerun later, or allow more time with `lease_wait_s`."
            )
        if cancelled is not None and cancelled.is_set():
            raise StoppedError(
                "The release was asked to stop while it was waiting for a batch run; nothing was changed."
            )
        time.sleep(min(_POLL_S, timeout_s))
        leases = leases_in_the_way(model_base_path, new_digest)
        if not leases:
            log.note(f"The batch runs are done; waited {time.monotonic() - started_s:.0f} s.")
