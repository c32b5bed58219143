"""The version of a run goes away while it is under way: what is said, and whether the run starts over."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tendies_ops.errors import VersionGoneError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.report.tally import Tally
from tendies_ops.inference.requests.pin_version import pin_version
from tendies_ops.inference.requests.replica import Replica

_STARTED_OVER = "-v"  # in the id of a run that another version took over


def explain_version_gone(
    error: VersionGoneError, options: BatchOptions, version: int, tally: Tally
) -> VersionGoneError:
    """
    Say what is done and kept, and which settings avoid it.

    :param tally: of the run so far.
    """
    kept = tally.done + tally.skipped
    count = f"{kept} of {tally.expected}" if tally.expected is not None else f"{kept} of at least {tally.total}"
    ways = []
    if options.on_version_gone == "stop" and not isinstance(options.version, int):
        ways.append("`on_version_gone: newest` (--on-version-gone newest) to go on with the new version by itself")
    if options.model_base_path is None:
        ways.append("`model_base_path` (--model-base-path) so that releases wait until the run is over")
    advice = f" Set {', or '.join(ways)}." if ways else ""
    return VersionGoneError(
        f"Version {version} of {options.model_name} was taken away while the run was under way. {count} pictures are "
        f"done and kept; a run with another version does all of them again.{advice} The server said: {error}",
        http_status=error.http_status,
        server_words=error.server_words,
    )


def start_over(
    options: BatchOptions,
    version: int,
    replicas: Sequence[Replica],
    cancelled: threading.Event,
    error: VersionGoneError,
) -> BatchOptions:
    """
    Make the options of the run that starts over with the version that is in service now, when that is wanted.

    :param error: that ended the run before.
    :raises VersionGoneError: it is not, or nothing newer serves.
    """
    if options.on_version_gone != "newest" or isinstance(options.version, int):
        raise error
    now_served = pin_version(replicas, options, cancelled).version
    if now_served <= version:  # so that it comes to an end
        raise error
    return options.replaced(run_id=f"{options.run_id.partition(_STARTED_OVER)[0]}{_STARTED_OVER}{now_served}")
