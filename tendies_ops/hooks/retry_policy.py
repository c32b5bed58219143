"""The errors after which Airflow retries a task: those that can pass with time, for plain and mapped tasks."""

from __future__ import annotations

from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.definitions.mappedoperator import OperatorPartial

from tendies_ops import errors


def _retryable_error_names() -> list[type[BaseException] | str]:
    return [f"{error.__module__}.{error.__qualname__}" for error in errors.all_errors() if error.retryable]


#: :attr:`TendiesError.retryable` decides. A retryable error is retried as often as the task's ``retries`` allow, every
#: other error of tendies fails the task at once, and errors of other libraries follow ``retries``.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=_retryable_error_names(), reason="this can pass with time"),
        RetryRule(
            exception="tendies_ops.errors.TendiesError",
            action=RetryAction.FAIL,
            reason="a retry cannot help",
        ),
    ]
)


class RetriesTransientErrors:
    """
    Mixin of operators and sensors whose ``__init__`` has ``retry_policy=RETRY_POLICY`` in its signature.

    ``.partial()`` fills in Airflow's own defaults before any ``__init__`` runs. Airflow 3.3.2 looks for defaults in the
    signatures of an operator's classes; earlier ones do not.
    """

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Begin a mapped task, with the policy of a plain one."""
        made: OperatorPartial = super().partial(**kwargs)  # type: ignore[misc]  # of the operator that this is mixed into
        if "retry_policy" not in kwargs and made.kwargs.get("retry_policy") is None:
            made.kwargs["retry_policy"] = RETRY_POLICY
        return made
