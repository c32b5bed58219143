"""The metadata that Airflow's provider manager reads. It must not import Airflow, which is not set up then."""

from __future__ import annotations

from typing import Any

#: Fields of the connection's form. Airflow builds the form from these alone, without the hook.
CONNECTION_FIELDS: dict[str, dict[str, Any]] = {
    "model_base_path": {
        "label": "Model base path",
        "description": "The directory that Model Server watches, as Airflow's workers see it; may hold {model_name}.",
        "schema": {"type": ["string", "null"]},
    },
    "timeout_s": {
        "label": "Timeout (s)",
        "description": "Seconds to wait for a response of the server.",
        "schema": {"type": ["number", "null"], "default": 60, "exclusiveMinimum": 0},
    },
    "poll_interval_s": {
        "label": "Poll interval (s)",
        "description": "Seconds between two requests of a task that waits for a version.",
        "schema": {"type": ["number", "null"], "default": 5, "exclusiveMinimum": 0},
    },
    "token": {
        "label": "Bearer token",
        "description": "Sent as Authorization header to the replicas above, over https or to this machine only. Or use "
        "login and password.",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "tls": {
        "label": "TLS",
        "description": "Use https for replicas that are given without a scheme.",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "verify_tls": {
        "label": "Check certificates",
        "description": "Refuse a server whose certificate is not trusted.",
        "schema": {"type": ["boolean", "null"], "default": True},
    },
    "ca_file": {
        "label": "CA bundle",
        "description": "File of the certificates to trust, as Airflow's workers see it; empty: the system's.",
        "schema": {"type": ["string", "null"]},
    },
    "client_certificate": {
        "label": "Client certificate",
        "description": "PEM file to show to replicas that ask for one, as Airflow's workers see it.",
        "schema": {"type": ["string", "null"]},
    },
    "client_key": {
        "label": "Client key",
        "description": "PEM file of its private key, without a passphrase; empty: it is in the certificate's file.",
        "schema": {"type": ["string", "null"]},
    },
    "model_name": {
        "label": "Model to test with",
        "description": "Model that the Test button requests from each replica.",
        "schema": {"type": ["string", "null"]},
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the metadata of the provider: the connection type and the decorators."""
    return {
        "package-name": "airflow-provider-tendies",
        "name": "tendies",
        "description": "Release and batch inference for TensorFlow Model Server.",
        "connection-types": [
            {
                "connection-type": "tf_serving",
                "hook-name": "TensorFlow Model Server",
                "hook-class-name": "tendies_ops.hooks.model_server.ModelServerHook",
                "conn-fields": CONNECTION_FIELDS,
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {"host": "Replicas", "port": "REST port", "login": "User (basic auth)"},
                    "placeholders": {"host": "10.0.0.1, 10.0.0.2:8502", "port": "8501"},
                },
            }
        ],
        "task-decorators": [
            {"name": name, "class-name": f"tendies_ops.operators.decorators.{name}_task"}
            for name in ("tendies_batch", "tendies_release")
        ],
    }
