"""The servers of a run: which version they all serve, and what it is."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import ModelServerError, PublishError, VersionGoneError, VersionRemovedError
from tendies_ops.inference.exchange import Replica
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.pacing import Pacer
from tendies_ops.inference.results import Answers, describe_answers
from tendies_ops.publish.leases import hold_lease
from tendies_ops.publish.versions import list_version_dirs
from tendies_ops.rest_api.status import VersionStatus
from tendies_ops.spec import Manifest, read_manifest

_NOTICED_WITHIN_S = 5.0  # Model Server looks every second unless told otherwise


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

    A server that does not answer, or does not serve that version yet while another one does, is left out until it is
    well and does. A run that starts while servers are restarted, or are at different versions, thus goes through.

    :raises VersionGoneError: no server serves the wanted version; or no version is served by all that answer.
    :raises ModelServerError: no server answers.
    """
    available = _available_versions(replicas, options.model_name)
    version = options.version if options.version is not None else max(_common(available, options))
    lacking = [replica for replica, versions in available.items() if version not in versions]
    if len(lacking) == len(available):
        raise VersionGoneError(
            f"{lacking[0].client.base_url} does not serve version {version} of {options.model_name}; "
            f"it serves {_listed(available[lacking[0]])}."
        )
    for replica, versions in available.items():
        if version in versions:
            replica.health.on_look(None, time.monotonic())  # it may have been left out for lack of another version
        else:
            words = f"{replica.client.base_url} serves {_listed(versions)} instead of version {version}"
            replica.health.on_trouble(VersionGoneError(words), time.monotonic())
    return version


@contextlib.contextmanager
def pinned_version(replicas: Sequence[Replica], options: BatchOptions, cancelled: threading.Event) -> Iterator[int]:
    """
    The version that this run uses, kept from being withdrawn while it lasts where its directory can be seen.

    One that was withdrawn a moment ago answers until the server has looked at its directory. It is not taken: its
    digest cannot be known any more. Servers are asked again until they have noticed, or seem to have another directory.

    :raises VersionGoneError, ModelServerError: as :func:`pin_version` does.
    :raises PublishError: the lease cannot be written.
    """
    with contextlib.ExitStack() as stack:
        deadline_s = time.monotonic() + _NOTICED_WITHIN_S
        version = pin_version(replicas, options)
        while not _lease(stack, options, version) and time.monotonic() < deadline_s and not cancelled.wait(0.2):
            version = pin_version(replicas, options)
        yield version


def _available_versions(replicas: Sequence[Replica], model_name: str) -> dict[Replica, set[int]]:
    """
    What each server that answers serves. The others are left out.

    :raises ModelServerError: none answers; this is what the first one met with.
    """
    with ThreadPoolExecutor(len(replicas)) as pool:  # one that is silent must not hold up the others
        answers = list(pool.map(lambda replica: _statuses(replica, model_name), replicas))
    available = {}
    for replica, answer in zip(replicas, answers, strict=True):
        if isinstance(answer, ModelServerError):
            replica.health.on_trouble(answer, time.monotonic())
        else:
            available[replica] = {version for version, status in answer.items() if status.state == "AVAILABLE"}
    if not available:
        raise next(answer for answer in answers if isinstance(answer, ModelServerError))
    return available


def _statuses(replica: Replica, model_name: str) -> dict[int, VersionStatus] | ModelServerError:
    try:
        return replica.client.version_statuses(model_name)
    except ModelServerError as error:
        return error


def _common(available: dict[Replica, set[int]], options: BatchOptions) -> set[int]:
    common = set.intersection(*available.values())
    if not common:
        raise VersionGoneError(
            f"No version of {options.model_name} is AVAILABLE on every one of {', '.join(options.servers)}. "
            "Release one, or wait until it is loaded."
        )
    return common


def find_manifest(options: BatchOptions, version: int) -> Manifest | None:
    """The manifest of the pinned version, where its directory can be seen and has one."""
    if options.model_base_path is None:
        return None
    version_dir = Path(options.model_base_path) / str(version)
    try:
        return read_manifest(version_dir)
    except PublishError:
        return None


def find_optimized_sheet(options: BatchOptions, version: int, manifest: Manifest | None) -> Path | None:
    """
    The contact sheet of the variant that the pinned version serves; None: it serves float32, or is out of sight.

    :param manifest: of that version, as :func:`find_manifest` found it.
    """
    if manifest is None or manifest.optimization is None:
        return None
    taken = manifest.optimization.chosen
    sheet = next((one.sheet for one in manifest.optimization.variants if one.name == taken), None)
    version_dir = (Path(options.model_base_path or "") / str(version)).resolve()
    path = (version_dir / (sheet or "")).resolve()
    return path if path.is_file() and path.is_relative_to(version_dir) else None


def find_answers(
    replicas: Sequence[Replica], options: BatchOptions, version: int, manifest: Manifest | None
) -> Answers:
    """What the pinned version answers: by its manifest, else by a server's metadata; unknown where none tells it."""
    if manifest is not None:
        return describe_answers(manifest, {})
    for replica in sorted(replicas, key=lambda replica: not replica.health.in_rotation):
        with contextlib.suppress(ModelServerError):  # away at this moment, or behind a proxy: the next one may tell
            return describe_answers(None, replica.client.metadata(options.model_name, version))
    return Answers()


def _lease(stack: contextlib.ExitStack, options: BatchOptions, version: int) -> bool:
    """Hold a lease where versions can be seen; False if this one is not among them."""
    base = Path(options.model_base_path or "")
    if options.model_base_path is None or not base.is_dir() or not list_version_dirs(base):
        return True
    try:
        stack.enter_context(hold_lease(base, version, holder=f"batch run {options.run_id}"))
    except VersionRemovedError:
        return False
    return True


def _listed(versions: set[int]) -> str:
    return ", ".join(map(str, sorted(versions, reverse=True))) or "none"
