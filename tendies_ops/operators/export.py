from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import Context

from tendies_ops.errors import UsageError
from tendies_ops.hooks.connection_arguments import optional
from tendies_ops.operators.arrivals import newest_arrival, remember_taken, skip_if_taken
from tendies_ops.operators.failed_release import with_failure_recorded
from tendies_ops.operators.lineage import lineage_of_export
from tendies_ops.operators.tendies_operator import TendiesOperator
from tendies_ops.publish.layout import list_withdrawn
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.spec import Manifest, ModelSpec, load_spec, read_manifest
from tendies_ops.spec.roots import require_allowed_checkpoint

#: Exports that wait for their release. Model Server ignores names that are not numbers.
EXPORTS_DIRECTORY = ".exports"
_KEEP_EXPORTS = 3  # so that a release can be cleared and run again
_SURELY_DEAD_S = 24 * 3600.0  # longer than any export takes


class ExportSavedModelOperator(TendiesOperator):
    """
    Export a checkpoint as a SavedModel directory with manifest. TensorFlow runs in a child process only.

    In a run that events of the ``tendies://checkpoint/`` asset among the task's inlets have started, the newest
    checkpoint is exported; a run whose checkpoint was exported already is skipped, so many checkpoints at once make
    one release of the newest.

    Returns (XCom) ``model_name``, ``saved_model_dir``, ``model_digest``, ``checkpoint``, ``checkpoint_digest`` and
    ``step``.

    :param spec: path of a model spec, or the spec itself. (templated)
    :param checkpoint: checkpoint instead of the newest event's or the spec's own; like an event's, it must be in one of
        the folders of ``allowed_checkpoints``. (templated)
    :param version: release this kept version of the model again: its directory is copied, and nothing is exported.
        (templated)
    :param output_dir: directory that becomes the SavedModel; default ``<model base path>/.exports/<dag>.<run>``.
        (templated)
    :param model_base_path: parent of the default ``output_dir``; else the spec's or the connection's. (templated)
    :param python: interpreter that has TensorFlow; default this one. (templated)
    :param allowed_checkpoints: folders for ``checkpoint`` and for events; default those of the spec and the deployment
        (``tendies_ops.spec.roots.checkpoint_roots``). (templated)
    :param timeout_s: seconds after which the child process is ended.
    """

    template_fields: Sequence[str] = (
        "spec",
        "checkpoint",
        "version",
        "allowed_checkpoints",
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
        version: int | str | None = None,
        output_dir: str | None = None,
        model_base_path: str | None = None,
        python: str | None = None,
        timeout_s: float = 1800.0,
        allowed_checkpoints: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**with_failure_recorded(kwargs))
        if timeout_s <= 0:
            raise UsageError(f"timeout_s of task {self.task_id} must be above 0 seconds; found {timeout_s}.")
        self.spec = spec
        self.checkpoint = checkpoint
        self.version = version
        self.output_dir = output_dir
        self.model_base_path = model_base_path
        self.python = python
        self.timeout_s = timeout_s
        self.allowed_checkpoints = allowed_checkpoints

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Export the checkpoint, and return a summary."""
        from tendies_ops.export import export_model
        from tendies_ops.export.own_pictures import own_pictures

        spec = self.loaded_spec()
        version = optional(self.version, int)
        if version is not None:
            return self._summary(*self._kept_version(spec, version, context))
        arrived = None if self.checkpoint else newest_arrival(context, self.inlets)
        if arrived is not None:
            skip_if_taken(context, self.inlets, arrived)
        checkpoint = self.checkpoint or (arrived.checkpoint if arrived else None)
        result = export_model(
            spec,
            self._output_dir(spec, context),
            checkpoint=require_allowed_checkpoint(spec, checkpoint, self.allowed_checkpoints) if checkpoint else None,
            python=self.python or None,
            own_pictures=() if self.output_dir else own_pictures(spec, self._base(spec)),
            timeout_s=self.timeout_s,
            cancelled=cancelled,
            on_line=self.log.info,
        )
        if arrived is not None:
            taken = arrived
            self.keep_record("The checkpoint that was exported", lambda: remember_taken(context, self.inlets, taken))
        summary = self._summary(result.saved_model_dir, result.manifest)
        self.keep_record("The lineage", lambda: self.set_lineage(lineage_of_export(summary)))
        return summary

    def loaded_spec(self) -> ModelSpec:
        """Return the spec, read from its file if only the path was given."""
        return self.spec if isinstance(self.spec, ModelSpec) else load_spec(Path(self.spec))

    def _summary(self, saved_model_dir: Path, manifest: Manifest) -> dict[str, Any]:
        source = manifest.source
        self.log.info("Exported %s (step %s) to %s", source.checkpoint, source.step, saved_model_dir)
        return {
            "model_name": manifest.model_name,
            "saved_model_dir": str(saved_model_dir),
            "model_digest": manifest.model_digest,
            "checkpoint": source.checkpoint,
            "checkpoint_digest": source.digest,
            "step": source.step,
        }

    def _kept_version(self, spec: ModelSpec, version: int, context: Context) -> tuple[Path, Manifest]:
        """
        Copy a version that is kept in the model base path to where an export would be.

        :raises UsageError: it is not there, or its manifest cannot be read.
        """
        base = self._base(spec)
        kept = {child.version: child.path for child in list_version_dirs(base)} | list_withdrawn(base)
        if version not in kept:
            raise UsageError(f"Version {version} of {spec.model_name} is not kept in {base}; found {sorted(kept)}.")
        target = self._output_dir(spec, context)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(kept[version], target)
        target.touch()
        self.log.info("Version %s is released again from %s; nothing is exported", version, kept[version])
        return target, read_manifest(target)

    def _base(self, spec: ModelSpec) -> Path:
        given = self.model_base_path or (str(spec.release.model_base_path) if spec.release.model_base_path else None)
        return Path(self.base_path(given, spec.model_name))

    def _output_dir(self, spec: ModelSpec, context: Context) -> Path:
        if self.output_dir:
            return Path(self.output_dir)
        from tendies_ops.publish.layout import ensure_base_path

        exports = ensure_base_path(self._base(spec)) / EXPORTS_DIRECTORY
        ti = context["ti"]
        output_dir = exports / re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{ti.dag_id}.{ti.run_id}")
        remove_old_exports(exports, keep=_KEEP_EXPORTS, leave_out=output_dir)
        return output_dir


def remove_old_exports(exports: Path, *, keep: int, leave_out: Path) -> None:
    """Remove all but the ``keep`` youngest exports, and those that killed exports have left behind."""
    children = [child for child in exports.glob("*") if child != leave_out] if exports.is_dir() else []
    ages_s = {child: age_s for child in children if (age_s := _age_s(child)) is not None}
    whole = sorted((child for child in ages_s if not child.name.startswith(".")), key=lambda child: ages_s[child])
    killed = [child for child in ages_s if child.name.startswith(".") and ages_s[child] > _SURELY_DEAD_S]
    for child in [*killed, *whole[keep:]]:
        shutil.rmtree(child, ignore_errors=True)


def _age_s(path: Path) -> float | None:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None  # another export has renamed or removed it in the meantime
