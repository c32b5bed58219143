"""Working folders: specs, DAG files, models and pictures of one installation, as ``tendies init`` makes them."""

from __future__ import annotations

from tendies_ops.working_folder.add_model import add_model, place_of_spec
from tendies_ops.working_folder.make_folder import airflow_environment, make_folder

__all__ = ["add_model", "airflow_environment", "make_folder", "place_of_spec"]
