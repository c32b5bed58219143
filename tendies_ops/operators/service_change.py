"""What a release and a rollback do alike: change what serves, and tell everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import TendiesError
from tendies_ops.operators.assets import announce, remember_deployed
from tendies_ops.operators.lineage import lineage_of_release
from tendies_ops.operators.metrics import count_failed_release, count_release
from tendies_ops.operators.task_settings import given_settings, takes_settings
from tendies_ops.operators.tendies_operator import TendiesOperator
from tendies_ops.spec import ReleaseSettings, ReleaseSpec

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tendies_ops.release import ReleaseReport


class ServiceChangeOperator(TendiesOperator):
    """
    Base of the operators after which another version serves, or that try one which will.

    :param model_base_path: directory that Model Server watches; else the connection's. (templated)
    :param options: the terms of a release, such as a spec's ``release`` section.

    Each setting of a release (``tolerance``, ``min_ssim``, ...) is a named argument as well and overrides ``options``.
    """

    @takes_settings(ReleaseSettings)
    def __init__(
        self, *, model_base_path: str | None = None, options: ReleaseSpec | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model_base_path = model_base_path
        self.options = options

    def terms(self) -> ReleaseSpec:
        """Return the terms of the release: ``options`` with the settings that are arguments of their own."""
        return (self.options or ReleaseSpec()).changed(given_settings(self, ReleaseSettings))

    def change_service(
        self, context: Context, model_name: str, change: Callable[..., ReleaseReport], /, *, note: str, **how: Any
    ) -> dict[str, Any]:
        """
        Carry the change out, and tell the asset's followers, the metrics and the lineage what serves now.

        :param change: ``release_model`` or ``rollback_model``, called with base path, servers and ``how``.
        :param note: why; goes with the summary.
        :return: the summary.
        """
        server = self.model_server()
        with self._counting_failures(model_name):
            report = change(
                Path(self.base_path(self.model_base_path, model_name)),
                server.servers,
                on_step=self.log.info,
                headers=server.headers,
                verify=server.verify,
                **how,
            )
        summary = {**report.summary(), "note": note}
        self.keep_record("The asset event", lambda: announce(context, self.outlets, "model", summary))
        self.keep_record("The deployed version", lambda: remember_deployed(context, self.outlets, summary))
        self.keep_record("The metrics", lambda: count_release(summary))
        self.keep_record("The lineage", lambda: self.set_lineage(lineage_of_release(summary)))
        return summary

    @contextmanager
    def _counting_failures(self, model_name: str) -> Iterator[None]:
        try:
            yield
        except TendiesError as error:
            failure = error
            self.keep_record("The metrics", lambda: count_failed_release(model_name, failure))
            raise
