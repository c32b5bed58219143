"""One Model Server's REST API, as fast as ``requests`` can speak it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import urllib3
from requests.cookies import extract_cookies_to_jar

from tendies_ops.client.adapter import OneServerAdapter
from tendies_ops.client.answers import error_for_failure, error_for_status
from tendies_ops.errors import BadAnswerError, RequestRefusedError, UsageError, VersionGoneError
from tendies_ops.rest_api.predict import parse_files_answer, parse_rows_answer, predict_body
from tendies_ops.rest_api.status import (
    STABLE,
    ServedVersions,
    VersionStatus,
    highest_serving,
    parse_version_statuses,
)
from tendies_ops.rest_api.urls import metadata_path, predict_path, status_path

_CONNECT_TIMEOUT_S = 10.0
_PIECE_BYTES = 1 << 18  # of an answer: what is read at once stays in the cache until it is put together
_CONNECTIONS = 64  # kept open at most; a thread takes one
_NO_SUCH_LABEL = frozenset({400, 404, 405, 501})  # "Unrecognized servable version label"; or there is no such route
# "Servable not found for request: Specific(m, 2)" for a label: it names version 2, which the server does not serve.
_NAMED_BY_LABEL = re.compile(r"Specific\(.*, (\d+)\)")


class ModelServerClient:
    """
    A client of one Model Server. Threads may share it; a context manager closes its connections.

    :param base_url: such as ``http://localhost:8501``, without ``/v1``. A path before it (a proxy's) is kept.
    :param timeout_s: the longest silence of the server that is waited out, connecting included; and the longest that
        an answer may take once it has begun.
    :param headers: sent with every request (a proxy's token).
    :param verify: check the certificate (True), do not, or check it with this CA bundle.
    :raises UsageError: that is not a URL.

    Every method raises ``ServerUnreachableError``, ``ServerSickError``, ``VersionGoneError``, ``RequestRefusedError``
    or ``BadAnswerError`` with the server's own words. Nothing is retried here: whether a retry is safe and useful is
    known to the caller only.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 60.0,
        headers: Mapping[str, str] | None = None,
        verify: bool | str = True,
    ) -> None:
        self.base_url = _checked_url(base_url)
        self.timeout_s = timeout_s
        self._timeout = (min(timeout_s, _CONNECT_TIMEOUT_S), timeout_s)
        self._verify = verify
        self._session = requests.Session()
        self._session.trust_env = False  # reading proxies and .netrc from the environment costs more than the request
        self._session.headers.update({"Accept-Encoding": "identity", **(headers or {})})
        self._adapter = OneServerAdapter(_CONNECTIONS)
        self._of_thread = threading.local()

    def __enter__(self) -> ModelServerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._adapter.close()

    def version_statuses(self, model_name: str) -> dict[int, VersionStatus]:
        """
        Which versions the server knows, highest first.

        :raises VersionGoneError: it does not know the model.
        """
        return parse_version_statuses(self._get(status_path(model_name)))

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

        The label is asked first: while it is moved, the version that it named a moment ago still serves.

        :raises VersionGoneError: the server does not know the model.
        """
        labelled = self.version_of_label(model_name, label)
        return ServedVersions(self.version_statuses(model_name), labelled)

    def serving_version(self, model_name: str) -> int:
        """
        The highest version that is AVAILABLE, which is the one that answers requests without a version.

        :raises VersionGoneError: the server does not know the model, or serves no version of it.
        """
        statuses = self.version_statuses(model_name)
        highest = highest_serving(statuses)
        if highest is not None:
            return highest
        states = ", ".join(f"version {s.version} is {s.state} {s.error_message}".strip() for s in statuses.values())
        raise VersionGoneError(f"{self.base_url} serves no version of {model_name}: {states or 'it knows none'}.")

    def metadata(self, model_name: str, version: int | None = None, *, label: str | None = None) -> dict[str, Any]:
        """The signatures of a version, as the server tells them, and which version that is."""
        return self._get(metadata_path(model_name, version, label=label))

    def predict_files(
        self, model_name: str, files: Sequence[bytes], *, version: int | None = None, label: str | None = None
    ) -> list[bytes]:
        """
        Send whole image files as one batch and get as many whole image files.

        :param version: the version that must answer; absent: the one that serves now.
        :param label: the label whose version must answer, instead of ``version``.
        :raises WrongContractError: the model's outputs are not files.
        """
        path = predict_path(model_name, version, label=label)
        return self._predict(path, files, parse_files_answer)

    def predict_rows(
        self, model_name: str, files: Sequence[bytes], *, version: int | None = None, label: str | None = None
    ) -> list[Any]:
        """Send whole image files and get what ``predictions`` holds for each, base64 objects decoded to bytes."""
        return self._predict(predict_path(model_name, version, label=label), files, parse_rows_answer)

    def _predict(self, path: str, files: Sequence[bytes], parse: Callable[[bytes, int], list[Any]]) -> list[Any]:
        if not files:
            return []
        answer = self._send("POST", path, predict_body(files))
        try:
            return parse(answer, len(files))
        except BadAnswerError as error:
            raise BadAnswerError(f"POST {self.base_url}{path}: {error}", http_status=200) from error

    def _get(self, path: str) -> dict[str, Any]:
        body = self._send("GET", path, None)
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadAnswerError(f"GET {self.base_url}{path} was not answered with JSON ({error}).") from error
        if not isinstance(document, dict):
            raise BadAnswerError(f"GET {self.base_url}{path} was answered with a {type(document).__name__}.")
        return document

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        where = f"{method} {self.base_url}{path}"
        try:
            request = self._prepared(method, path, body)
            # By the adapter: what the session does besides (redirects, hooks, proxies) is not wanted and takes time.
            response = self._adapter.send(request, stream=True, timeout=self._timeout, verify=self._verify)
            if "set-cookie" in response.raw.headers:  # a load balancer's, to find the same replica again
                extract_cookies_to_jar(self._session.cookies, request, response.raw)  # type: ignore[no-untyped-call]
            answer = _read_body(response.raw, time.monotonic() + self.timeout_s)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise error_for_failure(error, where, self.timeout_s) from error
        if response.status_code != 200:
            raise error_for_status(response.status_code, answer, where)
        return answer

    def _prepared(self, method: str, path: str, body: bytes | None) -> requests.PreparedRequest:
        """A prepared request, made once a thread and path: preparing costs as much as sending."""
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
    except ValueError as error:
        raise BadAnswerError(f"This metadata names no version: {str(document)[:200]}.") from error


def _read_body(raw: urllib3.HTTPResponse, deadline_s: float) -> bytes:
    """
    Read all of it, in large pieces: requests' own `content` walks it in pieces of 10 kB.

    :raises requests.Timeout: it is not over in time. A byte now and then breaks the silence and is no answer.
    """
    pieces = []
    encoded = "content-encoding" in raw.headers  # we ask for none, but a proxy may do as it likes
    while piece := raw.read1(_PIECE_BYTES, decode_content=encoded):
        pieces.append(piece)
        if time.monotonic() > deadline_s:
            raw.close()
            raise requests.Timeout
    return b"".join(pieces)


def _checked_url(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        whole = False
    if not whole:
        raise UsageError(f"{base_url!r} is not the address of a Model Server; it looks like http://localhost:8501.")
    return base_url.rstrip("/").removesuffix("/v1")
