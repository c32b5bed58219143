"""
Operations that only compute, and the reason why each other one is refused.

The list is one of what is allowed, so an operation that a library adds to TensorFlow is refused until a spec names it.
``computing.txt`` is made by ``python tools/computing_operations.py`` from TensorFlow's registry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tendies_ops.errors import UntrustedModelError

COMPUTING_FILE = Path(__file__).with_name("computing.txt")
#: What an operation's name matches -> what it does; the first that matches counts.
_REASONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile("|".join(patterns)), reason)
    for reason, patterns in {
        "runs Python code": [r".*PyFunc.*", r".*NumpyFunction.*"],
        "prints, or writes for a debugger or TensorBoard": [r"Debug.*", r"Copy(Host)?", r"Print.*", r".*Summary.*"],
        "talks to other processes or devices": [
            r".*(DataService|Rpc|RemoteCall|Send|Recv|Collective|Nccl).*",
            r".*(TPU|Tpu|Infeed|Outfeed|DTensor|Mesh|CheckPinned).*",
        ],
        "reads data by itself": [r".*(Dataset|Iterator|Reader|MemoryCache|SnapshotChunk).*", r"RecordInput"],
        "reads or writes checkpoints": [r"_?(Save|Restore|MergeV2Checkpoints|ShardedFile|DistributedSave).*"],
        "reads or writes files": [
            r".*(File|ToTFRecord).*",
            r"ImmutableConst|GenerateVocabRemapping|LoadAndRemapMatrix|DumpTensor|(De|En)codeProto.*",
            r"CalibrationStatisticsSaver|CustomAggregator|StoreMinibatch.*",
        ],
        "holds a program of its own": [r"_?Xla.*", r"Mlir.*"],
        "stops or delays the process": [r"Abort", r"Sleep.*"],
        "shares data or threads with other models of the server": [
            r".*(Queue|Barrier|Mutex|Session|StatsAggregator|Accumulator|Worker|ThreadPool).*",
            r"(Ordered)?Map(Clear|Incomplete|Peek|Size|Stage|Unstage).*|(Uns|S)tage.*|(Add|Take)(Many)?Sparse.*Map",
            r"Batch|BatchFunction|Unbatch.*",
        ],
    }.items()
)
_UNKNOWN = "is not known to tendies as a computation"
_SHOWN = 8


@lru_cache(maxsize=1)
def computing_operations() -> frozenset[str]:
    """Return the names of the operations that only compute."""
    lines = COMPUTING_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def reason_against(operation: str) -> str | None:
    """Return what an operation does that is not computing, judged by its name; None: nothing that is known."""
    return next((reason for pattern, reason in _REASONS if pattern.fullmatch(operation)), None)


def refused_operations(operations: Iterable[str], allowed: Iterable[str] = ()) -> dict[str, str]:
    """Return the operations that neither only compute nor are ``allowed``, each with the reason, sorted."""
    refused = set(operations) - computing_operations() - set(allowed)
    return {name: reason_against(name) or _UNKNOWN for name in sorted(refused)}


def require_computing(operations: Iterable[str], allowed: Iterable[str], *, subject: str) -> None:
    """
    Refuse a graph that does more than compute.

    :param operations: names of all its operations.
    :param allowed: names that a reviewed spec allows besides.
    :param subject: what has them, as the start of a sentence.
    :raises UntrustedModelError: an operation is neither known as a computation nor allowed.
    """
    refused = refused_operations(operations, allowed)
    if refused:
        raise UntrustedModelError(explain_refusal(refused, subject=subject))


def explain_refusal(refused: dict[str, str], *, subject: str) -> str:
    """Describe what is refused, why, and how to allow it."""
    shown = [f"{name} ({reason})" for name, reason in list(refused.items())[:_SHOWN]]
    more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    return (
        f"{subject} has operations that do more than compute: {', '.join(shown)}{more}. They would run during the "
        "export and in Model Server on each request; nothing of it was run. If this is meant, allow them by name in "
        f"the model spec, `source: {{allow_operations: [{', '.join(refused)}]}}`, or for a SavedModel directory with "
        "--allow-operation."
    )
