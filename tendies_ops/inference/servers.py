"""The servers of a run: which version they all serve, and what it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import ModelServerError, PublishError, VersionGoneError
from tendies_ops.inference.exchange import Replica
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.pacing import Pacer
from tendies_ops.inference.results import Answers, describe_answers
from tendies_ops.spec import Manifest, read_manifest


@contextlib.contextmanager
def open_replicas(options: BatchOptions) -> Iterator[list[Replica]]:
    """A client for each server, closed at the end."""
    with contextlib.ExitStack() as stack:
        yield [
            Replica(
                stack.enter_context(
                    ModelServerClient(
                        url, timeout_s=options.timeout_s, headers=dict(options.headers), verify=options.verify
                    )
                ),
                Pacer(options.max_concurrency),
            )
            for url in options.servers
        ]


def pin_version(replicas: Sequence[Replica], options: BatchOptions) -> int:
    """
    The version that this run uses throughout: asked for once.

    :raises VersionGoneError: the wanted version, or any version, is not AVAILABLE on every server.
    """
    available: list[set[int]] = []
    for replica in replicas:
        statuses = replica.client.version_statuses(options.model_name)
        available.append({version for version, status in statuses.items() if status.state == "AVAILABLE"})
    common = set.intersection(*available)
    if options.version is not None and options.version not in common:
        lacking = next(
            r.client.base_url for r, there in zip(replicas, available, strict=True) if options.version not in there
        )
        raise VersionGoneError(
            f"{lacking} does not serve version {options.version} of {options.model_name}; "
            f"it serves {_listed(available[0])}."
        )
    if not common:
        raise VersionGoneError(
            f"No version of {options.model_name} is AVAILABLE on every one of {', '.join(options.servers)}. "
            "Release one, or wait until it is loaded."
        )
    return max(common) if options.version is None else options.version


def find_manifest(options: BatchOptions, version: int) -> Manifest | None:
    """The manifest of the pinned version, where its directory can be seen and has one."""
    if options.model_base_path is None:
        return None
    version_dir = Path(options.model_base_path) / str(version)
    try:
        return read_manifest(version_dir)
    except PublishError:
        return None


def find_answers(replica: Replica, options: BatchOptions, version: int, manifest: Manifest | None) -> Answers:
    """What the pinned version answers: by its manifest, else by the server's metadata; unknown where it tells none."""
    if manifest is not None:
        return describe_answers(manifest, {})
    try:
        return describe_answers(None, replica.client.metadata(options.model_name, version))
    except VersionGoneError:
        raise
    except ModelServerError:
        return Answers()


@contextlib.contextmanager
def version_lease(options: BatchOptions, version: int) -> Iterator[None]:
    """Keep the pinned version from being withdrawn while the run lasts, where its directory can be seen."""
    if options.model_base_path is None or not Path(options.model_base_path, str(version)).is_dir():
        yield
        return
    from tendies_ops.publish.leases import hold_lease

    with hold_lease(Path(options.model_base_path), version, holder=f"batch run {options.run_id}"):
        yield


def _listed(versions: set[int]) -> str:
    return ", ".join(map(str, sorted(versions, reverse=True))) or "none"
