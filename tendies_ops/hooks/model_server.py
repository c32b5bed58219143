"""The connection to TensorFlow Model Server: one or several replicas of it, and the directory that they watch."""

from __future__ import annotations

import base64
import contextlib
import difflib
import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from pydantic import ValidationError

from tendies_ops.addresses import login_refusal, with_scheme
from tendies_ops.credentials import NO_CREDENTIALS, Credentials, bearer
from tendies_ops.errors import ModelServerError, TendiesError, UsageError, VersionGoneError
from tendies_ops.spec import LoginSettings
from tendies_ops.spec.problems import describe_problems

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from tendies_ops.client import ModelServerClient
    from tendies_ops.rest_api.status import ServedVersions

CONNECTION_TYPE = "tf_serving"
DEFAULT_CONN_ID = "tf_serving_default"
DEFAULT_POLL_INTERVAL_S = 5.0
#: The keys of a connection's extra; what they mean is in the form and in the reference.
EXTRA_KEYS = frozenset(
    {
        "model_base_path",
        "timeout_s",
        "poll_interval_s",
        "token",
        "tls",
        "verify_tls",
        "ca_file",
        "client_certificate",
        "client_key",
        "model_name",
    }
)
DEFAULT_PORT = 8501  # tensorflow_model_server's own --rest_api_port in every example of its documentation


@dataclass(frozen=True)
class ModelServerConnection:
    """What an Airflow connection of type ``tf_serving`` says, read once."""

    servers: tuple[str, ...]  #: REST base URL of every replica, such as ``http://10.0.0.1:8501``
    model_base_path: str | None = None  #: may hold ``{model_name}``
    timeout_s: float = 60.0
    poll_interval_s: float = DEFAULT_POLL_INTERVAL_S
    credentials: Credentials = NO_CREDENTIALS  #: the login is for the connection's own hosts alone

    def base_path_of(self, model_name: str) -> str | None:
        """The directory that Model Server watches for this model."""
        return self.model_base_path.replace("{model_name}", model_name) if self.model_base_path else None

    def with_servers(self, servers: tuple[str, ...]) -> ModelServerConnection:
        """The same, but for ``servers`` where some are given."""
        return replace(self, servers=servers) if servers else self

    def clients(self) -> list[ModelServerClient]:
        """One client a replica. Each must be closed."""
        from tendies_ops.client import ModelServerClient

        return [ModelServerClient(url, timeout_s=self.timeout_s, credentials=self.credentials) for url in self.servers]

    def served_versions(self, model_name: str) -> dict[str, ServedVersions | ModelServerError]:
        """Ask every replica at once what it serves and what ``stable`` names: REST base URL -> that, or why not."""
        from tendies_ops.client.questions import ask_each

        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(client) for client in self.clients()]
            answers = ask_each(clients, lambda client: client.served_versions(model_name))
        return {client.base_url: answer for client, answer in zip(clients, answers, strict=True)}


