"""One Model Server's REST API, as fast as ``requests`` can speak it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import urllib3
from requests.cookies import extract_cookies_to_jar
from urllib3.util import Timeout

from tendies_ops.addresses import login_refusal, with_scheme
from tendies_ops.client.adapter import OneServerAdapter
from tendies_ops.client.answers import error_for_failure, error_for_status
from tendies_ops.client.connection import MAX_ERROR_BYTES, read_body
from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import BadAnswerError, RequestRefusedError, ServerUnreachableError, UsageError, VersionGoneError
from tendies_ops.rest_api.predict import Inputs, parse_files_answer, parse_rows_answer, predict_body
from tendies_ops.rest_api.status import (
    STABLE,
    ServedVersions,
    VersionStatus,
    highest_serving,
    parse_version_statuses,
)
from tendies_ops.rest_api.urls import metadata_path, predict_path, status_path

_CONNECT_TIMEOUT_S = 10.0
QUESTION_TIMEOUT_S = 5.0  #: for status and metadata, which cost a server that lives no time
_CONNECTIONS = 64  # kept open at most; a thread takes one
_NO_SUCH_LABEL = frozenset({400, 404, 405, 501})  # "Unrecognized servable version label"; or there is no such route
# "Servable not found for request: Specific(m, 2)" for a label: it names version 2, which the server does not serve.
_NAMED_BY_LABEL = re.compile(r"Specific\(.*, (\d+)\)")
_MOST_COOKIES = 20
_MAX_COOKIE_BYTES = 1 << 13
MAX_STATUS_BYTES = 1 << 20  #: of the answer to a status question
MAX_METADATA_BYTES = 1 << 24  #: of the answer to a metadata question
MAX_ANSWER_BYTES = 1 << 28  #: of predictions, if the caller sets no limit


class ModelServerClient:
    """
    A client of one Model Server. Threads may share it; a context manager closes its connections.

    :param base_url: such as ``http://localhost:8501``, without ``/v1``. A path before it (a proxy's) is kept.
    :param timeout_s: the longest that predictions may take: connecting, sending, waiting, and reading the whole answer.
    :param question_timeout_s: the same for status and metadata, if that is shorter: a healthy server answers them
        at once.
    :param credentials: the login for it, and how its certificate is checked.
    :raises UsageError: that is not a URL, holds a login, or would get the login of ``credentials`` unencrypted.

    Every method raises ``ServerUnreachableError``, ``ServerSickError``, ``VersionGoneError``, ``RequestRefusedError``
    or ``BadAnswerError`` with the server's error message, made harmless. Nothing is retried here: whether that is safe
    and useful is known to the caller only. No answer costs more time than the timeouts, or more memory than some ten
    times the bytes that it may have: 1 MiB of a status, 16 MiB of metadata, and of predictions what the caller allows.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 60.0,
        question_timeout_s: float = QUESTION_TIMEOUT_S,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        self.base_url = _checked_url(base_url)
        self.timeout_s = timeout_s
        self.question_timeout_s = min(timeout_s, question_timeout_s)
        self._session = requests.Session()
        self._session.trust_env = False  # reading proxies and .netrc from the environment costs more than the request
        self._session.headers.update({"Accept-Encoding": "identity", **credentials.headers_for(self.base_url)})
        tls = credentials.tls_context() if self.base_url.lower().startswith("https:") else None
        self._adapter = OneServerAdapter(_CONNECTIONS, tls)
        self._of_thread = threading.local()
        self._hang_ups: list[str] = []  # why

    def __enter__(self) -> ModelServerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._adapter.close()

    def hang_up(self, why: str) -> None:
        """
        End every request that is under way; each raises ``ServerUnreachableError``. Later ones connect again.

        :param why: a clause about the server, for these errors.
        """
        self._hang_ups.append(why)
        self._adapter.hang_up()

    def version_statuses(self, model_name: str) -> dict[int, VersionStatus]:
        """
        Return which versions the server knows, highest first.

        :raises VersionGoneError: it does not know the model.
        """
        path = status_path(model_name)
        try:
            return parse_version_statuses(self._get(path, MAX_STATUS_BYTES))
        except BadAnswerError as error:
            raise _placed(error, f"GET {self.base_url}{path}") from error

    def version_of_label(self, model_name: str, label: str) -> int | None:
        """
        Return the version that a label names, served or not; None if the server has no such label for the model.

        Asked by the metadata: a status URL answers for all versions, whatever label it names.

        :raises RequestRefusedError: something in front of the server refuses the question (401, 403), so the answer is
            unknown.
        """
        try:
            return _version_of_metadata(self.metadata(model_name, label=label))
        except VersionGoneError as error:
            named = _NAMED_BY_LABEL.search(error.server_words)
            return int(named.group(1)) if named else None
        except RequestRefusedError as error:
            if error.http_status in _NO_SUCH_LABEL:
                return None
            raise

    def served_versions(self, model_name: str, *, label: str = STABLE) -> ServedVersions:
        """
        Return every version's state, and the version that the label names.

        The label is asked first: while it is moved, the version that it named before still serves.

        :raises VersionGoneError: the server does not know the model.
        """
        labelled = self.version_of_label(model_name, label)
        return ServedVersions(self.version_statuses(model_name), labelled)

    def serving_version(self, model_name: str) -> int:
        """
        Return the highest version that is AVAILABLE, which is the one that answers requests without a version.

        :raises VersionGoneError: the server does not know the model, or serves no version of it.
        """
        statuses = self.version_statuses(model_name)
        highest = highest_serving(statuses)
        if highest is not None:
            return highest
        states = ", ".join(f"version {s.version} is {s.state} {s.error_message}".strip() for s in statuses.values())
        raise VersionGoneError(f"{self.base_url} serves no version of {model_name}: {states or 'it knows none'}.")

    def metadata(self, model_name: str, version: int | None = None, *, label: str | None = None) -> dict[str, Any]:
        """Return the signatures of a version, as the server reports them, and the version's number."""
        return self._get(metadata_path(model_name, version, label=label), MAX_METADATA_BYTES)

    def predict_files(
        self,
        model_name: str,
        files: Sequence[bytes],
        *,
        version: int | None = None,
        label: str | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        inputs: Inputs | None = None,
    ) -> list[bytes]:
        """
        Send whole image files as one batch and get as many whole image files.

        :param version: the version that must answer; absent: the one that serves now.
        :param label: the label whose version must answer, instead of ``version``.
        :param max_answer_bytes: a larger answer is an error and is not read to its end.
        :param inputs: the model's inputs besides the picture, as JSON by name, one mapping for each file.
        :raises WrongContractError: the model's outputs are not files.
        """
        path = predict_path(model_name, version, label=label)
        return self._predict(path, files, parse_files_answer, max_answer_bytes, inputs=inputs)

    def predict_rows(
        self,
        model_name: str,
        files: Sequence[bytes],
        *,
        version: int | None = None,
        label: str | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        inputs: Inputs | None = None,
    ) -> list[Any]:
        """Send whole image files and get what ``predictions`` holds for each, base64 objects decoded to bytes."""
        path = predict_path(model_name, version, label=label)
        return self._predict(path, files, parse_rows_answer, max_answer_bytes, inputs=inputs)

    def _predict(
        self,
        path: str,
        files: Sequence[bytes],
        parse: Callable[[bytes, int], list[Any]],
        max_answer_bytes: int,
        *,
        inputs: Inputs | None = None,
    ) -> list[Any]:
        if not files:
            return []
        answer = self._send("POST", path, predict_body(files, inputs=inputs), self.timeout_s, max_answer_bytes)
        try:
            return parse(answer, len(files))
        except BadAnswerError as error:
            raise _placed(error, f"POST {self.base_url}{path}") from error

    def _get(self, path: str, max_bytes: int) -> dict[str, Any]:
        body = self._send("GET", path, None, self.question_timeout_s, max_bytes)
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadAnswerError(f"GET {self.base_url}{path} was not answered with JSON ({error}).") from error
        if not isinstance(document, dict):
            raise BadAnswerError(f"GET {self.base_url}{path} was answered with a {type(document).__name__}.")
        return document

    def _send(self, method: str, path: str, body: bytes | None, timeout_s: float, max_bytes: int) -> bytes:
        where = f"{method} {self.base_url}{path}"
        timeout = Timeout(total=timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
        hang_ups_before = len(self._hang_ups)
        try:
            request = self._prepared(method, path, body)
            # By the adapter: what the session does besides (redirects, hooks, proxies) is not wanted and takes time.
            response = self._adapter.send(
                request,
                stream=True,
                timeout=timeout,  # type: ignore[arg-type]  # the stubs do not know that it may be one of urllib3's
            )
            self._keep_cookies(request, response.raw)
            allowed_bytes = max_bytes if response.status_code == 200 else MAX_ERROR_BYTES
            answer, whole = read_body(response.raw, allowed_bytes)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if len(self._hang_ups) > hang_ups_before:
                raise ServerUnreachableError(f"{where} was given up: {self._hang_ups[-1]}.") from error
            raise error_for_failure(error, where, timeout_s) from error
        if response.status_code != 200:
            raise error_for_status(response.status_code, answer, where)
        if not whole:
            raise BadAnswerError(
                f"{where}: the answer is larger than {allowed_bytes / (1 << 20):g} MiB, which is more than what was "
                "asked for can take; the rest was not read."
            )
        return answer

    def _keep_cookies(self, request: requests.PreparedRequest, raw: urllib3.HTTPResponse) -> None:
        """Keep a load balancer's cookie, to find the same replica again; a few small ones at most."""
        told = raw.headers.get("set-cookie", "")
        if told and len(told) <= _MAX_COOKIE_BYTES and len(self._session.cookies) < _MOST_COOKIES:
            extract_cookies_to_jar(self._session.cookies, request, raw)  # type: ignore[no-untyped-call]

    def _prepared(self, method: str, path: str, body: bytes | None) -> requests.PreparedRequest:
        """Return a prepared request, made once a thread and path: preparing costs as much as sending."""
        prepared: dict[str, requests.PreparedRequest] = self._of_thread.__dict__.setdefault("prepared", {})
        request = prepared.get(method + path)
        if request is None:
            headers = {"Content-Type": "application/json"} if method == "POST" else {}
            request = self._session.prepare_request(requests.Request(method, self.base_url + path, headers=headers))
            prepared[method + path] = request
        request.body = body
        if body is not None:
            request.headers["Content-Length"] = str(len(body))
        return request


def _version_of_metadata(document: Mapping[str, Any]) -> int | None:
    """None: a stand-in that knows no labels has answered something else."""
    try:
        return int(document["model_spec"]["version"])
    except (KeyError, TypeError):
        return None
    except (ValueError, OverflowError) as error:
        raise BadAnswerError("The metadata of a label names no version that is a number.") from error


def _placed(error: BadAnswerError, where: str) -> BadAnswerError:
    return BadAnswerError(f"{where}: {error}", http_status=200)


def _checked_url(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        whole = False
    if words := login_refusal(with_scheme(base_url)):
        raise UsageError(f"No request was sent: {words}.")
    if not whole:
        raise UsageError(f"{base_url!r} is not the address of a Model Server; it looks like http://localhost:8501.")
    return base_url.rstrip("/").removesuffix("/v1")
