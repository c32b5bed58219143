"""What a review and a release do alike: take an export that is to serve, and let it prove itself first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tendies_ops.graphs import require_computing_model
from tendies_ops.operators.service_change import ServiceChangeOperator
from tendies_ops.spec import ReleaseSpec


class CandidateOperator(ServiceChangeOperator):
    """
    Base of the operators that try or release an exported SavedModel.

    :param saved_model_dir: what ExportSavedModelOperator made. (templated)
    :param rehearse: before anything becomes visible, serve it in a child process and let it prove itself; needs
        TensorFlow, ten seconds or so.
    :param python: interpreter that has TensorFlow, for the rehearsal; default this one. (templated)
    :param allow_operations: operations that the graph may have although they do more than compute. (templated)
    :param note: why it was made. (templated)
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

    def __init__(
        self,
        *,
        saved_model_dir: str,
        rehearse: bool = True,
        python: str | None = None,
        allow_operations: Sequence[str] = (),
        note: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.saved_model_dir = saved_model_dir
        self.rehearse = rehearse
        self.python = python
        self.allow_operations = allow_operations
        self.note = note

    def rehearsal(self, options: ReleaseSpec, cancelled: threading.Event) -> Callable[[Path], None]:
        """
        Return the check of a SavedModel before anyone else loads it.

        It looks at the operations of the graph, and if a rehearsal is wanted, serves it in a child process.
        """
        from tendies_ops.release import rehearse

        if not self.rehearse:
            return partial(require_computing_model, allowed=tuple(self.allow_operations))
        return partial(
            rehearse,
            allowed=tuple(self.allow_operations),
            tolerance=options.tolerance,
            python=self.python or None,
            cancelled=cancelled,
        )
