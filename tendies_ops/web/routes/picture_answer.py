"""Answers that are pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, HTTPException
from fastapi.responses import Response

from tendies_ops.web.pictures.picture_cache import (
    FULL_SIDE,
    MEDIA_TYPE,
    THUMBNAIL_SIDE,
    NotAPictureError,
    PictureCache,
    cache_name,
)
from tendies_ops.web.services import Services, ServicesDep

Side = Literal["before", "after"]
_KEPT = {"Cache-Control": "private, max-age=3600"}
Found = TypeVar("Found")


@dataclass(frozen=True)
class PictureRequest:
    """The size in which a picture is wanted, and the one that the browser has already."""

    size: Literal["thumb", "full"] = "thumb"
    if_none_match: str = ""

    async def answer(self, services: Services, path: Path) -> Response:
        """
        Return the picture, drawn again; 304 to a browser that has it.

        Only a picture that was never drawn waits in line, without holding a thread.

        :raises HTTPException: 415 when it cannot be decoded, 404 when it cannot be read, 503 when too many are drawn.
        """
        at_once = await to_thread.run_sync(_or_refuse, partial(self._known, services.pictures, path))
        if at_once is not None:
            return at_once
        async with services.lines.drawing.place():
            draw = partial(self._drawn, services.pictures, path)
            return await to_thread.run_sync(_or_refuse, draw, limiter=services.lines.drawing_threads)

    @property
    def _side(self) -> int:
        return THUMBNAIL_SIDE if self.size == "thumb" else FULL_SIDE

    def _known(self, cache: PictureCache, path: Path) -> Response | None:
        headers = self._headers(path)
        if headers["ETag"] in self.if_none_match:
            return Response(status_code=304, headers=headers)
        data = cache.known(path, side=self._side)
        return None if data is None else Response(data, media_type=MEDIA_TYPE, headers=headers)

    def _drawn(self, cache: PictureCache, path: Path) -> Response:
        headers = self._headers(path)  # before the picture: if the file changes in between, it is requested again
        return Response(cache.get(path, side=self._side), media_type=MEDIA_TYPE, headers=headers)

    def _headers(self, path: Path) -> dict[str, str]:
        return {**_KEPT, "ETag": f'"{cache_name(path, self._side)}"'}


async def _picture_request(
    size: Literal["thumb", "full"] = "thumb", if_none_match: Annotated[str, Header()] = ""
) -> PictureRequest:
    return PictureRequest(size, if_none_match)


PictureDep = Annotated[PictureRequest, Depends(_picture_request)]


def picture_route(router: APIRouter, address: str) -> Callable[[Callable[..., Path]], Callable[..., Path]]:
    """Let an address answer with the picture, drawn again, whose path the decorated FastAPI dependency returns."""

    def decorate(find: Callable[..., Path]) -> Callable[..., Path]:
        @router.get(address)
        async def answer(services: ServicesDep, asked: PictureDep, path: Path = Depends(find)) -> Response:
            return await asked.answer(services, path)

        return find

    return decorate


def _or_refuse(make: Callable[[], Found]) -> Found:
    try:
        return make()
    except NotAPictureError as error:
        raise HTTPException(415, str(error), _KEPT) from error
    except OSError as error:
        raise HTTPException(404, "This picture cannot be read.") from error
