"""Talking to Model Server's REST API with ``requests``."""

from __future__ import annotations

from tendies_ops.client.model_server import ModelServerClient

__all__ = ["ModelServerClient"]
