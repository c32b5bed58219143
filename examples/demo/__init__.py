"""What ``make demo`` runs: a real Airflow, Model Servers, three trained models and real pictures on one machine."""
