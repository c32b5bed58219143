"""``tendies dev``: Airflow and Model Servers for a working folder, on this machine, until Ctrl-C."""

from __future__ import annotations

from tendies_ops.dev.airflow_server import AirflowServer
from tendies_ops.dev.error import DevError
from tendies_ops.dev.installation import DevOptions, Installation, running
from tendies_ops.dev.voice import Voice

__all__ = ["AirflowServer", "DevError", "DevOptions", "Installation", "Voice", "running"]
