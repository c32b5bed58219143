"""A folder of pictures through the served model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import BatchError, UsageError
from tendies_ops.hooks.arguments import optional, split_list
from tendies_ops.operators.assets import announce
from tendies_ops.operators.base import TendiesOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tendies_ops.inference import BatchOptions, BatchProgress


class BatchInferenceOperator(TendiesOperator):
    """
    Run a folder of pictures through one pinned version; only what is new or changed is done.

    Returns (XCom) the run's summary: counts, rate, version, digest, failures by reason, where the reports lie. The same
    goes to the asset event of each ``tendies://batch/`` outlet.

    :param input_path: folder or fsspec URL of the pictures. (templated)
    :param output_path: folder or fsspec URL of the results, the ledger and the reports. (templated)
    :param model_name: model to ask. (templated)
    :param version: pin this version; default the one that serves when the run starts. (templated)
    :param include: glob patterns of pictures to take; default all that are pictures. (templated)
    :param exclude: glob patterns of pictures to leave out. (templated)
    :param max_batch_size: most pictures in one request, at least 1.
    :param max_failed: more failed pictures than this make the task red; default any number is allowed. (templated)
    :param allow_empty: an input without pictures is no error.
    """

    template_fields: Sequence[str] = (
        "input_path",
        "output_path",
        "model_name",
        "version",
        "include",
        "exclude",
        "max_failed",
        "model_server_conn_id",
        "servers",
    )
    ui_color = "#eaf0fb"

    def __init__(
        self,
        *,
        input_path: str,
        output_path: str,
        model_name: str,
        version: int | str | None = None,
        include: Sequence[str] | str = (),
        exclude: Sequence[str] | str = (),
        max_batch_size: int = 32,
        max_failed: int | str | None = None,
        allow_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if max_batch_size < 1:
            raise UsageError(f"max_batch_size of task {self.task_id} must be at least 1; found {max_batch_size}.")
        self.input_path = input_path
        self.output_path = output_path
        self.model_name = model_name
        self.version = version
        self.include = include
        self.exclude = exclude
        self.max_batch_size = max_batch_size
        self.max_failed = max_failed
        self.allow_empty = allow_empty

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Run the batch, and say what became of the pictures."""
        from tendies_ops.inference import run_batch

        report = run_batch(
            self._options(),
            cancelled=cancelled,
            on_progress=lambda progress: self._tell_progress(context, progress),
        )
        summary = report.summary()
        announce(context, self.outlets, "batch", summary)
        if not summary["ok"]:
            raise BatchError(f"The batch of {self.input_path} is not as it should be: {summary}")
        return summary

    def _options(self) -> BatchOptions:
        from tendies_ops.inference import BatchOptions

        if not (self.input_path and self.output_path):
            raise UsageError(f"Task {self.task_id} needs an input and an output folder. Give both when triggering.")
        server = self.model_server()
        return BatchOptions(
            input=self.input_path,
            output=self.output_path,
            model_name=self.model_name,
            servers=server.servers,
            version=optional(self.version, int),
            include=split_list(self.include),
            exclude=split_list(self.exclude),
            max_batch_size=self.max_batch_size,
            max_failed=optional(self.max_failed, int),
            allow_empty=self.allow_empty,
        )

    def _tell_progress(self, context: Context, progress: BatchProgress) -> None:
        """Show it on the task's Storage tab, which refreshes while the task runs."""
        context["task_state_store"].set("progress", asdict(progress))
