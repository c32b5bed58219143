"""What all operators do alike."""

from __future__ import annotations

import inspect
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, ExceptionRetryPolicy, RetryAction

from tendies_ops import errors
from tendies_ops.errors import StoppedError, TendiesError, UsageError
from tendies_ops.hooks.retry_policy import RETRY_POLICY
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.export import ExportSavedModelOperator, remove_old_exports
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.review import ApproveReleaseOperator, ReviewModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.operators.shards import BatchShardOperator, batch_inference_group
from tendies_ops.operators.tendies_operator import TendiesOperator
from tendies_ops.operators.tidy import TidyOperator
from tendies_ops.sensors.model_version import ModelVersionSensor
from tendies_ops.stop_flag import StopFlag

OPERATORS: list[type[BaseOperator]] = [
    ExportSavedModelOperator,
    ReviewModelVersionOperator,
    ReleaseModelVersionOperator,
    RollbackModelVersionOperator,
    BatchInferenceOperator,
    TidyOperator,
    ModelVersionSensor,
]


def own_arguments(operator: type[BaseOperator]) -> list[inspect.Parameter]:
    """The arguments that the operator and our base add to Airflow's."""
    found: dict[str, inspect.Parameter] = {}
    for cls in reversed(operator.__mro__):
        if cls.__module__.startswith("tendies_ops.") and "__init__" in vars(cls):
            found |= inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    return [parameter for name, parameter in found.items() if name not in ("self", "kwargs")]


@pytest.mark.parametrize("operator", OPERATORS)
def test_arguments_go_by_keyword(operator: type[BaseOperator]) -> None:
    assert {parameter.kind for parameter in own_arguments(operator)} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_text_argument_is_a_template_field(operator: type[BaseOperator]) -> None:
    texts = {p.name for p in own_arguments(operator) if "str" in str(p.annotation)}

    assert texts <= set(operator.template_fields)


@pytest.mark.parametrize("error", errors.all_errors(), ids=lambda error: error.__name__)
def test_what_a_retry_can_fix_is_retried_and_the_rest_fails_at_once(error: type[TendiesError]) -> None:
    decision = RETRY_POLICY.evaluate(error("x"), try_number=1, max_tries=3)

    assert decision.action == (RetryAction.RETRY if error.retryable else RetryAction.FAIL)


def test_an_error_that_is_not_ours_is_left_to_the_task_s_retries() -> None:
    assert RETRY_POLICY.evaluate(MemoryError(), try_number=1, max_tries=3).action == RetryAction.DEFAULT


NEEDED: dict[type[BaseOperator], dict[str, Any]] = {
    ExportSavedModelOperator: {"spec": "s"},
    ReviewModelVersionOperator: {"saved_model_dir": "d"},
    ReleaseModelVersionOperator: {"saved_model_dir": "d"},
    RollbackModelVersionOperator: {"model_name": "m"},
    BatchInferenceOperator: {"input_path": "i", "output_path": "o", "model_name": "m"},
    BatchShardOperator: {"input_path": "i", "output_path": "o", "model_name": "m"},
    ModelVersionSensor: {"model_name": "m", "version": 1},
    ApproveReleaseOperator: {"saved_model_dir": "d", "subject": "Release?"},
}
#: operator -> an argument that is mapped over, with its value in the first task
MAPPED: dict[type[BaseOperator], dict[str, Any]] = {
    BatchShardOperator: {"shard": {"index": 0, "count": 1, "slots": 1, "version": 1}},
    ModelVersionSensor: {"servers": "http://a"},
    ApproveReleaseOperator: {"model_base_path": "b"},
}


def plain_and_mapped(operator: Any, **arguments: Any) -> tuple[Any, Any]:
    """A task, and the first of a mapped one, made with the same arguments."""
    mapped_over = MAPPED.get(operator, {"model_base_path": "b"})
    with DAG("plain_and_mapped"):
        plain = operator(task_id="plain", **NEEDED[operator], **mapped_over, **arguments)
        lists = {name: [value] for name, value in mapped_over.items()}
        mapped = operator.partial(task_id="mapped", **NEEDED[operator], **arguments).expand(**lists)
    assert mapped.retry_policy is plain.retry_policy, "the scheduler and the worker see one policy"
    return plain, mapped.unmap(mapped_over)


