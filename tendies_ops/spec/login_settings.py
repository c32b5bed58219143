"""Login and TLS for Model Servers behind a proxy, as settings: files, because settings are displayed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from tendies_ops.addresses import login_refusal, with_scheme
from tendies_ops.spec.strict_model import SpecPart


class LoginSettings(SpecPart):
    """Files that hold the login and the trusted certificates."""

    token_file: Path | None = Field(
        None, description="file that holds a bearer token for the servers; it goes over https or to this machine only"
    )
    header_file: Path | None = Field(
        None, description="file with HTTP headers for the servers, one `Name: value` a line; where they go, as a token"
    )
    ca_file: Path | None = Field(
        None, description="PEM file or directory of the CA certificates to trust; absent: the system's"
    )
    client_certificate: Path | None = Field(
        None, description="PEM file of the certificate to show to servers that ask for one"
    )
    client_key: Path | None = Field(
        None, description="PEM file of its private key, without a passphrase; absent: in `client_certificate`"
    )
    verify_tls: bool = Field(True, description="check the servers' TLS certificates")


Given = TypeVar("Given")


class LoginInAddressError(ValueError):
    """A value with a login or secret in it, which must not be repeated in an error message."""


def without_login(value: Given, *, servers: bool = False) -> Given:
    """
    Return an address, or several, unchanged if it has no login in it.

    :param servers: they are addresses of Model Servers, which may have no scheme.
    :raises LoginInAddressError: it has one; the message does not repeat it.
    """
    for address in value if isinstance(value, tuple) else (value,):
        text = "" if address is None else str(address)
        if words := login_refusal(with_scheme(text) if servers else text):
            raise LoginInAddressError(words)
    return value


def _servers_without_login(servers: tuple[str, ...]) -> tuple[str, ...]:
    return without_login(servers, servers=True)


NoLogin = AfterValidator(without_login)  #: annotates a setting that is an address
ServerUrls = Annotated[tuple[str, ...], AfterValidator(_servers_without_login)]


def is_secret(problem: Any) -> bool:
    """Return True if the input of a problem, as pydantic lists it, must not be shown."""
    return isinstance(problem.get("ctx", {}).get("error"), LoginInAddressError)


NO_LOGIN = LoginSettings()
#: The settings that are paths.
LOGIN_FILES = tuple(name for name in LoginSettings.model_fields if name != "verify_tls")
