"""Run a folder of pictures through the served model."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from tendies_ops.errors import BatchError, LockHeldError, UsageError
from tendies_ops.files import digest_bytes
from tendies_ops.operators.assets import announce
from tendies_ops.operators.lineage import lineage_of_batch
from tendies_ops.operators.metrics import count_batch, count_red_batch
from tendies_ops.operators.progress_store import ProgressStore
from tendies_ops.operators.task_settings import given_settings, takes_settings
from tendies_ops.operators.tendies_operator import TendiesOperator
from tendies_ops.operators.who import what_started
from tendies_ops.publish.history import read_history
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.spans import span
from tendies_ops.spec import BatchSettings

if TYPE_CHECKING:
    from tendies_ops.inference import BatchOptions, BatchProgress, BatchReport

#: Seconds between two tries of a run whose partition another run is writing.
WAIT_S = 30


class BatchOperator(TendiesOperator):
    """
    Take the settings of a batch: base of the operators that run one, or a part of one.

    :param input_path: folder or fsspec URL of the pictures. (templated)
    :param output_path: folder or fsspec URL of the results, the ledger and the reports. (templated)
    :param allowed_inputs: folders and URLs that the rendered ``input_path`` must be in; None: any. Give it when a run
        may choose the input, such as ``"{{ params.input }}"``. (templated)
    :param allowed_outputs: the same for ``output_path``. (templated)
    :param partition_key: key of the partition that the folders are of; the asset event has it, and a run that meets
        another one in its output waits for that. (templated)
    :param model_name: model to use. (templated)
    :param model_base_path: directory that Model Server watches, where the worker sees it: names the model's digest and
        keeps the version from being pruned; else the connection's. (templated)
    :param options: fields of ``tendies_ops.inference.BatchOptions`` by name; named arguments override them. (templated)

    Each setting of :class:`BatchSettings` is a named argument as well, and templated. If it is not given, the
    connection's (``timeout_s``, login and TLS) or the default applies.
    """

    template_fields: Sequence[str] = (
        "input_path",
        "output_path",
        "allowed_inputs",
        "allowed_outputs",
        "partition_key",
        "model_name",
        "model_base_path",
        "options",
        "model_server_conn_id",
        "servers",
        *BatchSettings.model_fields,
    )
    ui_color = "#eaf0fb"

    @takes_settings(BatchSettings)
    def __init__(
        self,
        *,
        input_path: str,
        output_path: str,
        model_name: str,
        model_base_path: str | None = None,
        options: Mapping[str, Any] | None = None,
        allowed_inputs: Sequence[str] | None = None,
        allowed_outputs: Sequence[str] | None = None,
        partition_key: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_path = input_path
        self.output_path = output_path
        self.model_name = model_name
        self.model_base_path = model_base_path
        self.options = options
        self.allowed_inputs = allowed_inputs
        self.allowed_outputs = allowed_outputs
        self.partition_key = partition_key
        self._seen: BatchProgress | None = None  # of the run, for the lineage of one that does not come to its end

    def execute(self, context: Context) -> Any:
        """Run the work; a failure is counted, whatever it is."""
        try:
            return super().execute(context)
        except AirflowSkipException:
            raise
        except Exception as error:
            if isinstance(error, LockHeldError) and self.partition_key:
                self._wait(f"Partition {self.partition_key}: {error}")
            failure = error
            self.keep_record("The metrics", lambda: count_red_batch(self.model_name, self.task_id, failure))
            if self._lineage is None:
                self.keep_record("The lineage", lambda: self.set_lineage(lineage_of_batch(self._known())))
            raise

    def _known(self) -> dict[str, Any]:
        """Return what is known of a run that did not come to its end, as far as a summary has it."""
        places = {"model_name": self.model_name, "input": self.input_path, "output": self.output_path}
        counts = {} if self._seen is None else {**self._seen.as_dict(), "ok": False}
        return {**counts, **places, "partition_key": self.partition_key}

    def execute_after_wait(self, context: Context, event: object) -> Any:
        """Run the work after another run of the partition had time to end."""
        return self.execute(context)

    def _wait(self, why: str) -> NoReturn:
        """Wait without a worker slot; the try is not counted."""
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.log.info("%s This run tries again in %d s.", why, WAIT_S)
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=WAIT_S)), method_name="execute_after_wait")
        raise AssertionError("a deferred task goes on in execute_after_wait")

    def run_batch(self, context: Context, options: BatchOptions, cancelled: threading.Event) -> BatchReport:
        """Run a batch or a shard, with its progress kept for the pages."""
        from tendies_ops.inference import run_batch

        progress = ProgressStore(context, fingerprint=_fingerprint(options), say=self.log.info)

        def see(now: BatchProgress) -> None:
            self._seen = now
            progress.record(now)

        with (
            contextlib.closing(progress),
            span("tendies.batch", model=self.model_name, partition_key=self.partition_key or None) as seen,
        ):
            report = run_batch(options, cancelled=cancelled, on_progress=see, on_note=self.log.info)
            if seen is not None:
                counts = {name: getattr(report, name) for name in ("version", "done", "skipped", "failed", "requests")}
                seen.set_attributes({f"tendies.{name}": count for name, count in counts.items()})
            return report

    def record_end(self, context: Context, summary: dict[str, Any], *, ok: bool | None) -> dict[str, Any]:
        """
        Record the end of a run in the asset's event, the metrics and the lineage.

        :raises BatchError: too many pictures failed.
        """
        if self.partition_key:
            summary = {**summary, "partition_key": self.partition_key}
        self.keep_record("The asset event", lambda: announce(context, self.outlets, "batch", summary))
        self.keep_record("The metrics", lambda: count_batch(summary, green=ok is not False))
        self.keep_record("The lineage", lambda: self.set_lineage(lineage_of_batch(summary)))
        self.log.info(describe_outcome(summary))
        if ok is False:
            raise BatchError(describe_failure(summary))
        return summary

    def released_options(self, context: Context) -> BatchOptions:
        """
        Build the options of a run that begins, unless there is nothing that it could use yet.

        :raises AirflowSkipException: the schedule has started it before the first release of the model.
        """
        options = self.batch_options(run_name(context), what_started(context))
        base = Path(options.model_base_path or "")
        is_scheduled = getattr(context.get("dag_run"), "run_type", "") == "scheduled"
        if (
            is_scheduled
            and options.model_base_path
            and base.is_dir()
            and not (list_version_dirs(base) or read_history(base))
        ):
            raise AirflowSkipException(
                f"No version of {self.model_name} was released yet, so no picture was processed."
            )
        return options

    def batch_options(self, run_id: str, started_by: str = "") -> BatchOptions:
        """
        Build the options of the run.

        :raises UsageError: a value is invalid after its template was rendered.
        """
        from tendies_ops.inference import BatchOptions

        if not (self.input_path and self.output_path):
            raise UsageError(f"Task {self.task_id} needs an input and an output folder. Give both when triggering.")
        server = self.model_server()
        return BatchOptions(
            **{
                "timeout_s": server.timeout_s,
                "model_base_path": self.model_base_path or server.base_path_of(self.model_name),
                **(self.options or {}),
                **given_settings(self, BatchSettings),
                "input": _require_allowed("input", self.input_path, self.allowed_inputs),
                "output": _require_allowed("output", self.output_path, self.allowed_outputs),
                "model_name": self.model_name,
                "servers": server.servers,
                "run_id": run_id,
                "started_by": started_by,
                "credentials": server.credentials,
            }
        )


class BatchInferenceOperator(BatchOperator):
    """
    Run a folder of pictures through one pinned version; only new or changed pictures are processed.

    Returns (XCom) the run's summary: counts, rate, version, digest, failures by reason, paths of the reports. The same
    goes to the asset event of each ``tendies://batch/`` outlet. The arguments are those of :class:`BatchOperator`.
    """

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Run the batch, and return its summary."""
        report = self.run_batch(context, self.released_options(context), cancelled)
        return self.record_end(context, report.summary(), ok=report.ok)


