"""The base of the operators that take an exported candidate: the review and the release."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tendies_ops.graphs import require_computing_model
from tendies_ops.operators.failed_release import with_failure_recorded
from tendies_ops.operators.task_settings import takes_settings
from tendies_ops.operators.tendies_operator import TendiesOperator
from tendies_ops.spec import ReleaseSettings, ReleaseSpec


class CandidateOperator(TendiesOperator):
    """
    Take a candidate and the terms of its release.

    :param saved_model_dir: the output of ExportSavedModelOperator. (templated)
    :param model_base_path: directory that Model Server watches; else the connection's. (templated)
    :param rehearse: serve the candidate in a child process and prove it there before anything becomes visible; needs
        TensorFlow and about ten seconds.
    :param python: interpreter that has TensorFlow, for the rehearsal; default this one. (templated)
    :param allow_operations: operations that the graph may have although they do more than compute. (templated)
    :param note: why it was made. (templated)
    :param options: the terms of a release, such as a spec's ``release`` section.

    Each setting of a release (``tolerance``, ``min_ssim``, ...) is a named argument as well and overrides ``options``.
    """

    template_fields: Sequence[str] = (
        "saved_model_dir",
        "model_base_path",
        "python",
        "allow_operations",
        "note",
        "model_server_conn_id",
        "servers",
    )

    @takes_settings(ReleaseSettings)
    def __init__(  # keyword-only arguments of a task
        self,
        *,
        saved_model_dir: str,
        model_base_path: str | None = None,
        rehearse: bool = True,
        python: str | None = None,
        allow_operations: Sequence[str] = (),
        note: str = "",
        options: ReleaseSpec | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**with_failure_recorded(kwargs))
        self.saved_model_dir = saved_model_dir
        self.model_base_path = model_base_path
        self.rehearse = rehearse
        self.python = python
        self.allow_operations = allow_operations
        self.note = note
        self.options = options

    def check_of_candidate(self, options: ReleaseSpec, cancelled: threading.Event) -> Callable[[Path], None]:
        """
        Return the check of a SavedModel before any server loads it.

        It inspects the operations of the graph and, if a rehearsal is wanted, serves the model in a child process.
        """
        from tendies_ops.release import rehearse

        allowed = tuple(self.allow_operations)
        if not self.rehearse:
            return partial(require_computing_model, allowed=allowed)
        python = self.python or None
        return partial(rehearse, allowed=allowed, tolerance=options.tolerance, python=python, cancelled=cancelled)