class ModelServerHook(BaseHook):
    """
    Reads a connection of type ``tf_serving`` and opens clients to its replicas.

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

        :raises UsageError: it names no host, or one of its fields cannot be understood.
        """
        return read_connection(self.get_connection(self.model_server_conn_id))

    def resolve(self, servers: tuple[str, ...] = ()) -> ModelServerConnection:
        """
        Read the connection, with ``servers`` instead of its own where some are given; then it need not exist.

        :raises UsageError: one of its fields cannot be understood.
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
        """Return what the Test button shows: whether every replica answers, one sentence a replica."""
        try:
            clients = self.get_conn().clients()
        except TendiesError as error:
            return False, str(error)
        model_name = self.get_connection(self.model_server_conn_id).extra_dejson.get("model_name") or ""
        with ThreadPoolExecutor(len(clients)) as pool:  # one that hangs must not hold up the others
            results = list(pool.map(lambda client: _probe(client, model_name), clients))
        return all(ok for ok, _ in results), " ".join(words for _, words in results)


def read_connection(connection: Connection) -> ModelServerConnection:
    """
    Turn Airflow's connection into what tendies needs.

    :raises UsageError: it names no host, or one of its fields cannot be understood or has no meaning.
    """
    where = f"Connection {connection.conn_id!r}"
    extra = _read_extra(connection, where)
    servers = _read_servers(connection, where, tls=_flag(extra, "tls", False, where))
    login = Credentials(_authorization(connection, extra.get("token")))
    return ModelServerConnection(
        servers=servers,
        model_base_path=extra.get("model_base_path") or None,
        timeout_s=_positive(extra, "timeout_s", 60.0, where),
        poll_interval_s=_positive(extra, "poll_interval_s", DEFAULT_POLL_INTERVAL_S, where),
        credentials=login.with_files(_tls_files(extra, where)).bound_to(servers),
    )


def _tls_files(extra: dict[str, Any], where: str) -> LoginSettings:
    files = {name: extra.get(name) or None for name in ("ca_file", "client_certificate", "client_key")}
    try:
        return LoginSettings.model_validate({**files, "verify_tls": _flag(extra, "verify_tls", True, where)})
    except ValidationError as error:
        raise UsageError(f"{where}: {describe_problems(error, LoginSettings)} in its extra.") from None


def _read_extra(connection: Connection, where: str) -> dict[str, Any]:
    """
    Return the extra of a connection.

    :raises UsageError: it is not a JSON object, or has a key that means nothing here.
    """
    try:
        extra = json.loads(connection.extra) if connection.extra else {}
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise UsageError(f'{where}: its extra is not a JSON object such as {{"timeout_s": 30}}.')
    for name in extra:
        if name not in EXTRA_KEYS:
            nearest = difflib.get_close_matches(name, EXTRA_KEYS, n=1)
            hint = f"did you mean `{nearest[0]}`?" if nearest else f"known keys: {', '.join(sorted(EXTRA_KEYS))}."
            raise UsageError(f"{where}: unknown key `{name}` in its extra; {hint}")
    return extra


def _read_servers(connection: Connection, where: str, *, tls: bool) -> tuple[str, ...]:
    """
    Return the base URL of every replica.

    Of a connection that is written as a URI, Airflow puts the path into ``schema`` and the port into ``port``, also
    where the host has a scheme of its own: ``tf-serving://https://models.example.com:443/serving``.

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

    :param alone: it is the connection's only one: then a whole URL, too, takes the connection's port and path.
    """
    whole = "://" in host
    if not whole and host.count(":") > 1 and "[" not in host:
        host = f"[{host}]"  # Airflow takes the brackets of an IPv6 address away when it reads a URI
    address = host.rstrip("/") if whole else f"{scheme}://{host}"
    if whole and not alone:
        return address
    parts = urlsplit(address)
    wanted_port = port if whole else port or DEFAULT_PORT
    has_port = re.search(r":\d+$", parts.netloc) is not None
    netloc = parts.netloc if has_port or wanted_port is None else f"{parts.netloc}:{wanted_port}"
    below = "/".join(part for part in (parts.path.strip("/"), path) if part)
    return f"{parts.scheme}://{netloc}{'/' if below else ''}{below}"


def _flag(extra: dict[str, Any], name: str, default: bool, where: str) -> bool:
    """
    Return a yes or no; in a connection that is written as a URI it is a text.

    :raises UsageError: it is neither.
    """
    value = extra.get(name)
    if value in (None, ""):
        return default
    found = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(str(value).lower())
    if found is None:
        raise UsageError(f"{where}: `{name}` in its extra must be true or false; found {value!r}.")
    return found


def _positive(extra: dict[str, Any], name: str, default: float, where: str) -> float:
    value = extra.get(name)
    if value in (None, ""):
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 < number < math.inf:
        raise UsageError(f"{where}: `{name}` in its extra must be a number of seconds above 0; found {value!r}.")
    return number


def _authorization(connection: Connection, token: str | None) -> dict[str, str]:
    if token:
        return bearer(token)
    if connection.login:
        pair = f"{connection.login}:{connection.password or ''}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {}


def _probe(client: ModelServerClient, model_name: str) -> tuple[bool, str]:
    """Ask one replica for one model. Model Server lists no models, so without a name only the answer itself counts."""
    with client:
        try:
            statuses = client.version_statuses(model_name or "tendies_connection_test")
        except VersionGoneError as error:
            return (not model_name), f"{client.base_url} answers" + (f", but: {error}" if model_name else ".")
        except ModelServerError as error:
            return False, f"{client.base_url}: {error}"
    states = ", ".join(f"version {status.version} {status.state}" for status in statuses.values()) or "no version"
    return True, f"{client.base_url} answers; {model_name}: {states}."
