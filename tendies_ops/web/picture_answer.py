"""Answers that are pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fastapi import HTTPException
from fastapi.responses import Response

from tendies_ops.web.pictures import FULL_SIDE, MEDIA_TYPE, THUMBNAIL_SIDE, NotAPictureError, PictureCache

Size = Literal["thumb", "full"]


def picture_answer(cache: PictureCache, path: Path, size: Size) -> Response:
    """
    The picture, drawn anew.

    :raises HTTPException: 415 when it cannot be decoded, 404 when it cannot be read.
    """
    try:
        data = cache.get(path, side=THUMBNAIL_SIDE if size == "thumb" else FULL_SIDE)
    except NotAPictureError as error:
        raise HTTPException(415, str(error)) from error
    except OSError as error:
        raise HTTPException(404, "This picture cannot be read.") from error
    return Response(data, media_type=MEDIA_TYPE, headers={"Cache-Control": "private, max-age=3600"})
