"""
The checks before a version is loaded, and retries.

Source: tensorflow/serving core/basic_manager.cc, util/retrier.cc, servables/tensorflow/saved_model_bundle_factory.cc.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tendies_ops.server.flags import Flags
from tendies_ops.server.status_codes import StatusError

log = logging.getLogger(__name__)

T = TypeVar("T")


def load_with_retries(attempt: Callable[[], T], what: str, flags: Flags, cancelled: threading.Event) -> T:
    """
    Try until an attempt succeeds, the retries are used up, or it is cancelled.

    :raises StatusError: of the last attempt.
    """
    for retry in range(flags.max_num_load_retries + 1):
        try:
            return attempt()
        except StatusError as error:  # noqa: PERF203  # each try takes seconds
            log.warning("%s failed: %s", what, error)
            if retry == flags.max_num_load_retries or cancelled.wait(max(0, flags.load_retry_interval_micros) / 1e6):
                raise
    raise AssertionError("the loop returns or raises")


def reserve_resources(
    model_name: str, version: int, version_dir: Path, flags: Flags, cancelled: threading.Event
) -> None:
    """
    Check the directory as the real server does for its memory estimate.

    :raises StatusError: it is missing, or not a directory.
    """
    servable = f"{{name: {model_name} version: {version}}}"
    try:
        load_with_retries(
            lambda: _look_at(version_dir), f"Reserving resources for servable: {servable}", flags, cancelled
        )
    except StatusError as error:
        raise StatusError(
            error.code,
            f"Error while attempting to reserve resources to load servable {servable}: {error.message}",
        ) from None


def _look_at(version_dir: Path) -> None:
    if not version_dir.exists():
        raise StatusError("NOT_FOUND", f"{version_dir} not found")
    if not version_dir.is_dir():
        raise StatusError("FAILED_PRECONDITION", f"{version_dir}; Not a directory")
