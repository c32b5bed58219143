"""The settings of a DAG and of its tasks, in Airflow's own terms."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
)

from tendies_ops.spec.cron import require_cron
from tendies_ops.spec.hours import require_timezone
from tendies_ops.spec.login_settings import LoginInAddressError
from tendies_ops.spec.strict_model import SpecPart
from tendies_ops.spec.templates import is_template

_SECRET = re.compile(r"(?:.*[_-])?(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)", re.I)
Settings = TypeVar("Settings", bound="DagSettings")


def _require_no_secret(value: Any) -> Any:
    """Refuse a password or token at any depth of a mapping: a DAG and its settings can be read by many."""
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        if isinstance(part, str) and not is_template(part) and _SECRET.fullmatch(str(name)):
            raise LoginInAddressError(
                f"`{name}` is a secret, which does not belong in a spec: keep it in an Airflow connection, and give "
                "the id of the connection or a template such as {{ conn.NAME.password }}"
            )
        _require_no_secret(part)
    return value


def _require_cron(text: str | None) -> str | None:
    if text:
        require_cron(text)
    return text


def _listed(value: Any) -> Any:
    """Accept one call, or only the path of one, for a list of calls."""
    calls = value if isinstance(value, list | tuple) else [value]
    return [{"call": call} if isinstance(call, str) else call for call in calls]


Cron = Annotated[str, AfterValidator(_require_cron)]
TimeZone = Annotated[str, AfterValidator(require_timezone)]
#: Airflow refuses longer ones, and the whole DAG file with them.
Tag = Annotated[str, StringConstraints(max_length=100)]
ImportPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]
OpenMapping = Annotated[dict[str, JsonValue], AfterValidator(_require_no_secret)]


class CallSpec(SpecPart):
    """A notifier's class, constructed with the arguments, or a function, called with them and the context."""

    call: ImportPath = Field(description="import path of a notifier or function, `package.module.Name`")
    arguments: OpenMapping = Field(
        default_factory=dict, description="its keyword arguments; a notifier renders Jinja in those that it templates"
    )


class LateSpec(CallSpec):
    """A call if a run has not ended in time."""

    after_s: PositiveFloat = Field(description="seconds from when a run was queued until it counts as late")


Calls = Annotated[tuple[CallSpec, ...], BeforeValidator(_listed)]


class NotifySpec(SpecPart):
    """Notifiers and functions to call on events of a DAG."""

    on_failure: Calls = Field((), description="a run failed")
    on_success: Calls = Field((), description="a run succeeded")
    on_retry: Calls = Field((), description="a try of a task failed, and it will be retried")
    on_approval: Calls = Field((), description="a release waits for approval; notifiers only")
    on_late: LateSpec | None = Field(None, description="a run has not ended in time; called once, in the triggerer")


class DagSettings(SpecPart):
    """Settings of a DAG and of the tasks in it."""

    owner: str = Field("tendies", description="owner of the tasks")
    tags: tuple[Tag, ...] = Field((), description="tags in addition to `tendies`")
    description: str = Field("", description="text on the DAG's page; absent: the spec's description")
    display_name: str | None = Field(None, description="name of the DAG in the UI; absent: its id")
    server_conn_id: str = Field("tf_serving_default", description="connection of type `tf_serving`")
    retries: NonNegativeInt = Field(2, description="retries of each task")
    retry_delay_s: PositiveFloat = Field(30.0, description="seconds before a retry")
    retry_exponential_backoff: NonNegativeFloat = Field(
        0.0, description="factor by which the delay grows with each retry; 0: not at all"
    )
    max_retry_delay_s: PositiveFloat | None = Field(None, description="longest delay before a retry in seconds")
    execution_timeout_s: PositiveFloat | None = Field(None, description="seconds after which a task is stopped")
    queue: str | None = Field(None, description="queue of the tasks, for executors that have queues")
    pool: str | None = Field(None, description="Airflow pool of the tasks; it has to exist")
    pool_slots: PositiveInt = Field(1, description="slots that each task takes in the pool")
    priority_weight: int | None = Field(
        None,
        description="absolute priority of the tasks in the scheduler; absent: rollback 10000, release 1000, batch 1",
    )
    executor: str | None = Field(None, description="executor of the tasks, if Airflow has several")
    executor_config: OpenMapping = Field(
        default_factory=dict, description="settings for the executor, such as `pod_template_file` for Kubernetes"
    )
    default_args: OpenMapping = Field(
        default_factory=dict, description="further arguments of Airflow's BaseOperator for each task"
    )
    timezone: TimeZone | None = Field(
        None, description="time zone of the schedule and of `start_date`, such as Europe/Berlin; absent: Airflow's own"
    )
    start_date: datetime | None = Field(None, description="earliest scheduled time")
    end_date: datetime | None = Field(None, description="latest scheduled time")
    catchup: bool = Field(False, description="make up for scheduled runs that were missed since `start_date`")
    max_active_runs: PositiveInt = Field(1, description="runs of the DAG at the same time")
    max_active_tasks: PositiveInt | None = Field(None, description="tasks of a run at the same time")
    max_consecutive_failed_runs: NonNegativeInt = Field(
        0, description="pause the DAG after this many failed runs in a row; 0: never"
    )
    run_timeout_s: PositiveFloat | None = Field(None, description="seconds after which a run fails")
    is_paused_upon_creation: bool | None = Field(
        None, description="a new DAG waits until it is unpaused; absent: as Airflow is configured"
    )
    owner_links: dict[str, str] = Field(default_factory=dict, description="owner -> link on the DAG's page")
    access_control: dict[str, dict[str, list[str]]] | None = Field(
        None, description="role -> resource -> actions, for auth managers that know roles for a DAG"
    )
    notify: NotifySpec = Field(NotifySpec(), description="notifiers and callbacks")

    def changed_by(self: Settings, other: DagSettings, *, leave_out: Collection[str] = ()) -> Settings:
        """Return these settings with those that ``other`` was given; both may be of different classes."""
        given = other.model_fields_set.difference(leave_out)
        names = [name for name in type(self).model_fields if name in given]
        return self.model_copy(update={name: getattr(other, name) for name in names})


class BatchDagSettings(DagSettings):
    """Settings of a batch's DAG."""

    cron: Cron | None = Field(None, description="cron expression in `timezone`, in addition to the events below")
    on_release: bool = Field(True, description="run when another version of the model has been released")
    watch_input: bool = Field(
        False,
        description="run when pictures arrive in `input` (or above its first Jinja), which the triggerer must see",
    )
    watch_interval_s: PositiveFloat = Field(30.0, description="seconds between two polls of the input")
    watch_quiet_s: NonNegativeFloat = Field(
        20.0, description="seconds without a change after which a picture is whole; 0: files are renamed into place"
    )
    watch_every_s: NonNegativeFloat = Field(60.0, description="shortest time between two runs for new pictures")
    params: OpenMapping = Field(
        default_factory=dict,
        description="further fields of the form, for templates such as `{{ params.customer }}`: name -> default, or a "
        "JSON schema with `default`",
    )
    shards: PositiveInt = Field(
        1, description="split a batch into tasks, up to this many of which run at a time, on any worker"
    )
    pictures_per_shard: PositiveInt = Field(500, description="do not split fewer pictures than this")
    mib_per_shard: PositiveFloat = Field(512.0, description="do not split fewer MiB than this")
