"""The options of one batch run: the settings, and the values of this run."""

from __future__ import annotations

import math
import uuid
from datetime import datetime, timezone
from typing import Any

import orjson
from pydantic import Field, InstanceOf, JsonValue, PositiveInt, ValidationError, field_validator

from tendies_ops.credentials import Credentials
from tendies_ops.errors import UsageError
from tendies_ops.files import digest_bytes
from tendies_ops.spec.batch_settings import BatchSettings
from tendies_ops.spec.login_settings import without_login
from tendies_ops.spec.parameters import Values
from tendies_ops.spec.problems import describe_problems

#: Settings that change an output. Pictures that were done with other values are processed again.
DIGESTED = frozenset(
    name
    for name, field in BatchSettings.model_fields.items()
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("changes_output")
)
_WITHOUT_PARAMETERS: dict[str, object] = {"parameters": {}, "parameters_by_path": {}}
_BYTES_PER_MIB = 1 << 20
_DEFAULT_SHARE_OF = 10  # one failed picture in ten is allowed by default
_ROUNDING = 1e-9  # 0.29 * 100 is a little below 29


def new_run_id() -> str:
    """Return a unique id that sorts by time."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"


class BatchOptions(BatchSettings):
    """
    One batch run.

    :raises UsageError: a value makes no sense.
    """

    input: str = Field(description="folder or fsspec URL of the pictures")
    output: str = Field(description="folder or fsspec URL of the results; the tree of `input` is mirrored below it")
    model_name: str = Field(min_length=1, description="the model's name on the servers")
    servers: tuple[str, ...] = Field(
        min_length=1, description="REST base URLs of the replicas, such as http://localhost:8501"
    )
    model_base_path: str | None = Field(
        None, description="the watched directory, where it can be seen: gives the model's digest and holds a lease"
    )
    dry_run: bool = Field(False, description="only count what would be done")
    shard: tuple[int, int] | None = Field(
        None, description="do only the part (index, count) of the pictures, while others do theirs; index from 0"
    )
    shard_slots: PositiveInt | None = Field(
        None, description="how many shards run at a time: of more than that, the later ones are smaller"
    )
    fixed_parameters: Values = Field(
        default_factory=dict, description="values of the model's inputs that no rule or file of the input changes"
    )
    started_by: str = Field("", description="what started the run, for people, such as `By ada` or `On schedule`")
    run_id: str = Field(default_factory=new_run_id, description="name of the run's folder below the output")

    credentials: InstanceOf[Credentials] = Field(
        default_factory=Credentials, repr=False, exclude=True, description="login and TLS where no setting names a file"
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UsageError(f"This batch run cannot start: {describe_problems(error, type(self))}.") from None

    @field_validator("input", "output", "model_base_path")
    @classmethod
    def _has_no_login(cls, place: str | None) -> str | None:
        return without_login(place)

    @field_validator("servers")
    @classmethod
    def _have_no_login(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        return without_login(servers, servers=True)

    @field_validator("shard")
    @classmethod
    def _is_a_shard(cls, shard: tuple[int, int] | None) -> tuple[int, int] | None:
        if shard is not None and not 0 <= shard[0] < shard[1]:
            raise ValueError(f"there is no shard {shard}")
        return shard

    @field_validator("run_id")
    @classmethod
    def _is_a_file_name(cls, run_id: str) -> str:
        if not run_id or "/" in run_id or run_id.startswith("."):
            raise ValueError("must be a file name that does not start with a dot")
        return run_id

    @property
    def run_parameters(self) -> dict[str, JsonValue]:
        """The values that were given for all pictures of the run."""
        return {**self.parameters, **self.fixed_parameters}

    @property
    def own_rate(self) -> float | None:
        """The pictures a second of this run: of a batch in shards, its part; None: no limit."""
        if self.max_rate is None or self.shard is None:
            return self.max_rate
        return self.max_rate / min(self.shard[1], self.shard_slots or self.shard[1])

    @property
    def max_request_pictures(self) -> int:
        """The largest number of pictures in a request: no more than what may be sent in a second."""
        return self.max_batch_size if self.own_rate is None else max(1, min(self.max_batch_size, int(self.own_rate)))

    @property
    def max_request_bytes(self) -> int:
        """The largest number of encoded bytes in a request of several pictures."""
        return int(self.max_request_mib * _BYTES_PER_MIB)

    @property
    def max_bytes_in_flight(self) -> int:
        """The limit on the estimated bytes of pictures that are read and not yet written."""
        return int(self.max_mib_in_flight * _BYTES_PER_MIB)

    @property
    def max_file_bytes(self) -> int:
        """The limit on the bytes of a file."""
        return int(self.max_file_mib * _BYTES_PER_MIB)

    @property
    def digest(self) -> str:
        """The digest of all settings that change an output, except parameters, which are kept for each picture."""
        values = {**self.digested(), **_WITHOUT_PARAMETERS}
        return digest_bytes(orjson.dumps(values, option=orjson.OPT_SORT_KEYS))

    def digested(self) -> dict[str, object]:
        """Return the settings that change an output."""
        return {name: getattr(self, name) for name in DIGESTED}

    def replaced(self, **changes: object) -> BatchOptions:
        """Return the same options with ``changes``."""
        return BatchOptions(**{**dict(self), **changes})

    def failures_allowed(self, total: int) -> int | None:
        """
        Return how many of ``total`` pictures may fail; never all of them.

        None: the run is not judged, because it is a dry run, or a shard, which is judged together with all others.
        """
        if self.shard is not None or self.dry_run:
            return None
        if self.max_failed is None:
            allowed = max(1, total // _DEFAULT_SHARE_OF)
        else:
            allowed = math.floor(_ROUNDING + (self.max_failed * total if self.max_failed < 1 else self.max_failed))
        return min(allowed, max(0, total - 1))

    def is_ok(self, *, failed: int, total: int) -> bool | None:
        """Return True if a finished run succeeds; None if it is not judged."""
        allowed = self.failures_allowed(total)
        if allowed is None:
            return None
        return failed <= allowed if total else self.allow_empty
