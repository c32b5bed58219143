"""Runs benches one after the other, each in a process of its own, and tells what became of them."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

HERE = Path(__file__).parent
#: What each takes on two cores once its environments are made.
MINUTES = {
    "airflow_cost": 2,
    "batch_end_to_end": 3,
    "batch_peers": 10,
    "batch_scale": 5,
    "client_cost": 3,
    "client_pieces": 1,
    "cluster_object_store": 1,
    "cluster_scaling": 2,
    "export_cost": 3,
    "million": 90,
    "mixed_parameters": 2,
    "operations": 6,
    "optimize": 18,
    "optimize_threads": 2,
    "profile": 3,
    "server_peers": 21,
    "server_swaps": 2,
    "simulation": 1,
    "warmup_latency": 2,
    "year_of_partitions": 1,
}
ONLY_BY_NAME = {"million"}  #: run by its name, not with all others
LIMIT_S = 4 * 3600.0  #: of one bench; it makes environments and exports too where they are not there
PATIENCE_S = 20.0  #: until what was asked to end is killed


def benches() -> list[str]:
    """Name the modules of this package that have a ``main()``, without importing them."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_") and _has_main(path))


def _has_main(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)


def run_benches(names: Sequence[str]) -> dict[str, str]:
    """
    Run them all, whatever becomes of one.

    :return: bench that failed -> how.
    """
    print(f"{len(names)} benches, about {sum(MINUTES[name] for name in names)} minutes", flush=True)
    outcomes = {}
    for number, name in enumerate(names, 1):
        minutes = f"{MINUTES[name]} minute{'s' * (MINUTES[name] > 1)}"
        print(f"\n[{number} of {len(names)}] {name}, about {minutes}", flush=True)
        started_s = time.monotonic()
        outcomes[name] = run_bench([sys.executable, "-m", f"bench.{name}"])
        outcome = f"failed: {outcomes[name]}," if outcomes[name] else "done"
        print(f"{name} {outcome} in {time.monotonic() - started_s:.0f} s", flush=True)
    return {name: outcome for name, outcome in outcomes.items() if outcome}


def run_bench(command: Sequence[str], *, limit_s: float = LIMIT_S) -> str:
    """
    Run one; its output goes to the terminal.

    :return: how it failed; empty: it did not.
    """
    process = subprocess.Popen(command, cwd=HERE.parent)
    try:
        status = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        end_family(process.pid)
        return f"it was ended after {limit_s:.0f} s"
    except BaseException:
        end_family(process.pid)
        raise
    return f"status {status}" if status else ""


def end_family(pid: int) -> None:
    """Ask a child to end, so that it stops what it started; kill what is left of it and of its children."""
    child = psutil.Process(pid)
    family = [*child.children(recursive=True), child]
    child.terminate()
    psutil.wait_procs([child], timeout=PATIENCE_S)
    for process in family:
        if process.is_running():
            process.kill()
    psutil.wait_procs(family, timeout=PATIENCE_S)