def _require_allowed(name: Literal["input", "output"], place: str, roots: Sequence[str] | None) -> str:
    from tendies_ops.files.allowed_roots import require_below
    from tendies_ops.spec.roots import INPUTS_VARIABLE, OUTPUTS_VARIABLE, remedy

    variable = INPUTS_VARIABLE if name == "input" else OUTPUTS_VARIABLE
    how = remedy(f"batch.allowed_{name}s", variable)
    return place if roots is None else require_below(place, roots, name=f"The {name} of this run", remedy=how)


def run_name(context: Context) -> str:
    """Return ``<dag id>.<run id>.<task id>[.<map index>].<try>``, by which pages find the batch run of a task."""
    ti = context["ti"]
    shard = [] if ti.map_index is None or ti.map_index < 0 else [str(ti.map_index)]
    parts = [ti.dag_id, ti.run_id, ti.task_id, *shard, str(ti.try_number)]
    name = re.sub(r"[^A-Za-z0-9_.:+=@-]", "_", ".".join(parts))
    return name if len(name) <= 200 else f"{name[:120]}.{digest_bytes(name.encode())[7:23]}"


def _fingerprint(options: BatchOptions) -> str:
    parts = (options.input, options.output, options.model_name, str(options.version), options.digest)
    return digest_bytes("\n".join(parts).encode())


def describe_outcome(summary: Mapping[str, Any]) -> str:
    """Return one line with the outcome of a run."""
    allowed = summary.get("failures_allowed")
    may_fail = "" if allowed is None else f" (up to {allowed} may)"
    return (
        f"{summary['done']} done, {summary['skipped']} skipped, {summary['failed']} failed{may_fail} of "
        f"{summary['total']} pictures in {summary['elapsed_s']:.1f} s ({summary['images_per_second']:.1f} a second), "
        f"{summary['model_name']} version {summary['version']}."
    )


def describe_failure(summary: Mapping[str, Any]) -> str:
    """Return why a batch that ran to its end failed, in one paragraph."""
    from tendies_ops.inference import describe_failures

    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["failures_by_kind"].items())
    where = summary["paths"].get("report", summary["output"])
    if not summary["total"]:
        return f"There is no picture in {summary['input']}. Set allow_empty if that is as it should be."
    return (
        f"The batch over {summary['input']} failed: {describe_failures(summary)} Reasons: {kinds}. "
        f"{summary['done']} were done, {summary['skipped']} were done before. Each failed picture is listed in {where}."
    )
