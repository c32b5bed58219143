"""Talking to Model Server's REST API with ``requests``."""

from __future__ import annotations

from tendies_ops.client.rest_client import ModelServerClient

__all__ = ["ModelServerClient"]
