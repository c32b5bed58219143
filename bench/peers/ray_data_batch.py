"""
Ray Data: `read_binary_files`, then `map_batches` with two actors, each with the model, which also write.

Arguments: the folder of pictures, the folder of results, how many pictures a call gets.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import ray

PEERS = Path(__file__).parent
ACTORS = 2
OBJECT_STORE_BYTES = 500_000_000


class Style:
    """Files in, names of results out."""

    def __init__(self, source: str, target: str) -> None:
        from model import load_model

        self._predict, self._source, self._target = load_model(), Path(source), Path(target)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Run one batch and write its results."""
        from folder import write_result

        names = [Path(path).relative_to(self._source) for path in batch["path"]]
        for name, result in zip(names, self._predict(list(batch["bytes"])), strict=True):
            write_result(self._target, name, result)
        return {"path": batch["path"]}


def main() -> None:
    source, target, batch_size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    environment = {"PYTHONPATH": str(PEERS), "BENCH_SAVED_MODEL": os.environ["BENCH_SAVED_MODEL"]}
    ray.init(
        num_cpus=ACTORS,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        configure_logging=False,
        runtime_env={"env_vars": environment},
    )
    pictures = ray.data.read_binary_files(source, include_paths=True)
    # Half a core each: with whole ones the actors leave none to the tasks that read, and nothing moves.
    results = pictures.map_batches(
        Style,
        batch_size=batch_size,
        concurrency=ACTORS,
        num_cpus=0.5,
        fn_constructor_args=(source, target),
    )
    for _ in results.iter_batches():
        pass
    ray.shutdown()


if __name__ == "__main__":
    main()
