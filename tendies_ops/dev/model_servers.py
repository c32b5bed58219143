"""Embedded Model Servers for the models of a working folder that have no server."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from tendies_ops.dev.error import DevError
from tendies_ops.dev.ports import HOST, check_free, is_free
from tendies_ops.dev.processes import Program, start
from tendies_ops.spec import ModelSpec

Models = dict[str, Path]  # model name -> base path


def models_by_port(specs: Sequence[ModelSpec], folder: Path, default_port: int) -> dict[int, Models]:
    """
    Return what an embedded Model Server has to serve at which port of this machine.

    Specs without servers share the server at ``default_port``, which is there in any case. A spec that names one server
    on this machine gets it at that port. Servers elsewhere are not started from here.
    """
    found: dict[int, Models] = {default_port: {}}
    for spec in specs:
        port = _port(spec.release.servers, default_port)
        if port is not None:
            base_path = spec.release.model_base_path or folder / "models" / spec.model_name
            found.setdefault(port, {})[spec.model_name] = base_path
    return found


def _port(servers: Sequence[str], default_port: int) -> int | None:
    if not servers:
        return default_port
    address = urlsplit(servers[0] if "://" in servers[0] else f"http://{servers[0]}")
    is_here = len(servers) == 1 and address.hostname in (HOST, "localhost")
    return address.port or 8501 if is_here else None


@dataclass
class ModelServers:
    """The servers that were started; each reads its models from a config file again and again."""

    folder: Path
    default_port: int
    environment: Mapping[str, str]
    programs: dict[int, Program] = field(default_factory=dict)
    _told: dict[int, Models] = field(default_factory=dict)

    def serve(self, specs: Sequence[ModelSpec]) -> list[str]:
        """
        Start servers, and let those that listen serve every model; call it again for those that do not yet.

        :return: what changed, a line each.
        :raises DevError: TensorFlow or a port is missing.
        """
        changes = []
        for port, models in models_by_port(specs, self.folder, self.default_port).items():
            if port not in self.programs and port != self.default_port and not is_free(port):
                continue  # the spec's own server is running
            if port not in self.programs:
                self._write_config(port, {})
                self.programs[port] = self._start(port)
            # With models to begin with, it would listen only when each of them has a version.
            if self._told.get(port) == models or is_free(port):
                continue
            self._write_config(port, models)
            new = sorted(models.keys() - self._told.get(port, {}).keys())
            changes.append(f"Model Server at http://{HOST}:{port}: {', '.join(new) or 'no model yet'}")
            self._told[port] = models
        return changes

    def _config_path(self, port: int) -> Path:
        return self.folder / ".airflow" / f"model_server_{port}.config"

    def _write_config(self, port: int, models: Models) -> None:
        entries = []
        for name, base_path in sorted(models.items()):
            base_path.mkdir(parents=True, exist_ok=True)
            place = json.dumps(str(base_path))
            entries.append(f'  config {{ name: "{name}" base_path: {place} model_platform: "tensorflow" }}\n')
        path = self._config_path(port)
        path.parent.mkdir(exist_ok=True)
        written = path.with_suffix(".new")
        written.write_text(f"model_config_list {{\n{''.join(entries)}}}\n", encoding="utf-8")
        written.replace(path)

    def _start(self, port: int) -> Program:
        if find_spec("tensorflow") is None:
            raise DevError(
                "The embedded Model Server needs TensorFlow, which is not installed. Install it with "
                "`pip install 'airflow-provider-tendies[tensorflow]'`, or start a Model Server of your own and pass "
                "--no-model-server."
            )
        check_free(port, what="Model Server", option="--model-server-port")
        return start(
            f"Model Server at port {port}",
            [
                *(sys.executable, "-m", "tendies_ops.server.run_server"),
                f"--rest_api_port={port}",
                f"--rest_api_host={HOST}",
                f"--model_config_file={self._config_path(port)}",
                "--model_config_file_poll_wait_seconds=1",
                "--file_system_poll_wait_seconds=1",
                "--max_num_load_retries=0",  # a release that cannot load must hear of it at once
                "--num_load_threads=2",
            ],
            log_path=self.folder / "logs" / f"model_server_{port}.log",
            mark=self.folder,
            environment=self.environment,
        )
