"""What a batch run is told."""

from __future__ import annotations

import dataclasses
import math
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

import orjson

from tendies_ops.errors import UsageError
from tendies_ops.files import digest_bytes

SizePolicy = Literal["fit", "pad", "crop", "tile"]
OutputFormat = Literal["as_answered", "png", "jpeg", "webp"]

#: In place of a version's number: the highest that is AVAILABLE, also one that a release is still proving.
NEWEST = "newest"
_LABEL = re.compile(r"[^/:\s]+")  # what Model Server's REST paths can name
#: Options that change what an output holds. A picture done under other values of these is done again.
_DIGESTED = (
    "size", "size_policy", "overlap", "restore_size", "class_pixels", "animated", "output_format", "output_quality",
    "min_score", "provenance",
)  # fmt: skip
_ONE_OR_MORE = (
    "max_batch_size",
    "max_request_bytes",
    "max_concurrency",
    "max_bytes_in_flight",
    "max_file_bytes",
    "max_frames",
    "sample",
    "shard_slots",
)
_DEFAULT_SHARE_OF = 10  # one failed picture in so many is allowed by default
_ROUNDING = 1e-9  # 0.29 * 100 is a little below 29
_ABOVE_ZERO = ("max_request_megapixels", "max_megapixels", "timeout_s", "server_timeout_s", "sick_deadline_s")


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """
    One batch run.

    :param input: folder or fsspec URL of the pictures.
    :param output: folder or fsspec URL of the results; the tree of ``input`` is mirrored below it.
    :param servers: REST base URLs of the replicas; each must serve the pinned version.
    :param version: the version to pin: its number, a label that the servers know, or ``newest`` for the highest that is
        AVAILABLE on every server, proved or not; absent: the version in service.
    :param include: globs; only what matches one of them is done. A pattern without ``/`` is held against the name.
    :param exclude: globs; what matches one of them is left out, whole folders too.
    :param max_batch_size: pictures in a request, at most.
    :param max_request_bytes: encoded bytes in a request, at most, unless a single picture is larger.
    :param max_request_megapixels: of one request, at most, unless a single picture is larger.
    :param max_concurrency: requests in flight at a server, at most; the run finds the best number below it.
    :param max_bytes_in_flight: what pictures that were read and not yet written may take, by estimate.
    :param max_failed: more failed pictures than this fail the run: a count, or a share of all pictures when below 1;
        None: a tenth of the pictures, at least one. A run in which every picture failed always fails.
    :param allow_empty: finding no picture at all is green.
    :param size: height and width that a fixed-size model takes; absent: from the manifest, or any size.
    :param size_policy: how pictures of another size are brought to ``size``.
    :param overlap: of tiles, in pixels; absent: a quarter of the shorter side.
    :param restore_size: bring the result of fit, pad and crop back to the size of what was seen by the model.
    :param class_pixels: the model's pictures are numbers of classes, which must not be mixed where sizes are changed or
        tiles meet; absent: from the manifest.
    :param min_score: detections with a lower score are not drawn; the JSON beside the picture has them all.
    :param animated: take the first frame of an animated file, or all of them.
    :param output_quality: of JPEG and WebP, 1 to 100.
    :param provenance: write into each output which model, version, digests and options made it.
    :param model_base_path: the watched directory, where it can be seen: gives the model's digest and holds a lease.
    :param timeout_s: the longest silence of a server that is waited out.
    :param server_timeout_s: the server's own limit for a request (``--rest_api_timeout_in_ms``); requests stay below.
    :param sick_deadline_s: give up when no server has answered for so long.
    :param on_version_gone: what to do when the version goes away that served when the run began: stop, or start over as
        a run with the newest version, which does the pictures of the old one again: results are never of two.
    :param take_over: replace results of another model or input folder that are in the output.
    :param shard: do only the part ``(index, count)`` of the pictures, while others do theirs; ``index`` from 0.
    :param shard_slots: how many shards run at a time: of more than that, the later ones are smaller. All must agree.
    :param sample: do so many pictures only, spread over the folder as it is listed.
    """

    input: str
    output: str
    model_name: str
    servers: tuple[str, ...]
    version: int | str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    include_hidden: bool = False
    max_batch_size: int = 32
    max_request_bytes: int = 16 << 20
    max_request_megapixels: float = 32.0
    max_concurrency: int = 8
    max_bytes_in_flight: int = 256 << 20
    max_file_bytes: int = 256 << 20
    max_megapixels: float = 64.0
    max_frames: int = 1000
    max_failed: float | None = None
    allow_empty: bool = False
    size: tuple[int, int] | None = None
    size_policy: SizePolicy = "fit"
    overlap: int | None = None
    restore_size: bool = False
    class_pixels: bool = False
    min_score: float = 0.5
    animated: Literal["first", "all"] = "first"
    output_format: OutputFormat = "as_answered"
    output_quality: int = 95
    provenance: bool = True
    model_base_path: str | None = None
    timeout_s: float = 60.0
    server_timeout_s: float = 30.0
    sick_deadline_s: float = 300.0
    on_version_gone: Literal["stop", "newest"] = "stop"
    retry_failed: bool = False
    take_over: bool = False
    dry_run: bool = False
    sample: int | None = None
    shard: tuple[int, int] | None = None
    shard_slots: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    verify: bool | str = True
    run_id: str = field(
        default_factory=lambda: new_run_id()  # noqa: PLW0108 # defined below
    )

    def __post_init__(self) -> None:
        _check(bool(self.servers), "at least one server's address is needed, such as http://localhost:8501")
        _check(bool(self.model_name), "the model's name is empty")
        object.__setattr__(self, "version", parse_version_choice(self.version))
        for name in _ONE_OR_MORE:
            value = getattr(self, name)
            _check(value is None or value >= 1, f"{name} is {value}; it must be 1 or more")
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            _check(value > 0, f"{name} is {value}; it must be above 0")
        _check(
            self.max_failed is None or (self.max_failed >= 0 and math.isfinite(self.max_failed)),
            f"max_failed is {self.max_failed}; it must be a finite number and not below 0",
        )
        _check(self.shard is None or 0 <= self.shard[0] < self.shard[1], f"there is no shard {self.shard}")
        _check(1 <= self.output_quality <= 100, f"output_quality is {self.output_quality}; it must be 1 to 100")
        _check(self.size is None or min(self.size) >= 1, f"size is {self.size}; both sides must be 1 or more")
        is_name = self.run_id and "/" not in self.run_id and not self.run_id.startswith(".")
        _check(bool(is_name), f"run_id {self.run_id!r} is no file name")

    @property
    def digest(self) -> str:
        """Of everything that changes what an output holds."""
        return digest_bytes(orjson.dumps(self.digested(), option=orjson.OPT_SORT_KEYS))

    def digested(self) -> dict[str, object]:
        """The options that change what an output holds."""
        return {name: getattr(self, name) for name in _DIGESTED}

    def replaced(self, **changes: object) -> BatchOptions:
        """The same options with ``changes``."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # checked again by __post_init__

    def failures_allowed(self, total: int) -> int | None:
        """
        Return how many of ``total`` pictures may fail; never all of them.

        None: the run is not judged, since it is a dry run or a shard, which is judged together with all others.
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


def parse_version_choice(given: int | str | None) -> int | str | None:
    """
    Read which version a batch is to use: a number, also as text, a label, or ``newest``.

    :raises UsageError: it is not one of these.
    """
    if given is None or (isinstance(given, str) and _LABEL.fullmatch(given) and not given.lstrip("+-").isdigit()):
        return given
    try:
        number = int(given)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(
            f"version is {given!r}; give the number of a version (1 or more), a label such as stable, or {NEWEST}."
        )
    return number


def new_run_id() -> str:
    """Sorts by time, and is never given twice."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"


def _check(holds: bool, problem: str) -> None:
    if not holds:
        raise UsageError(f"This batch run cannot start: {problem}.")
