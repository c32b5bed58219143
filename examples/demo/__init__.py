"""What ``make demo`` runs: a real Airflow, real Model Servers, two trained models and real pictures on one machine."""
