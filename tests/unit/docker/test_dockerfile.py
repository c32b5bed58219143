"""What can be said of the Dockerfile without a Docker engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
DOCKERFILE = (REPOSITORY / "docker" / "Dockerfile").read_text(encoding="utf-8")


def test_the_base_image_has_the_pinned_airflow_and_a_supported_python() -> None:
    [(airflow, minor)] = re.findall(r"^FROM apache/airflow:([\d.]+)-python3\.(\d+)$", DOCKERFILE, re.MULTILINE)
    pins = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(rf"^apache-airflow=={re.escape(airflow)} ", pins, re.MULTILINE)
    assert 10 <= int(minor) <= 13


@pytest.mark.parametrize(
    "source",
    [
        word
        for line in re.findall(r"^COPY --chown=\S+ (?:--chmod=\S+ )?(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for word in line.split()
    ],
)
def test_what_is_copied_into_the_image_exists(source: str) -> None:
    assert (REPOSITORY / source).exists()
