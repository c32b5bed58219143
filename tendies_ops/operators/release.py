from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.sdk import Context

from tendies_ops.operators.candidate import CandidateOperator
from tendies_ops.operators.service_change import change_service, terms_of
from tendies_ops.operators.who import who_triggered
from tendies_ops.spec import Manifest, ReleaseSpec, read_manifest
from tendies_ops.triggers.leases_end import LeasesEndTrigger
from tendies_ops.triggers.version_serves import FIRST_LOOK_AFTER_S


class ReleaseModelVersionOperator(CandidateOperator):
    """
    Release an exported SavedModel: every replica serves it and is proved, or the previous version serves.

    Returns (XCom) the release's summary: ``model_name``, ``version``, ``previous_version``, ``model_digest``,
    ``state``, ``servers``, ``seconds_to_available``. The same goes to the event of each ``tendies://model/`` outlet.

    The other arguments are those of :class:`CandidateOperator`.

    :param approved_by: who has reviewed the pictures, if the gate asks for a review. (templated)
    :param deferrable: wait for batch runs, up to ``options.lease_wait_s``, in the triggerer, without a worker slot. The
        triggerer must see the model base path. Everything after that wait is one transaction on the worker.
        Default: Airflow's ``[operators] default_deferrable``.
    """

    template_fields: Sequence[str] = (*CandidateOperator.template_fields, "approved_by")
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        approved_by: str = "",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.approved_by = approved_by
        self.deferrable = deferrable
        self._runs_end_unix_s: float | None = None  # until when batch runs are waited for

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        """Release the candidate, and return the summary."""
        from tendies_ops.release import release_model

        options = terms_of(self)
        manifest = read_manifest(Path(self.saved_model_dir))
        if self.deferrable:
            options = self._wait_for_runs(options, manifest)
        release = partial(
            release_model,
            Path(self.saved_model_dir),
            options=options,
            check_loads=self.check_of_candidate(options, cancelled),
            approved_by=self.approved_by,
            who=who_triggered(context),
            note=self.note,
            cancelled=cancelled,
        )
        name, base = manifest.model_name, self.model_base_path
        return change_service(self, context, release, model_name=name, model_base_path=base, note=self.note)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Release the candidate after the wait in the triggerer."""
        self._runs_end_unix_s = float(event["deadline_unix_s"])
        summary: dict[str, Any] = self.execute(context)
        return summary

    def _wait_for_runs(self, options: ReleaseSpec, manifest: Manifest) -> ReleaseSpec:
        """
        Hand over to the triggerer while batch runs use the version that serves.

        :return: the options, with what is left of the time to wait.
        """
        from tendies_ops.publish.leases import leases_in_the_way

        base = self.base_path(self.model_base_path, manifest.model_name)
        until_s = self._runs_end_unix_s or time.time() + options.lease_wait_s
        left_s = max(0.0, until_s - time.time())
        by_label = options.model_config_file is not None  # then the version that is in use stays loaded
        if left_s and not by_label and leases_in_the_way(Path(base), manifest.model_digest):
            self.defer(
                trigger=LeasesEndTrigger(
                    model_base_path=base,
                    model_digest=manifest.model_digest,
                    deadline_unix_s=until_s,
                    poll_interval_s=self.model_server().poll_interval_s,
                ),
                method_name="execute_complete",
                # The trigger ends by itself. This is for a triggerer that has stopped.
                timeout=timedelta(seconds=left_s + FIRST_LOOK_AFTER_S + 60),
            )
        return options.model_copy(update={"lease_wait_s": left_s})
