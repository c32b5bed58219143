"""Airflow triggers, and the decisions that they and the sensors ask. The triggerer imports this: keep it light."""
