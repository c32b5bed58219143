"""SavedModel directory -> a version that every replica serves."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tendies_ops.operators.base import TendiesOperator
from tendies_ops.operators.service_change import counting_failures, tell_service_change
from tendies_ops.spec import ReleaseSpec, read_manifest

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReleaseModelVersionOperator(TendiesOperator):
    """
    Release an exported SavedModel: every replica serves it and has proved it, or the previous version serves.

    Returns (XCom) the release's summary: ``model_name``, ``version``, ``previous_version``, ``model_digest``,
    ``state``, ``servers``, ``seconds_to_available``. The same goes to the event of each ``tendies://model/`` outlet.

    :param saved_model_dir: what ExportSavedModelOperator made. (templated)
    :param model_base_path: directory that Model Server watches; else the connection's. (templated)
    :param options: how to release: timeouts, tolerance, gate, how many versions to keep.
    :param rehearse: before anything becomes visible, serve the version in a child process and let it prove itself;
        needs TensorFlow, ten seconds or so.
    :param python: interpreter that has TensorFlow, for the rehearsal; default this one. (templated)
    :param approved_by: who has looked at the pictures, where the gate asks for a review. (templated)
    :param note: why; goes with the summary. (templated)
    """

    template_fields: Sequence[str] = (
        "saved_model_dir",
        "model_base_path",
        "python",
        "approved_by",
        "note",
        "model_server_conn_id",
        "servers",
    )
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        saved_model_dir: str,
        model_base_path: str | None = None,
        options: ReleaseSpec | None = None,
        rehearse: bool = True,
        python: str | None = None,
        approved_by: str = "",
        note: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.saved_model_dir = saved_model_dir
        self.model_base_path = model_base_path
        self.options = options
        self.rehearse = rehearse
        self.python = python
        self.approved_by = approved_by
        self.note = note

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Release, and say what serves now."""
        from tendies_ops.release import rehearse, release_model

        options = self.options or ReleaseSpec()
        trial = partial(rehearse, tolerance=options.tolerance, python=self.python or None, cancelled=cancelled)
        model_name = read_manifest(Path(self.saved_model_dir)).model_name
        server = self.model_server()
        with counting_failures(model_name):
            report = release_model(
                Path(self.saved_model_dir),
                Path(self.base_path(self.model_base_path, model_name)),
                server.servers,
                options=options,
                check_loads=trial if self.rehearse else None,
                approved_by=self.approved_by,
                cancelled=cancelled,
                on_step=self.log.info,
                headers=server.headers,
                verify=server.verify,
            )
        return tell_service_change(self, context, {**report.summary(), "note": self.note})
