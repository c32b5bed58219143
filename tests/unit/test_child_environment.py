"""A process that runs a model inherits what it needs to start, and nothing that is a secret."""

from __future__ import annotations

from tendies_ops.child_environment import environment_of_child

SECRETS = [
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW_CONN_TF_SERVING_DEFAULT",
    "AIRFLOW_VAR_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "TENDIES_TOKEN",
    "HTTPS_PROXY",
    "TF_CONFIG",
    "SSH_AUTH_SOCK",
    "DATABASE_URL",
]


def test_secrets_of_airflow_are_not_passed_on() -> None:
    assert environment_of_child(dict.fromkeys(SECRETS, "secret")) == {}


def test_what_finds_programs_and_tunes_tensorflow_is_passed_on() -> None:
    needed = dict.fromkeys(("PATH", "HOME", "LC_ALL", "PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL", "OMP_NUM_THREADS"), "x")
    assert environment_of_child(needed) == needed
