from __future__ import annotations

from tests.support.airflow_home import use_own_airflow

use_own_airflow()  # before any test module imports airflow