@pytest.mark.parametrize("operator", NEEDED)
def test_plain_and_mapped_tasks_have_the_same_retry_policy(operator: Any) -> None:
    plain, mapped = plain_and_mapped(operator)

    assert plain.retry_policy is RETRY_POLICY
    assert mapped.retry_policy is RETRY_POLICY


@pytest.mark.parametrize("operator", NEEDED)
def test_the_retry_policy_of_a_task_can_be_another(operator: Any) -> None:
    plain, mapped = plain_and_mapped(operator, retry_policy=None)

    assert (plain.retry_policy, mapped.retry_policy) == (None, None)


def test_a_dag_s_default_arguments_choose_the_retry_policy_of_all_its_tasks() -> None:
    other = ExceptionRetryPolicy(rules=[])
    with DAG("own_policy", default_args={"retry_policy": other}):
        batch_inference_group(input_path="i", output_path="o", model_name="m")
        plain = BatchInferenceOperator(task_id="plain", input_path="i", output_path="o", model_name="m")

    group: Any = plain.dag
    assert {task.retry_policy for task in group.tasks} == {other}


@pytest.mark.parametrize("operator", NEEDED)
def test_a_mapped_task_has_every_default_of_a_plain_one(operator: Any) -> None:
    """``.partial()`` fills in Airflow's defaults before ``__init__`` has a say."""
    plain, mapped = plain_and_mapped(operator)
    differing = {
        name
        for name in vars(plain)
        if not name.startswith("_") and name not in {"task_id", "start_from_trigger", "task_group"}
        if getattr(plain, name) != getattr(mapped, name, "missing")
    }

    assert differing == set()


class _Deaf(TendiesOperator):
    """Goes on to its end whatever it is told, as Airflow lets it."""

    def run(self, context: Any, cancelled: threading.Event) -> str:
        self.on_kill()
        assert cancelled.is_set()
        return "everything is done"


def test_a_task_that_was_asked_to_stop_never_succeeds() -> None:
    with pytest.raises(StoppedError, match="was killed"):
        _Deaf(task_id="deaf").execute({})


def test_a_kill_before_and_after_the_work_does_no_harm() -> None:
    task = _Deaf(task_id="idle")

    task.on_kill()


def test_old_exports_go_and_what_vanishes_in_the_meantime_is_not_an_error(tmp_path: Path) -> None:
    for number in range(5):
        export = tmp_path / f"run_{number}"
        export.mkdir()
        os.utime(export, (number, number))
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")  # as when it vanishes after the folder was listed

    remove_old_exports(tmp_path, keep=2, leave_out=tmp_path / "run_0")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["gone", "run_0", "run_3", "run_4"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ExportSavedModelOperator(task_id="t", spec="s", timeout_s=0), "timeout_s of task t must be above 0"),
        (
            lambda: BatchInferenceOperator(
                task_id="t", input_path="i", output_path="o", model_name="m", max_batch_size=0
            ),
            "Task t: `max_batch_size`: must be greater than 0",
        ),
        (lambda: ModelVersionSensor(task_id="t", model_name="m"), "either `version` or `newer_than`"),
        (lambda: ModelVersionSensor(task_id="t", model_name="m", version=1, newer_than=2), "either"),
    ],
)
def test_wrong_literals_are_reported_when_the_dag_is_parsed(make: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()


def test_a_handler_may_set_the_flag_while_its_own_thread_waits_on_it() -> None:
    """With a plain event this hangs once in some thousand kills."""
    flag = StopFlag()
    before = signal.signal(signal.SIGALRM, lambda *_: flag.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        started_s = time.monotonic()

        assert flag.wait(5.0)
        assert time.monotonic() - started_s < 2.0
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_wait_on_the_flag_ends_in_time() -> None:
    flag = StopFlag()

    assert not flag.wait(0.01)
    flag.set()
    assert flag.is_set()
    assert flag.wait()
    flag.clear()
    assert not flag.is_set()


def test_the_flag_is_set_even_while_its_lock_is_held() -> None:
    flag = StopFlag()

    with flag._cond:  # type: ignore[attr-defined]  # where a plain event's set() would wait for ever
        flag.set()

    assert flag.is_set()
