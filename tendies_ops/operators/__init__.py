"""Airflow operators. Each is thin: connection, core function, small summary."""
