"""Logins in addresses: ``http://user:password@host`` is refused where an address is taken, and never shown."""

from __future__ import annotations

import re

#: In a web address all that is before the host; elsewhere (``abfs://container@account``) a name alone is not a secret.
#: A password may hold what an address may not (``/``, ``@``), so the end of it is looked for as far as the next ``@``.
_LOGIN = re.compile(
    r"""((?:https?)://?)[^\s/?#]*@
      | ([a-z][a-z0-9+.-]*://?)(?!\[)[^\s/?#@:]*:(?:[^\s/?#]*@ | (?!\d+(?:[/?#\s]|$))\S*?@)""",
    re.IGNORECASE | re.VERBOSE,
)


def mask_logins(text: str) -> str:
    """Return the text with ``***`` in place of every login that stands in an address."""
    if "@" not in text:
        return text
    return _LOGIN.sub(lambda found: f"{found[1] or found[2]}***@", text)


def has_login(address: str) -> bool:
    """Return True if a password, or the user of a web address, stands before the host."""
    return mask_logins(address) != address


def with_scheme(server: str) -> str:
    """Return a server's address with ``http://`` before it, where it has no scheme of its own."""
    return server if "://" in server else f"http://{server}"


def login_refusal(address: str) -> str:
    """Return why an address is refused, without its login; empty: it has none."""
    if not has_login(address):
        return ""
    if not address.lower().startswith(("http://", "https://")):
        return (
            f"the address {mask_logins(address)} holds a password, which reports and pages would show. Take it out, "
            "and give it in fsspec's configuration or in the store's own variables (AWS_SECRET_ACCESS_KEY, ...)"
        )
    return (
        f"the address {mask_logins(address)} holds a login, which process lists, reports and pages would show. Take it "
        "out, and give a token file (--token-file, `token_file`), a header file (--header-file, `header_file`), the "
        "variable TENDIES_TOKEN, or login and password of the Airflow connection"
    )
