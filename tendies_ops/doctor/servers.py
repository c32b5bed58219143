"""The replicas: whether each is a Model Server that serves the model, and whether they agree."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from tendies_ops.client import ModelServerClient
from tendies_ops.client.questions import ask_each
from tendies_ops.credentials import Credentials
from tendies_ops.doctor.finding import Finding, ok, problem, warning
from tendies_ops.errors import BadAnswerError, ModelServerError, RequestRefusedError, UsageError, VersionGoneError
from tendies_ops.in_service import BasePathView, version_in_service
from tendies_ops.rest_api.status import STABLE, ServedVersions

Answers = Mapping[str, ServedVersions | ModelServerError]
MAX_CLOCK_SKEW_S = 30.0  #: locks and leases of other hosts count as dead after minutes
_GRPC_PORT = 8500
_HTTP2_PREFACE_BYTES = 9  #: of a SETTINGS frame, which a gRPC server sends first


def ask_servers(servers: Sequence[str], model_name: str, credentials: Credentials, timeout_s: float) -> Answers:
    """
    Ask every server at once for the model's versions.

    :return: REST base URL -> the versions, or what came instead.
    """
    with contextlib.ExitStack() as stack:
        opened = {url: _open(url, credentials, timeout_s) for url in servers}
        clients = [stack.enter_context(one) for one in opened.values() if isinstance(one, ModelServerClient)]
        found = dict(zip(clients, ask_each(clients, lambda client: client.served_versions(model_name)), strict=True))
        return {url: found[one] if isinstance(one, ModelServerClient) else one for url, one in opened.items()}


def _open(url: str, credentials: Credentials, timeout_s: float) -> ModelServerClient | ModelServerError:
    try:
        return ModelServerClient(url, timeout_s=timeout_s, credentials=credentials)
    except UsageError as error:
        return BadAnswerError(str(error))


def look_at_servers(answers: Answers, model_name: str, base: BasePathView, *, labels: bool) -> Iterator[Finding]:
    """
    Check each server's answer, and all of them together.

    :param labels: releases move the label ``stable``.
    """
    if not answers:
        yield problem("servers", "none is named", "Name one with --server, or in `release.servers` of the spec.")
    yield from _twins(list(answers))
    for url, answer in answers.items():
        if isinstance(answer, ModelServerError):
            yield _why_no_answer(url, answer, model_name)
        else:
            yield from _states(url, answer, model_name, base, labels=labels)
    yield from _together({url: one for url, one in answers.items() if isinstance(one, ServedVersions)}, base)


def look_at_clock(url: str, timeout_s: float) -> Iterator[Finding]:
    """Compare a server's clock with this machine's, by the Date of an answer; servers without one are left out."""
    with contextlib.suppress(requests.RequestException, KeyError, ValueError, TypeError):
        answer = requests.head(f"{url}/v1/models", timeout=timeout_s, allow_redirects=False)
        skew_s = parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
        if abs(skew_s) > MAX_CLOCK_SKEW_S:
            yield problem(
                url,
                f"its clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's",
                "Let both use NTP: locks and leases are judged by clocks.",
            )


def _twins(servers: Sequence[str]) -> Iterator[Finding]:
    """Find URLs that lead to one server: a replica that is counted twice proves nothing."""
    seen: dict[tuple[str, int | None], str] = {}
    for url in servers:
        parts = urlsplit(url)
        try:
            place = (socket.gethostbyname(parts.hostname or ""), parts.port)
        except (OSError, UnicodeError):
            continue
        if place in seen:
            yield warning(url, f"is the same address as {seen[place]}", "Name each replica once.")
        seen.setdefault(place, url)


def _why_no_answer(url: str, error: ModelServerError, model_name: str) -> Finding:
    if isinstance(error, VersionGoneError):
        return problem(
            url,
            f"does not know the model {model_name}: {error}",
            f"Start it with --model_name={model_name}, or name the model that it has with --model.",
        )
    if isinstance(error, RequestRefusedError) and error.http_status in {401, 403}:
        return problem(url, f"wants a login: {error}", "Give --token-file, --headers-file or a client certificate.")
    if urlsplit(url).port == _GRPC_PORT or _speaks_http2(url):
        return problem(url, "answers gRPC and no REST", "Name the REST port (--rest_api_port, 8501 by default).")
    if isinstance(error, BadAnswerError):
        return problem(url, f"is not a Model Server: {error}", "Check host and port, and what stands in front of it.")
    return problem(url, f"gives no answer: {error}", "Start it, or check host, port and firewall.")


def _speaks_http2(url: str) -> bool:
    """Listen whether a server speaks first, as gRPC's do and HTTP's do not."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1.0) as connection:
            return connection.recv(_HTTP2_PREFACE_BYTES)[3:4] == b"\x04"
    except (OSError, UnicodeError, ValueError):
        return False


def _states(
    url: str, answer: ServedVersions, model_name: str, base: BasePathView, *, labels: bool
) -> Iterator[Finding]:
    for status in answer.statuses.values():
        if status.failed:
            yield problem(
                url,
                f"could not load version {status.version} of {model_name}: {status.error_message or status.error_code}",
                "Release a version that loads; check its memory if the message mentions it.",
            )
    unseen = sorted(answer.serving - base.versions) if base.versions is not None else []
    if unseen:
        yield problem(
            url,
            f"serves version {', '.join(map(str, unseen))}, which has no directory in the model base path",
            "Let --model_base_path of the server and of tendies be one directory, on every machine.",
        )
    if labels and answer.labelled is None:
        yield problem(
            url,
            f"does not know the label {STABLE} for {model_name}",
            "Start it with --model_config_file and --allow_version_labels_for_unavailable_models.",
        )
    if not answer.serving:
        yield warning(url, f"serves no version of {model_name}", "Release one: `tendies release`.")
    else:
        yield ok(url, f"serves version {', '.join(map(str, sorted(answer.serving)))} of {model_name}")


def _together(answers: Mapping[str, ServedVersions], base: BasePathView) -> Iterator[Finding]:
    if len({(one.serving, one.labelled) for one in answers.values()}) > 1:
        told = "; ".join(f"{url}: {sorted(one.serving)}" for url, one in answers.items())
        yield problem(
            "replicas", f"they serve different versions ({told})", "Let all watch one directory; check their logs."
        )
    if answers:
        service = version_in_service(answers.values(), base)
        which = f"version {service.version}" if service.version else "no version"
        yield ok("in service", f"{which}: {service.why}")
