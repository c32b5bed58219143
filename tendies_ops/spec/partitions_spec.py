"""The partitions of a batch: one folder of pictures, one folder of results and one ledger for each key."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from tendies_ops.spec.strict_model import SpecPart
from tendies_ops.spec.templates import variables_in

#: A key is part of paths and addresses, so it begins with a letter or digit and has no separators.
PartitionKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
OnRelease = Annotated[str, StringConstraints(pattern=r"^(nothing|all|newest [1-9]\d*)$")]
Every = Literal["hour", "day", "week", "month"]


class PartitionsSpec(SpecPart):
    """A batch whose `input` and `output` have `{{ partition_key }}` in them, with one run for each key."""

    every: Every | None = Field(
        None,
        description="a partition for each hour (of UTC), day, week or month in the DAG's `timezone` (absent: UTC); it "
        "runs when the time is over. Keys: `2026-06-14T09`, `2026-06-14`, the Monday of the week, `2026-06`",
    )
    keys: tuple[PartitionKey, ...] = Field(
        (), description="a partition for each of these keys, such as customers, instead of `every`"
    )
    start: date | None = Field(None, description="day of the first partition, for `every`")
    without_key: Literal["newest", "fail"] = Field(
        "newest",
        description="what a run without a key means: the newest partition that is over, or an error; with `keys` it is "
        "an error",
    )
    on_release: OnRelease = Field(
        "nothing",
        description="partitions to process again after a release, newest first: `nothing`, `newest N` or `all`; takes "
        "the place of `airflow.on_release`",
    )

    @model_validator(mode="after")
    def _has_one_kind_of_key(self) -> PartitionsSpec:
        if (self.every is None) == (not self.keys):
            raise ValueError("partitions have either `every` (hour, day, week or month) or a list of `keys`: give one")
        if self.every is not None and self.start is None:
            raise ValueError("partitions with `every` need a `start`, the day of the first one, such as 2026-06-01")
        return self

    @property
    def again_on_release(self) -> int:
        """Return how many partitions a release processes again, at most."""
        _, _, count = self.on_release.partition("newest ")
        return int(count) if count else 10**9 if self.on_release == "all" else 0


def require_partitioned_folders(folders: dict[str, str | None]) -> tuple[str, str] | None:
    """Return the name of a folder that cannot be one of partitions, and why not; None if all can."""
    for name, folder in folders.items():
        used = variables_in(folder or "")
        if "partition_key" not in used:
            return name, "must have `{{ partition_key }}` in it, so that each partition has a folder of its own"
        if used != {"partition_key"}:
            more = min(used - {"partition_key"})
            return name, f"may use no other name than `partition_key`, so that pages find it; found `{more}`"
    return None
