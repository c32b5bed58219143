"""Airflow triggers, and the decisions that they share with the sensors. The triggerer imports this: keep it light."""
