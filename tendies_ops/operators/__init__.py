"""Airflow operators: each reads the connection, calls a core function, and returns a small summary."""
