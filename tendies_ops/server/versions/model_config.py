"""
The configuration files of the server.

Source: tensorflow/serving config/model_server_config.proto, monitoring_config.proto and the checks of
model_servers/server_core.cc.
"""

from __future__ import annotations

from typing import Any, Final

from tendies_ops.server.protobuf.messages import ModelServerConfig, MonitoringConfig
from tendies_ops.server.protobuf.text_file import read_text_proto
from tendies_ops.server.status_codes import invalid_argument
from tendies_ops.server.versions.version_policy import VersionPolicy
from tendies_ops.server.versions.version_source import ModelConfig

DEFAULT_PROMETHEUS_PATH: Final = "/monitoring/prometheus/metrics"
_TENSORFLOW_TYPE: Final = 1  # of ModelType, the deprecated way to name a platform


def read_model_config(path: str) -> dict[str, ModelConfig] | None:
    """
    Read ``--model_config_file``.

    :return: model name -> its config; None if the file has no ``model_config_list``.
    :raises StatusError: the file cannot be read, or its content is invalid.
    """
    message = read_text_proto(path, ModelServerConfig())
    if not message.HasField("model_config_list"):
        return None
    return checked([_model(config) for config in message.model_config_list.config])


def checked(models: list[ModelConfig]) -> dict[str, ModelConfig]:
    """
    Return the models by name.

    :raises StatusError: two models have one name, or a base path is relative.
    """
    named: dict[str, ModelConfig] = {}
    for model in models:
        if model.name in named:
            raise invalid_argument(f"Illegal to list model {model.name} multiple times in config list")
        if not model.base_path.startswith("/") and "://" not in model.base_path:
            raise invalid_argument(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
        named[model.name] = model
    return named


def read_prometheus_path(path: str) -> str | None:
    """
    Read ``--monitoring_config_file``.

    :return: the path of the metrics page; None for no page.
    """
    prometheus = read_text_proto(path, MonitoringConfig()).prometheus_config
    return (prometheus.path or DEFAULT_PROMETHEUS_PATH) if prometheus.enable else None


def _model(config: Any) -> ModelConfig:
    if config.model_platform != "tensorflow" and (config.model_platform or config.model_type != _TENSORFLOW_TYPE):
        raise invalid_argument(
            f'Model {config.name} has the platform "{config.model_platform}"; it must be model_platform: "tensorflow"'
        )
    return ModelConfig(
        name=config.name,
        base_path=config.base_path,
        policy=_policy(config.model_version_policy),
        labels=dict(config.version_labels),
    )


def _policy(message: Any) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "specific":
        return VersionPolicy(specific=frozenset(message.specific.versions))
    return VersionPolicy(all=True) if choice == "all" else VersionPolicy(latest=max(1, message.latest.num_versions))
