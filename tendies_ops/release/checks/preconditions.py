"""Checks that can fail before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tendies_ops.errors import ModelServerError, PublishError, ReleaseError, VersionGoneError
from tendies_ops.in_service import look_at_base_path, version_in_service
from tendies_ops.publish.version_dirs import VersionDir, list_version_dirs
from tendies_ops.release.context import ReleaseContext
from tendies_ops.release.record.before import observe
from tendies_ops.release.swap.swap import configured_version
from tendies_ops.release.withdraw import withdraw_version
from tendies_ops.rest_api.status import ServedVersions, VersionStatus
from tendies_ops.spec.manifest import Manifest

Statuses = dict[str, dict[int, VersionStatus] | ModelServerError]


def check_promises(saved_model_dir: Path, manifest: Manifest) -> None:
    """
    Check that the manifest promises golden images, and that the export met its own tolerance.

    :raises PublishError: no golden images, none promised for one, no parity results, or parity beyond the manifest's
        tolerance.
    """
    if not manifest.golden or not manifest.parity:
        missing = "golden images" if not manifest.golden else "parity results"
        raise PublishError(
            f"The manifest of {saved_model_dir} has no {missing}, so no replica can prove that it serves the right "
            "pictures. Export it with `tendies export`."
        )
    for golden in manifest.golden:
        if not golden.outputs:
            raise PublishError(f"The manifest of {saved_model_dir} promises nothing for golden image {golden.name}.")
    limits = {"of_255": manifest.tolerance, "absolute": manifest.tensor_tolerance}
    for entry in manifest.parity:
        if not entry.max_abs <= limits.get(entry.unit, 0.0):  # written so that NaN fails
            raise PublishError(
                f"The export in {saved_model_dir} differs from its source by {entry.max_abs:g} ({entry.unit}) on "
                f"golden image {entry.golden}; allowed is {limits.get(entry.unit, 0.0):g}. Export it again."
            )


def look_at_fleet(ctx: ReleaseContext) -> tuple[ReleaseContext, int | None]:
    """
    Find out what serves, and withdraw versions that keep anything from serving.

    :return: the context with what was found, and the version in service; None: this is the first release.
    :raises ReleaseError: a replica answers that it does not know the model.
    """
    served = ctx.fleet.served_versions()
    statuses = statuses_of(served)
    there = list_version_dirs(ctx.base)
    for server, answer in statuses.items():
        if isinstance(answer, VersionGoneError) and any(child.is_plain for child in there):
            raise ReleaseError(
                f"{server} answers and does not know the model {ctx.fleet.model_name}: {answer} "
                f"Is it started with --model_name={ctx.fleet.model_name} --model_base_path={ctx.base}?"
            )
        if isinstance(answer, ModelServerError):
            ctx.log.note(f"{server} does not answer yet ({answer}); it has until the deadline.")
    labels = {} if ctx.swap is None else ctx.swap.labels()
    before = observe(statuses, tuple(child.version for child in there), labels)
    ctx = replace(ctx, before=before, answered=tuple(before.available))
    _clear_bombs(ctx, there, statuses)
    return ctx, live_version(served, ctx.base, ctx.fleet.model_name, ctx.options.model_config_file)


def statuses_of(served: Mapping[str, ServedVersions | ModelServerError]) -> Statuses:
    """Return each replica's versions without the label."""
    return {
        server: answer if isinstance(answer, ModelServerError) else dict(answer.statuses)
        for server, answer in served.items()
    }


def live_version(
    served: Mapping[str, ServedVersions | ModelServerError],
    model_base_path: Path,
    model_name: str,
    config_file: Path | None,
) -> int | None:
    """
    Return the version in service, which a release replaces.

    If the replicas do not know, because they are down or have not read their model config file, it is the version that
    this file names, else the highest directory that is not in doubt.
    """
    base = look_at_base_path(model_base_path)
    answers = [answer for answer in served.values() if isinstance(answer, ServedVersions)]
    if any(answer.labelled is not None for answer in answers):
        found = [version_in_service(answers, base).version]
    else:  # by directory all replicas fall back to a version that one of them has loaded
        found = [configured_version(config_file, model_name, model_base_path)]
        found = found if found[0] else [version_in_service([answer], base).version for answer in answers]
    doubtful = base.unproved.version if base.unproved else None
    plain = {child.version for child in list_version_dirs(model_base_path) if child.is_plain}
    return max((plain & set(found)) or plain - {doubtful}, default=None)


def _clear_bombs(ctx: ReleaseContext, there: list[VersionDir], statuses: Statuses) -> None:
    """
    Withdraw versions that a replica has failed to load, unless another replica serves them or is about to.

    Such a directory is harmless until a server restarts: then it is the highest number, cannot be loaded, and the
    process exits although a good version is next to it. The server would also fall back to it. If a replica does not
    answer, it is not known what it serves, so nothing is withdrawn.
    """
    if ctx.before.silent:
        return
    known = {child.version for child in there}
    told = [(server, answer) for server, answer in statuses.items() if not isinstance(answer, ModelServerError)]
    in_use = {version for _, answer in told for version, status in answer.items() if status.state != "END"}
    for server, answer in told:
        for version in sorted(known & answer.keys()):
            status = answer[version]
            if not status.failed:
                continue
            words = f"{server} could not load it: {status.error_code}: {status.error_message}"
            if version in in_use:
                ctx.log.note(f"Version {version} stays, because another replica has it loaded, but {words}")
            elif withdraw_version(ctx.base, version, slug="load-failed", reason=words, servers=(server,)):
                ctx.log.note(f"Withdrew version {version}: a replica had already failed to load it. {words}")
