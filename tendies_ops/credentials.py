"""The login for Model Servers, and the check of a server's own identity."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from tendies_ops.errors import UsageError
from tendies_ops.spec.login_settings import LoginSettings

TOKEN_VARIABLE = "TENDIES_TOKEN"  # noqa: S105 # the variable's name, not its value
#: Variables that name a bundle of CA certificates. OpenSSL itself follows SSL_CERT_FILE and SSL_CERT_DIR.
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Credentials:
    """
    The login for Model Servers. Its text never shows a secret.

    :param headers: sent with every request, such as ``Authorization``.
    :param origins: servers that may see ``headers``, as returned by :func:`origin_of`; None: every server asked.
    :param verify: check certificates with the system's trust store (True) or with this CA bundle, or do not check them.
    :param client_certificate: PEM file that identifies the client; None: no client certificate.
    :param client_key: PEM file of its private key; None: it is in ``client_certificate``.
    :raises UsageError: a header cannot be sent.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    origins: frozenset[str] | None = None
    verify: bool | str = True
    client_certificate: str | None = None
    client_key: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not (f"{name}{value}".isascii() and f"{name}{value}".isprintable()):
                raise UsageError(
                    f"The content of the header {name!a} cannot be sent: it has a character that is not printable "
                    "ASCII, such as a line break."
                )

    def bound_to(self, urls: Collection[str]) -> Credentials:
        """Return these credentials with ``headers`` for the servers at ``urls`` only."""
        return replace(self, origins=frozenset(map(origin_of, urls)))

    def with_files(self, login: LoginSettings) -> Credentials:
        """
        Return these credentials, but for what the settings name: one login takes the place of the other.

        :raises UsageError: a file cannot be read, or a line of ``header_file`` is not a header.
        """
        found = self
        if login.token_file or login.header_file:
            found = replace(found, headers=_read_login(login), origins=None)
        if login.ca_file:
            found = replace(found, verify=str(login.ca_file))
        if not login.verify_tls:
            found = replace(found, verify=False)
        if login.client_certificate or login.client_key:
            certificate, key = login.client_certificate, login.client_key
            if certificate is None:
                raise UsageError(f"The client key {key} has no certificate. Give the client certificate as well.")
            found = replace(found, client_certificate=str(certificate), client_key=str(key) if key else None)
        return found

    def headers_for(self, url: str) -> dict[str, str]:
        """
        Return the headers to send to the server at ``url``; none if they were given for other servers.

        :raises UsageError: they would be sent unencrypted to another machine.
        """
        if not self.headers or (self.origins is not None and origin_of(url) not in self.origins):
            return {}
        if urlsplit(url).scheme != "https" and not _is_loopback(urlsplit(url).hostname or ""):
            raise UsageError(
                f"The login for {url} would be sent unencrypted, where others can read it. Give the server's https "
                "address (in a connection: `tls`), reach it through a proxy or tunnel on this machine, or give no "
                "token, no password and no headers."
            )
        return dict(self.headers)

    def tls_context(self) -> ssl.SSLContext:
        """
        Make the TLS settings for connections to these servers.

        :raises UsageError: a file is missing or is not PEM.
        """
        try:
            context = self._trusting()
            if self.verify is False:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.client_certificate:
                # The empty passphrase fails with an encrypted key; none would ask on the terminal and wait.
                context.load_cert_chain(self.client_certificate, self.client_key, password="")
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"The TLS files ({', '.join(map(str, self._files()))}) cannot be used: {error}. Give PEM files; a "
                "private key must be without a passphrase."
            ) from error
        return context

    def _trusting(self) -> ssl.SSLContext:
        bundle = self._bundle()
        if bundle is not None and Path(bundle).is_dir():
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)

    def _bundle(self) -> str | None:
        if isinstance(self.verify, str):
            return self.verify
        return next((os.environ[name] for name in _BUNDLE_VARIABLES if os.environ.get(name)), None)

    def _files(self) -> list[str]:
        return [name for name in (self._bundle(), self.client_certificate, self.client_key) if name]


NO_CREDENTIALS = Credentials()  #: no login, and the system's trust store


def credentials_of_environment() -> Credentials:
    """Return the login of a command that names no file: the bearer token in ``TENDIES_TOKEN``, if there is one."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return Credentials(bearer(token) if token else {})


def bearer(token: str) -> dict[str, str]:
    """Return the header that holds a bearer token."""
    return {"Authorization": f"Bearer {token}"}


def origin_of(url: str) -> str:
    """Return ``scheme://host:port``, in lower case and with the port written out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _read_login(login: LoginSettings) -> dict[str, str]:
    headers = _read_headers(login.header_file) if login.header_file else {}
    if login.token_file:
        token = _read(login.token_file, "token").strip()
        if not token:
            raise UsageError(f"The file of the token, {login.token_file}, is empty. Write the token into it.")
        headers.update(bearer(token))
    return headers


def _read_headers(path: Path) -> dict[str, str]:
    headers = {}
    for number, line in enumerate(_read(path, "headers").splitlines(), 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not (colon and _HEADER_NAME.fullmatch(name.strip()) and line.isprintable() and line.isascii()):
            raise UsageError(f"Line {number} of {path} is not a header. Write `Name: value`, one per line.")
        headers[name.strip()] = value.strip()
    return headers


def _read(path: Path, content: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The file of the {content}, {path}, cannot be read: {error}.") from error
