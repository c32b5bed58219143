"""``@task.tendies_batch`` and ``@task.tendies_release``: a function returns what the task is to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow.sdk import Context
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from tendies_ops.errors import UsageError
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.spec import ReleaseSettings


class _BatchOfFunction(DecoratedOperator, BatchInferenceOperator):
    custom_operator_name = "@task.tendies_batch"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *BatchInferenceOperator.template_fields)

    def __init__(self, *, input_path: str = "", output_path: str = "", model_name: str = "", **kwargs: Any) -> None:
        super().__init__(input_path=input_path, output_path=output_path, model_name=model_name, **kwargs)

    def execute(self, context: Context) -> Any:
        """Run the batch that the function describes."""
        _use_returned(self, BatchInferenceOperator.template_fields)
        return BatchInferenceOperator.execute(self, context)


class _ReleaseOfFunction(DecoratedOperator, ReleaseModelVersionOperator):
    custom_operator_name = "@task.tendies_release"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *ReleaseModelVersionOperator.template_fields)

    def __init__(self, *, saved_model_dir: str = "", **kwargs: Any) -> None:
        super().__init__(saved_model_dir=saved_model_dir, **kwargs)

    def execute(self, context: Context) -> Any:
        """Release what the function names."""
        known = (*ReleaseModelVersionOperator.template_fields, *ReleaseSettings.model_fields)
        _use_returned(self, known)
        return ReleaseModelVersionOperator.execute(self, context)


def tendies_batch_task(python_callable: Callable[..., Any] | None = None, **arguments: Any) -> TaskDecorator:
    """
    Make a task that runs a batch, as ``@task.tendies_batch``.

    :param python_callable: function that returns arguments of BatchInferenceOperator by name, or None.
    :param arguments: those that do not depend on the run, and what every task takes.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_BatchOfFunction, **arguments
    )


def tendies_release_task(python_callable: Callable[..., Any] | None = None, **arguments: Any) -> TaskDecorator:
    """
    Make a task that releases an exported SavedModel, as ``@task.tendies_release``.

    :param python_callable: function that returns arguments of ReleaseModelVersionOperator by name, or None.
    :param arguments: those that do not depend on the run, and what every task takes.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_ReleaseOfFunction, **arguments
    )


def _use_returned(task: DecoratedOperator, known: Sequence[str]) -> None:
    """
    Call the function, and give what it returned to the task.

    :raises UsageError: it returned something that is not an argument.
    """
    returned = task.python_callable(*task.op_args, **task.op_kwargs)
    if not isinstance(returned, Mapping | None):
        raise UsageError(f"{task.task_id} must return a mapping of arguments; found {type(returned).__name__}.")
    for name, value in (returned or {}).items():
        if name not in known:
            nearest = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean `{nearest[0]}`?" if nearest else f"known: {', '.join(known)}"
            raise UsageError(f"{task.task_id} returned `{name}`, which is not an argument of its task; {hint}")
        setattr(task, name, value)
