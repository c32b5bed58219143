"""
The paths of Model Server's REST API.

Source: tensorflow/serving ``http_rest_api_util.cc`` and ``g3doc/api_rest.md``.
"""

from __future__ import annotations

from urllib.parse import quote


def status_path(model_name: str, version: int | None = None) -> str:
    """``/v1/models/NAME[/versions/N]``: which versions there are and in what state."""
    return f"/v1/models/{quote(model_name, safe='')}" + ("" if version is None else f"/versions/{version}")


def metadata_path(model_name: str, version: int | None = None, *, label: str | None = None) -> str:
    """``.../metadata``: the signatures of the served version, of one version, or of the one that a label names."""
    return _of_one(model_name, version, label) + "/metadata"


def predict_path(model_name: str, version: int | None = None, *, label: str | None = None) -> str:
    """``...:predict`` of the newest, of one version, or of one label."""
    return _of_one(model_name, version, label) + ":predict"


def _of_one(model_name: str, version: int | None, label: str | None) -> str:
    path = status_path(model_name, version)
    return path if label is None else f"{path}/labels/{quote(label, safe='')}"
