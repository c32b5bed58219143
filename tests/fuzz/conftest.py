"""
Two profiles: a short one for every day, and ``--hypothesis-profile=deep``, which ``make test-fuzz`` takes.

What a deep run finds is fixed and kept as an ``@example`` next to the test that found it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile("everyday", max_examples=15, deadline=None, suppress_health_check=_QUIET)
settings.register_profile("deep", max_examples=4_000, deadline=None, suppress_health_check=_QUIET)


def pytest_configure(config: pytest.Config) -> None:
    """Unless another one was asked for."""
    if not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile("everyday")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples of a module: making a folder costs more than most of them."""
    return tmp_path_factory.mktemp("fuzz")
