"""tendies: release and batch inference for TensorFlow Model Server, as Airflow operators and a command line."""

from __future__ import annotations

__version__ = "0.1.0"
