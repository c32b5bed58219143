"""
The files that tell the server what to serve.

Source: tensorflow/serving config/model_server_config.proto, monitoring_config.proto and the checks of
model_servers/server_core.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tendies_ops.server.status import StatusError, invalid_argument
from tendies_ops.server.text_proto import Message, Schema, parse_text_proto
from tendies_ops.server.version_policy import VersionPolicy
from tendies_ops.server.version_source import ModelConfig

_POLICY: Final[Schema] = {"latest": {"num_versions": None}, "all": {}, "specific": {"versions": [None]}}
_MODEL: Final[Schema] = {
    "name": None,
    "base_path": None,
    "model_type": None,
    "model_platform": None,
    "model_version_policy": _POLICY,
    "version_labels": [{"key": None, "value": None}],
}
_CONFIG: Final[Schema] = {"model_config_list": {"config": [_MODEL]}}
_MONITORING: Final[Schema] = {"prometheus_config": {"enable": None, "path": None}}

DEFAULT_PROMETHEUS_PATH: Final = "/monitoring/prometheus/metrics"


def read_text_proto(path: str, schema: Schema, what: str) -> Message:
    """
    Read a text-format file.

    :raises StatusError: it is missing, or not of this type.
    """
    try:
        text = Path(path).read_text()
    except OSError as error:
        code = "NOT_FOUND" if isinstance(error, FileNotFoundError) else "FAILED_PRECONDITION"
        raise StatusError(code, f"{path}; {error.strerror}") from None  # type: ignore[arg-type]  # two of the codes
    try:
        return parse_text_proto(text, schema, what)
    except StatusError as error:
        raise invalid_argument(f"Invalid protobuf file: '{path}' ({error.message})") from None


def read_model_config(path: str) -> dict[str, ModelConfig] | None:
    """
    Read ``--model_config_file``.

    :return: model name -> its config; None where the file has no ``model_config_list``.
    :raises StatusError: the file or what it says is wrong.
    """
    message = read_text_proto(path, _CONFIG, "tensorflow.serving.ModelServerConfig")
    if "model_config_list" not in message:
        return None
    (models,) = message["model_config_list"]
    return checked([_model(config) for config in models.get("config", [])])


def single_model_config(model_name: str, base_path: str) -> dict[str, ModelConfig]:
    """
    What ``--model_name`` and ``--model_base_path`` say.

    :raises StatusError: the base path is relative.
    """
    return checked([ModelConfig(model_name, base_path)])


def checked(models: list[ModelConfig]) -> dict[str, ModelConfig]:
    """
    The models by name.

    :raises StatusError: a name is there twice, or a base path relative.
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


def refuse_platform_changes(old: Mapping[str, ModelConfig], new: Mapping[str, ModelConfig]) -> None:
    """
    A model keeps its platform for the life of the process.

    :raises StatusError: it is to change.
    """
    for name in old.keys() & new.keys():
        if old[name].platform != new[name].platform:
            raise invalid_argument(
                f"Illegal to change a model's platform. For model {name} platform was {old[name].platform} and new "
                f"platform requested is {new[name].platform}"
            )


def read_prometheus_path(path: str) -> str | None:
    """
    Read ``--monitoring_config_file``.

    :return: where the metrics are served, None where they are not.
    """
    message = read_text_proto(path, _MONITORING, "tensorflow.serving.MonitoringConfig")
    prometheus = message.get("prometheus_config", [{}])[-1]
    if not boolean(_last(prometheus, "enable", "false")):
        return None
    return _last(prometheus, "path", "") or DEFAULT_PROMETHEUS_PATH


def boolean(word: str) -> bool:
    """A bool of the text format."""
    return word in ("true", "True", "t", "1")


def integer(word: str) -> int:
    """
    An integer of the text format.

    :raises StatusError: it is none.
    """
    try:
        return int(word, 0)
    except ValueError:
        raise invalid_argument(f"Expected integer, got: {word}") from None


def _last(message: Message, name: str, default: str) -> str:
    value: Any = message.get(name, [default])[-1]
    return str(value)


def _model(config: Message) -> ModelConfig:
    name = _last(config, "name", "")
    return ModelConfig(
        name=name,
        base_path=_last(config, "base_path", ""),
        policy=_policy(config.get("model_version_policy", [{}])[-1]),
        labels={
            _last(label, "key", ""): integer(_last(label, "value", "0")) for label in config.get("version_labels", [])
        },
        platform=_platform(config, name),
    )


def _platform(config: Message, name: str) -> str:
    platform = _last(config, "model_platform", "")
    old_style = _last(config, "model_type", "")
    if platform and old_style:
        raise invalid_argument(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
            f"model name is {name}"
        )
    if not platform and old_style not in ("TENSORFLOW", "1"):
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {name}"
        )
    if platform not in ("", "tensorflow"):
        raise invalid_argument(f"Model {name} configured to use unknown platform: {platform}; only tensorflow is known")
    return "tensorflow"


def _policy(message: Message) -> VersionPolicy:
    if len(message) > 1:
        first, second = list(message)[:2]
        raise invalid_argument(
            f'Field "{second}" is specified along with field "{first}", another member of oneof "policy_choice".'
        )
    if "specific" in message:
        versions = message["specific"][-1].get("versions", [])
        return VersionPolicy(specific=frozenset(integer(version) for version in versions))
    if "all" in message:
        return VersionPolicy(all=True)
    latest = message.get("latest", [{}])[-1]
    return VersionPolicy(latest=max(1, integer(_last(latest, "num_versions", "1"))))
