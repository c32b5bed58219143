"""
Runs one picture through a model, in a process of its own: ``python -m tendies_ops.web.run.try_child``.

It is a batch of one picture, so the picture becomes a request, and the answer a result, exactly as in any other batch.
Standard input has the options as JSON; standard output gets what is wrong, or nothing.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

from tendies_ops.errors import TendiesError

MAX_CPU_S = 30  #: of the processor, for one picture
MAX_MEMORY_BYTES = 4 << 30  #: of address space; most of it are the stacks of threads


def main() -> None:
    """Run the batch that standard input asks for."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, limit in ((resource.RLIMIT_CPU, MAX_CPU_S), (resource.RLIMIT_AS, MAX_MEMORY_BYTES)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        _run(json.load(sys.stdin))
    except (TendiesError, MemoryError) as error:
        sys.stdout.write(str(error) or "The picture takes too much memory.")


def _run(asked: dict[str, Any]) -> None:
    from tendies_ops.credentials import Credentials
    from tendies_ops.inference import BatchOptions, run_batch

    login = asked.pop("credentials")
    login["origins"] = None if login["origins"] is None else frozenset(login["origins"])
    run_batch(BatchOptions(**asked, credentials=Credentials(**login)))


if __name__ == "__main__":
    main()
