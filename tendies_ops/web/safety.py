"""
Safeguards that keep the pages from exposing or running what they must not.

One place for each rule: which files may leave the machine (:func:`confine`), what a browser may do with an answer
(:data:`PAGE_HEADERS`), and which requests are read at all (:class:`ReadOnly`).
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing but our own files, nothing inline, no frame of another site.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

#: A run's id: a directory's name and part of addresses, so it has no separator and no leading dot.
RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+@=-]{0,199}")


_POSTED = re.compile(r".*/models/[^/]+/try")  # its rights are those of a trigger


class BusyError(Exception):
    """Work of this kind is at its limit; the caller should ask again in some seconds."""


class OutsideError(Exception):
    """The file is not one of those that may leave the machine."""


def confine(root: Path, relative: str) -> Path:
    """
    Return the real file at ``relative`` below ``root``, after every symbolic link.

    :param root: a directory that belongs to a known model or run; it may itself be reached through links.
    :param relative: with ``/`` between its parts.
    :raises OutsideError: it is absolute, climbs, leads out of ``root`` through a link, or is not a regular file.
    """
    parts = PurePosixPath(relative).parts
    if not parts or "\0" in relative or relative.startswith("/") or ".." in parts:
        raise OutsideError(relative)
    try:
        real_root = root.resolve(strict=True)
        real = real_root.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # absent, a loop of links, a name the disk cannot hold
        raise OutsideError(relative) from error
    if not real.is_relative_to(real_root) or not real.is_file():
        raise OutsideError(relative)
    return real


def is_inside(root: Path, path: Path) -> bool:
    """Return True if ``path`` exists and is below ``root`` after every symbolic link."""
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError, ValueError):
        return False


class ReadOnly:
    """
    ASGI middleware: refuses every method that could change something, and puts :data:`PAGE_HEADERS` on every answer.

    The one form that is posted here, a try of a picture, is taken from our own pages only: a forged request from
    another site has nothing to reach.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in PAGE_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["method"] == "POST" and _POSTED.fullmatch(scope["path"]):
            if not is_of_our_own_page(Headers(scope=scope)):
                refusal = PlainTextResponse("This form is only taken from its own page.", status_code=403)
                await refusal(scope, receive, send_with_headers)
                return
        elif scope["method"] not in {"GET", "HEAD"}:
            refusal = PlainTextResponse("These pages only read.", status_code=405, headers={"Allow": "GET, HEAD"})
            await refusal(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)


def is_of_our_own_page(headers: Headers) -> bool:
    """
    Return True if a browser says that a form comes from a page of this site.

    Browsers send one of the two headers with every form, and no page can change them. Behind a proxy the site's name
    may be in ``X-Forwarded-Host``, which a form of another site cannot set either.
    """
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    hosts = {headers.get("host"), headers.get("x-forwarded-host")} - {None, ""}
    return urlsplit(headers.get("origin", "")).netloc in hosts
