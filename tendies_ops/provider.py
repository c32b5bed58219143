"""What Airflow's provider manager asks of an installed provider."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """The provider's own metadata."""
    return {
        "package-name": "airflow-provider-tendies",
        "name": "tendies",
        "description": "Release and batch inference for TensorFlow Model Server.",
    }
