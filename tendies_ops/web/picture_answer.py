"""Answers that are pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, Header, HTTPException
from fastapi.responses import Response

from tendies_ops.web.golden import golden_path
from tendies_ops.web.pictures import FULL_SIDE, MEDIA_TYPE, THUMBNAIL_SIDE, NotAPictureError, PictureCache, cache_name
from tendies_ops.web.services import Services

_KEPT = {"Cache-Control": "private, max-age=3600"}


@dataclass(frozen=True)
class PictureRequest:
    """FastAPI dependency: how large a picture is wanted, and which one the browser has already."""

    size: Literal["thumb", "full"] = "thumb"
    if_none_match: Annotated[str, Header()] = ""

    def answer(self, cache: PictureCache, path: Path) -> Response:
        """
        The picture, drawn anew; 304 to a browser that has it.

        :raises HTTPException: 415 when it cannot be decoded, 404 when it cannot be read.
        """
        side = THUMBNAIL_SIDE if self.size == "thumb" else FULL_SIDE
        try:
            headers = {**_KEPT, "ETag": f'"{cache_name(path, side)}"'}
            if headers["ETag"] in self.if_none_match:
                return Response(status_code=304, headers=headers)
            return Response(cache.get(path, side=side), media_type=MEDIA_TYPE, headers=headers)
        except NotAPictureError as error:
            raise HTTPException(415, str(error), _KEPT) from error
        except OSError as error:
            raise HTTPException(404, "This picture cannot be read.") from error


PictureDep = Annotated[PictureRequest, Depends()]


@dataclass(frozen=True)
class GoldenPicture:
    """FastAPI dependency: which golden picture an address names."""

    index: int
    side: Literal["before", "after"]
    request: PictureDep

    def answer(self, services: Services, directory: Path | None) -> Response:
        """
        The picture of the version or candidate in ``directory``.

        :raises OutsideError: there is none.
        """
        return self.request.answer(services.pictures, golden_path(directory, self.index, self.side))


GoldenDep = Annotated[GoldenPicture, Depends()]
