"""Make the result files of a picture from the answers to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from PIL import Image

from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.header import identify
from tendies_ops.inference.picture.picture import Picture
from tendies_ops.inference.picture.prepare import encode_result
from tendies_ops.inference.results.detections import join_detections, read_detections
from tendies_ops.inference.results.draw_boxes import draw_boxes
from tendies_ops.inference.results.outputs import Answers
from tendies_ops.inference.results.provenance import KEYWORD, add_provenance

_EXTENSIONS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of a picture's result."""

    path: str  #: relative to the output folder
    data: bytes


class ResultMaker:
    """
    Make files from answers, the main one first.

    * a picture: ``<stem>.png`` or as asked;
    * detections: ``<stem>.png`` with the boxes drawn, ``<stem>.json``;
    * other numbers: ``<stem>.json``;
    * several pictures: ``<output>/<stem>.png`` each, a folder for each output.

    :param facts: provenance for each result.
    """

    def __init__(self, answers: Answers, options: BatchOptions, facts: dict[str, Any]) -> None:
        self._answers = answers
        self._options = options
        self._facts = facts

    def make(self, picture: Picture, rows: Sequence[Any], reopen: Callable[[], Image.Image]) -> list[ResultFile]:
        """
        Make all files of one picture.

        :param rows: the answers to its parts: files, or results of :meth:`Answers.row`.
        :param reopen: returns the picture itself, upright, 8 bit.
        :raises PictureError: the answers are invalid.
        """
        if self._answers.kind == "picture":
            return [self._picture_file(picture, picture.found.output_stem, rows)]
        if self._answers.kind == "detection":
            return self._detection_files(picture, rows, reopen())
        return self._value_files(picture, rows)

    def _detection_files(
        self, picture: Picture, rows: Sequence[dict[str, Any]], image: Image.Image
    ) -> list[ResultFile]:
        parts = [read_detections(row, self._answers.labels) for row in rows]
        found = join_detections(parts, picture.windows)
        seen = [one for one in found if one.score >= self._options.min_score]
        drawn = encode_result([draw_boxes(image, seen)], "PNG", self._options)
        listed = [one.as_dict((image.height, image.width)) for one in found]
        document = {"height": image.height, "width": image.width, "detections": listed}
        return [self._with_origin(picture, picture.found.output_stem, drawn), self._json_file(picture, document)]

    def _value_files(self, picture: Picture, rows: Sequence[dict[str, Any]]) -> list[ResultFile]:
        names = self._answers.pictures
        files = []
        for name in names:
            below = f"{name.removesuffix('_bytes')}/" if len(names) > 1 else ""
            files.append(self._picture_file(picture, below + picture.found.output_stem, [row[name] for row in rows]))
        numbers = {name: rows[0][name] for name in self._answers.outputs if name not in names}
        return [*files, self._json_file(picture, {"outputs": numbers})] if numbers else files

    def _picture_file(self, picture: Picture, stem: str, answers: Sequence[bytes]) -> ResultFile:
        return self._with_origin(picture, stem, picture.finish(answers))

    def _with_origin(self, picture: Picture, stem: str, data: bytes) -> ResultFile:
        path = stem + _EXTENSIONS.get(identify(data[:20]) or "", ".bin")
        return ResultFile(path, add_provenance(data, self._origin(picture)) if self._options.provenance else data)

    def _json_file(self, picture: Picture, document: dict[str, Any]) -> ResultFile:
        origin = {KEYWORD: self._origin(picture)} if self._options.provenance else {}
        whole = {"input": _readable(picture.found.path), **document, **origin}
        return ResultFile(picture.found.output_stem + ".json", orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE))

    def _origin(self, picture: Picture) -> dict[str, Any]:
        own = {"input": _readable(picture.found.path), "input_digest": picture.input_digest}
        return {**self._facts, **own, **({"parameters": dict(picture.parameters)} if picture.parameters else {})}


def _readable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
