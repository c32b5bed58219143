"""
tensorflow_model_server's command line: ``--name=value``, and ``--name`` for a switch.

Source: tensorflow/serving model_servers/main.cc and server.h (names, defaults), tensorflow
core/util/command_line_flags.cc (syntax).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from tendies_ops.errors import UsageError
from tendies_ops.server.status_codes import invalid_argument


def _flag(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class Flags:
    """Every flag that the embedded server acts on, with the real server's default."""

    rest_api_port: int = _flag(0, "port of the REST API; required")
    rest_api_num_threads: int = _flag(4 * (os.cpu_count() or 1), "parallel requests, plus one")
    rest_api_timeout_in_ms: int = _flag(30000, "time limit of TensorFlow for one request")
    rest_api_enable_cors_support: bool = _flag(False, "send CORS headers with every answer")
    model_name: str = _flag("default", "name of the model (not with --model_config_file)")
    model_base_path: str = _flag("", "directory of the version directories (not with --model_config_file)")
    model_config_file: str = _flag("", "ModelServerConfig in text format: several models, version policies, labels")
    model_config_file_poll_wait_seconds: float = _flag(0.0, "interval between two reads of that file; 0: read once")
    file_system_poll_wait_seconds: float = _flag(1.0, "interval between two reads of the base paths; 0: read once")
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, "allow new labels for versions that are not loaded"
    )
    max_num_load_retries: int = _flag(5, "retries of a failed load")
    load_retry_interval_micros: int = _flag(60_000_000, "time between two retries")
    num_load_threads: int = _flag(0, "parallel loads; 0: one, and no other load or unload at the same time")
    num_unload_threads: int = _flag(0, "parallel unloads; 0: one, and no load at the same time")
    flush_filesystem_caches: bool = _flag(True, "accepted, without effect")
    tensorflow_session_parallelism: int = _flag(0, "threads within and across operations; 0: chosen by TensorFlow")
    tensorflow_intra_op_parallelism: int = _flag(0, "threads within an operation; 0: chosen by TensorFlow")
    tensorflow_inter_op_parallelism: int = _flag(0, "parallel operations; 0: chosen by TensorFlow")
    per_process_gpu_memory_fraction: float = _flag(0.0, "fraction of the GPU memory; 0: chosen by TensorFlow")
    saved_model_tags: str = _flag("serve", "comma-separated tags of the graph to load")
    enable_model_warmup: bool = _flag(True, "run assets.extra/tf_serving_warmup_requests during the load")
    num_request_iterations_for_warmup: int = _flag(0, "runs of each warm-up request; 0: one")
    enable_batching: bool = _flag(False, "merge requests into batches")
    batching_parameters_file: str = _flag("", "BatchingParameters in text format")
    enable_per_model_batching_parameters: bool = _flag(False, "read the batching_params.pbtxt of each version")
    monitoring_config_file: str = _flag("", "MonitoringConfig in text format: Prometheus metrics")
    remove_unused_fields_from_bundle_metagraph: bool = _flag(True, "accepted, without effect")
    port: int = _flag(8500, "gRPC port of the real server; accepted, without effect")
    # The embedded server's own.
    rest_api_address: str = _flag("127.0.0.1", "only here: address to listen on; 0.0.0.0 for every network")
    rest_api_socket: int = _flag(-1, "only here: descriptor of a bound socket to listen on; -1: none")
    log_level: str = _flag("info", "only here: debug (logs each request), info, warning, error")


#: Flags of the real server that are refused, unless their value turns the feature off.
_NOT_IMPLEMENTED: Final = (
    "enable_grpc_healthcheck_service", "enable_profiler", "enable_serialization_as_tensor_content",
    "enable_signature_method_name_check", "grpc_channel_arguments", "grpc_max_threads", "grpc_socket_path",
    "mixed_precision", "num_tflite_interpreters_per_pool", "num_tflite_pools", "platform_config_file",
    "prefer_tflite_model", "skip_initialize_tpu", "ssl_config_file", "tensorflow_session_config_file",
    "thread_pool_factory_config_file", "use_alts_credentials", "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
)  # fmt: skip
_OFF: Final = ("", "0", "false")


@dataclass(frozen=True)
class CommandLine:
    """A command line that was read, with its unknown arguments."""

    flags: Flags
    unknown: tuple[str, ...]
    asks_help: bool


def parse_flags(arguments: Sequence[str]) -> CommandLine:
    """
    Read a command line.

    :raises UsageError: a flag of the real server is not implemented.
    :raises StatusError: a value is of the wrong type.
    """
    defaults = {item.name: item.default for item in fields(Flags)}
    values: dict[str, Any] = {}
    unknown = []
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        text = text if equals else "true"
        if not argument.startswith("--"):
            unknown.append(argument)
        elif name in _NOT_IMPLEMENTED:
            _refuse(name, text)
        elif name in defaults and (equals or isinstance(defaults[name], bool)):
            values[name] = _value(name, text, defaults[name])
        else:
            unknown.append(argument)
    asks_help = not {"--help", "-h"}.isdisjoint(unknown)
    return CommandLine(Flags(**values), tuple(unknown), asks_help)


def hint_for(unknown: str) -> str:
    """Return a hint if an unknown argument resembles a flag."""
    name = unknown.removeprefix("--")
    return f" (write --{name}=VALUE)" if name in {item.name for item in fields(Flags)} else ""


def _refuse(name: str, text: str) -> None:
    if text.lower() not in _OFF:
        raise UsageError(
            f"--{name} is a flag of tensorflow_model_server that the embedded Model Server does not implement. "
            "Remove it, or use the real server (docs/reference/model-server.md lists the differences)."
        )


def _value(name: str, text: str, default: Any) -> Any:
    kind = type(default)
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return kind(text if kind is str else text.replace("_", "?"))  # 8_501 is a number in Python only
    except (ValueError, KeyError):
        wanted = {bool: "true or false", int: "whole number"}.get(kind, "number")
        raise invalid_argument(f"Couldn't interpret value {text!r} for flag --{name}; it wants a {wanted}.") from None


def usage() -> str:
    """Return the text of ``--help``."""
    lines = [
        "usage: tendies serve --rest_api_port=8501 --model_name=NAME --model_base_path=/path/to/model",
        "",
        "The embedded Model Server. Flags are tensorflow_model_server's, written --name=value:",
        "",
    ]
    for item in fields(Flags):
        default = str(item.default).lower() if isinstance(item.default, bool) else str(item.default)
        lines += [f"  --{item.name}={default}", f"      {item.metadata['help']}"]
    lines += ["", "Not implemented: " + ", ".join(_NOT_IMPLEMENTED) + "."]
    return "\n".join(lines) + "\n"
