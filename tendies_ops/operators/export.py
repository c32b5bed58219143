"""Checkpoint -> SavedModel directory."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import UsageError
from tendies_ops.operators.base import TendiesOperator
from tendies_ops.spec import ModelSpec, load_spec

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Where exports wait for their release. Model Server ignores names that are no version numbers.
EXPORTS_DIRECTORY = ".exports"


class ExportSavedModelOperator(TendiesOperator):
    """
    Export a checkpoint as a SavedModel directory with manifest. TensorFlow runs in a child process only.

    Returns (XCom) ``model_name``, ``saved_model_dir``, ``model_digest``, ``checkpoint``, ``checkpoint_digest`` and
    ``step``.

    :param spec: path of a model spec, or the spec itself. (templated)
    :param checkpoint: checkpoint instead of the newest event's or the spec's own. (templated)
    :param output_dir: directory that becomes the SavedModel; default ``<model base path>/.exports/<dag>.<run>``.
        (templated)
    :param model_base_path: where ``output_dir`` lies by default; else the spec's or the connection's. (templated)
    :param python: interpreter that has TensorFlow; default this one. (templated)
    :param timeout_s: seconds after which the child process is ended.
    """

    template_fields: Sequence[str] = (
        "spec",
        "checkpoint",
        "output_dir",
        "model_base_path",
        "python",
        "model_server_conn_id",
        "servers",
    )
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        checkpoint: str | None = None,
        output_dir: str | None = None,
        model_base_path: str | None = None,
        python: str | None = None,
        timeout_s: float = 1800.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if timeout_s <= 0:
            raise UsageError(f"timeout_s of task {self.task_id} must be above 0 seconds; found {timeout_s}.")
        self.spec = spec
        self.checkpoint = checkpoint
        self.output_dir = output_dir
        self.model_base_path = model_base_path
        self.python = python
        self.timeout_s = timeout_s

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Export, and say what was made."""
        from tendies_ops.export import export_model

        spec = self.spec if isinstance(self.spec, ModelSpec) else load_spec(Path(self.spec))
        checkpoint = self.checkpoint or checkpoint_of_events(context)
        result = export_model(
            spec,
            self._output_dir(spec, context),
            checkpoint=Path(checkpoint) if checkpoint else None,
            python=self.python or None,
            timeout_s=self.timeout_s,
            cancelled=cancelled,
            on_line=self.log.info,
        )
        manifest = result.manifest
        self.log.info("Exported %s to %s", manifest.source.checkpoint, result.saved_model_dir)
        return {
            "model_name": manifest.model_name,
            "saved_model_dir": str(result.saved_model_dir),
            "model_digest": manifest.model_digest,
            "checkpoint": manifest.source.checkpoint,
            "checkpoint_digest": manifest.source.digest,
            "step": manifest.source.step,
        }

    def _output_dir(self, spec: ModelSpec, context: Context) -> Path:
        if self.output_dir:
            return Path(self.output_dir)
        given = self.model_base_path or (str(spec.release.model_base_path) if spec.release.model_base_path else None)
        ti = context["ti"]
        run = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{ti.dag_id}.{ti.run_id}")
        return Path(self.base_path(given, spec.model_name)) / EXPORTS_DIRECTORY / run


def checkpoint_of_events(context: Context) -> str | None:
    """The newest checkpoint among the asset events that started this run: highest step, then the latest event."""
    events = [event for events in (context.get("triggering_asset_events") or {}).values() for event in events]
    arrived = [_checkpoint_of(event.extra or {}) for event in sorted(events, key=lambda event: event.timestamp)]
    known = [(step, index, path) for index, (path, step) in enumerate(arrived) if path]
    return max(known)[2] if known else None


def _checkpoint_of(extra: dict[str, Any]) -> tuple[str | None, int]:
    """Events of the watcher carry a payload; events posted over REST carry ``checkpoint`` itself."""
    payload = extra.get("payload") if extra.get("from_trigger") else extra
    if not isinstance(payload, dict):
        return None, -1
    step = payload.get("step")
    return payload.get("checkpoint"), step if isinstance(step, int) else -1
