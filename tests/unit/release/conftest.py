from __future__ import annotations

from tests.support.release_fixtures import base, server

__all__ = ["base", "server"]
