"""Style and scripts. They hold no secret, but only users who are logged in need them."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import Response

from tendies_ops.web.auth import LOGGED_IN
from tendies_ops.web.pages.render import asset

router = APIRouter(dependencies=[LOGGED_IN])


@router.get("/static/{stamp}/{name}")
def static_file(stamp: Annotated[str, Path(pattern="^[0-9a-z]{1,20}$")], name: str) -> Response:
    """One of the packaged files. The stamp is for the browser's cache: another content has another address."""
    data = asset(name)
    if data is None:
        raise HTTPException(404, "There is no such file.")
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(data, media_type=media_type, headers={"Cache-Control": "private, max-age=31536000, immutable"})
