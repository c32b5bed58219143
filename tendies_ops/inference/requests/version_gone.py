"""The error of a run whose version was unloaded while it was under way."""

from __future__ import annotations

from tendies_ops.errors import VersionGoneError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.report.tally import Tally


def explain_version_gone(
    error: VersionGoneError, options: BatchOptions, version: int, tally: Tally
) -> VersionGoneError:
    """
    Return the error of a run whose ``version`` is gone: what is kept, and which setting avoids it.

    :param error: of the request that found it gone.
    :param tally: of the run so far.
    """
    kept = tally.done + tally.skipped
    count = f"{kept} of {tally.expected}" if tally.expected is not None else f"{kept} of at least {tally.total}"
    advice = ""
    if options.model_base_path is None:
        advice = " Set `model_base_path` (--model-base-path) so that releases wait until the run is over."
    return VersionGoneError(
        f"Version {version} of {options.model_name} was unloaded while the run was under way. {count} pictures are "
        "done and kept. Rerun: a run with another version processes all pictures again."
        f"{advice} The server's error: {error}",
        http_status=error.http_status,
        server_words=error.server_words,
    )
