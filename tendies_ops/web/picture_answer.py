"""Answers that are pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, HTTPException
from fastapi.responses import Response

from tendies_ops.web.golden import golden_path
from tendies_ops.web.pictures import FULL_SIDE, MEDIA_TYPE, THUMBNAIL_SIDE, NotAPictureError, PictureCache
from tendies_ops.web.services import Services

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


@dataclass(frozen=True)
class GoldenPicture:
    """FastAPI dependency: which golden picture an address names."""

    index: int
    side: Literal["before", "after"]
    size: Size = "thumb"

    def answer(self, services: Services, directory: Path | None) -> Response:
        """
        The picture of the version or candidate in ``directory``.

        :raises OutsideError: there is none.
        """
        return picture_answer(services.pictures, golden_path(directory, self.index, self.side), self.size)


GoldenDep = Annotated[GoldenPicture, Depends()]
