"""The connection to TensorFlow Model Server: its replicas, and the directory that they watch."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from pydantic import BeforeValidator, PositiveFloat, ValidationError

from tendies_ops.addresses import login_refusal, with_scheme
from tendies_ops.credentials import NO_CREDENTIALS, Credentials, bearer
from tendies_ops.errors import ModelServerError, TendiesError, UsageError, VersionGoneError
from tendies_ops.spec import LoginSettings
from tendies_ops.spec.problems import describe_problems
from tendies_ops.spec.strict_model import SpecPart

if TYPE_CHECKING:
    from tendies_ops.client import ModelServerClient
    from tendies_ops.rest_api.status import ServedVersions


CONNECTION_TYPE = "tf_serving"
DEFAULT_CONN_ID = "tf_serving_default"
DEFAULT_POLL_INTERVAL_S = 5.0
DEFAULT_PORT = 8501  # tensorflow_model_server's own --rest_api_port in every example of its documentation


def _text(value: Any) -> str:
    return str(value)  # pydantic would repeat a token that is not text


class ConnectionExtra(SpecPart):
    """The extra of a connection. The form of the connection and the reference describe its keys."""

    model_base_path: str | None = None
    timeout_s: PositiveFloat = 60.0
    poll_interval_s: PositiveFloat = DEFAULT_POLL_INTERVAL_S
    token: Annotated[str, BeforeValidator(_text)] = ""
    tls: bool = False
    verify_tls: bool = True
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    model_name: str = ""


@dataclass(frozen=True)
class ModelServerConnection:
    """An Airflow connection of type ``tf_serving``."""

    servers: tuple[str, ...]  #: REST base URL of every replica, such as ``http://10.0.0.1:8501``
    model_base_path: str | None = None  #: may hold ``{model_name}``
    timeout_s: float = 60.0
    poll_interval_s: float = DEFAULT_POLL_INTERVAL_S
    credentials: Credentials = NO_CREDENTIALS  #: the login is sent to the connection's own hosts only

    def base_path_of(self, model_name: str) -> str | None:
        """Return the directory that Model Server watches for this model."""
        return self.model_base_path.replace("{model_name}", model_name) if self.model_base_path else None

    def with_servers(self, servers: tuple[str, ...]) -> ModelServerConnection:
        """Return the connection with ``servers`` instead of its own, if any are given."""
        return replace(self, servers=servers) if servers else self

    def clients(self) -> list[ModelServerClient]:
        """Return a client for each replica. The caller closes them."""
        from tendies_ops.client import ModelServerClient

        return [ModelServerClient(url, timeout_s=self.timeout_s, credentials=self.credentials) for url in self.servers]

    def served_versions(self, model_name: str) -> dict[str, ServedVersions | ModelServerError]:
        """Return the versions that each replica serves and that ``stable`` names, or its error, by REST base URL."""
        from tendies_ops.client.questions import ask_each

        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(client) for client in self.clients()]
            answers = ask_each(clients, lambda client: client.served_versions(model_name))
        return {client.base_url: answer for client, answer in zip(clients, answers, strict=True)}


class ModelServerHook(BaseHook):
    """
    Read a connection of type ``tf_serving`` and open clients to its replicas.

    :param model_server_conn_id: id of the connection.
    """

    conn_name_attr = "model_server_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONNECTION_TYPE
    hook_name = "TensorFlow Model Server"

    def __init__(self, model_server_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_server_conn_id = model_server_conn_id

    def get_conn(self) -> ModelServerConnection:
        """
        Read the connection.

        :raises UsageError: it names no host, or one of its fields is invalid.
        """
        return read_connection(self.get_connection(self.model_server_conn_id))

    def resolve(self, servers: tuple[str, ...] = ()) -> ModelServerConnection:
        """
        Read the connection, with ``servers`` instead of its own if any are given; then it need not exist.

        :raises UsageError: one of its fields is invalid.
        """
        try:
            return self.get_conn().with_servers(servers)
        except AirflowNotFoundException:
            if servers:
                return ModelServerConnection(servers)
            raise

    async def aresolve(self, servers: tuple[str, ...] = ()) -> ModelServerConnection:
        """:meth:`resolve` for a trigger."""
        try:
            return read_connection(await self.aget_connection(self.model_server_conn_id)).with_servers(servers)
        except AirflowNotFoundException:
            if servers:
                return ModelServerConnection(servers)
            raise

    def test_connection(self) -> tuple[bool, str]:
        """Return True if every replica answers, and a sentence about each, for the Test button."""
        try:
            clients = self.get_conn().clients()
        except TendiesError as error:
            return False, str(error)
        model_name = self.get_connection(self.model_server_conn_id).extra_dejson.get("model_name") or ""
        with ThreadPoolExecutor(len(clients)) as pool:  # one that hangs must not delay the others
            results = list(pool.map(lambda client: _probe(client, model_name), clients))
        return all(ok for ok, _ in results), " ".join(words for _, words in results)


def read_connection(connection: Connection) -> ModelServerConnection:
    """
    Read Airflow's connection.

    :raises UsageError: it names no host, or one of its fields is invalid or unknown.
    """
    where = f"Connection {connection.conn_id!r}"
    extra = _read_extra(connection, where)
    servers = _read_servers(connection, where, tls=extra.tls)
    login = Credentials(_authorization(connection, extra.token))
    files = extra.model_dump(include={"ca_file", "client_certificate", "client_key", "verify_tls"})
    return ModelServerConnection(
        servers=servers,
        model_base_path=extra.model_base_path,
        timeout_s=extra.timeout_s,
        poll_interval_s=extra.poll_interval_s,
        credentials=login.with_files(LoginSettings(**files)).bound_to(servers),
    )


def _read_extra(connection: Connection, where: str) -> ConnectionExtra:
    """
    Return the extra of a connection. A key without a value counts as absent, as the form leaves it.

    :raises UsageError: it is not a JSON object, has an unknown key, or a value is wrong.
    """
    try:
        extra = json.loads(connection.extra) if connection.extra else {}
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise UsageError(f'{where}: its extra is not a JSON object such as {{"timeout_s": 30}}.')
    try:
        return ConnectionExtra.model_validate({name: value for name, value in extra.items() if value not in (None, "")})
    except ValidationError as error:
        raise UsageError(f"{where}: {describe_problems(error, ConnectionExtra)}, in its extra.") from None


def _read_servers(connection: Connection, where: str, *, tls: bool) -> tuple[str, ...]:
    """
    Return the base URL of every replica.

    If a connection is written as a URI, Airflow puts the path into ``schema`` and the port into ``port``, even if
    the host has a scheme of its own: ``tf-serving://https://models.example.com:443/serving``.

    :raises UsageError: there is no host.
    """
    hosts = [part.strip() for part in (connection.host or "").split(",") if part.strip()]
    if words := next(filter(None, map(login_refusal, map(with_scheme, hosts))), ""):
        raise UsageError(f"{where}: {words}.")
    if not hosts:
        raise UsageError(f"{where} names no host. Give the replicas as `host` or `host:port`, with commas between.")
    schema = (connection.schema or "").strip("/")
    path = "" if schema in ("http", "https") else schema
    scheme = "https" if tls or schema == "https" else "http"
    if path and len(hosts) > 1:
        raise UsageError(
            f"{where} has several hosts and the path {path!r}. Give each replica as a whole URL in `host`, such as "
            f"https://a.example.com/{path},https://b.example.com/{path}."
        )
    return tuple(_base_url(host, connection.port, scheme, path, alone=len(hosts) == 1) for host in hosts)


def _base_url(host: str, port: int | None, scheme: str, path: str, *, alone: bool) -> str:
    """
    Return the base URL of one replica.

    :param alone: it is the only one, so that even a whole URL gets the connection's port and path.
    """
    whole = "://" in host
    if not whole and host.count(":") > 1 and "[" not in host:
        host = f"[{host}]"  # Airflow removes the brackets of an IPv6 address when it reads a URI
    address = host.rstrip("/") if whole else f"{scheme}://{host}"
    if whole and not alone:
        return address
    parts = urlsplit(address)
    wanted_port = port if whole else port or DEFAULT_PORT
    has_port = re.search(r":\d+$", parts.netloc) is not None
    netloc = parts.netloc if has_port or wanted_port is None else f"{parts.netloc}:{wanted_port}"
    below = "/".join(part for part in (parts.path.strip("/"), path) if part)
    return f"{parts.scheme}://{netloc}{'/' if below else ''}{below}"


def _authorization(connection: Connection, token: str) -> dict[str, str]:
    if token:
        return bearer(token)
    if connection.login:
        pair = f"{connection.login}:{connection.password or ''}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {}


def _probe(client: ModelServerClient, model_name: str) -> tuple[bool, str]:
    """Ask one replica for one model. Model Server cannot list models, so without a name any answer counts."""
    with client:
        try:
            statuses = client.version_statuses(model_name or "tendies_connection_test")
        except VersionGoneError as error:
            return (not model_name), f"{client.base_url} answers" + (f", but: {error}" if model_name else ".")
        except ModelServerError as error:
            return False, f"{client.base_url}: {error}"
    states = ", ".join(f"version {status.version} {status.state}" for status in statuses.values()) or "no version"
    return True, f"{client.base_url} answers; {model_name}: {states}."
