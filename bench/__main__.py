"""
Runs the benches, one process after the other, and prints what they measured.

A bench is a module of this package with a ``main()`` that writes ``bench/results/<its name>.json`` with
:func:`bench.results.write_result`; it can be run alone with ``python -m bench.<its name>``.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.charts import write_charts
from bench.pages import rewrite_all
from bench.performance import write_first_chart
from bench.results import PUBLISHED, RESULTS, as_table, read_rows

HERE = Path(__file__).parent


def benches() -> list[str]:
    """Name the modules of this package that have a ``main()``, without importing them."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_") and _has_main(path))


def _has_main(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)


def run_bench(name: str) -> bool:
    """Run one bench in a process of its own; its output goes to the terminal."""
    started_s = time.monotonic()
    print(f"== {name}", flush=True)
    status = subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=HERE.parent, check=False).returncode
    outcome = "done" if status == 0 else f"failed with status {status}"
    print(f"== {name} {outcome} in {time.monotonic() - started_s:.0f} s", flush=True)
    return status == 0


def publish(names: list[str]) -> None:
    """Copy what was measured last to ``bench/published/``, which is committed; draw and tell it."""
    PUBLISHED.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(RESULTS / f"{name}.json", PUBLISHED)
    tell()


def tell() -> None:
    """Make the charts, and what pages tell of ``bench/published/``, again."""
    write_charts()
    write_first_chart()
    rewrite_all()


def main() -> int:
    """Read the command line, run, print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(benches())}; all if none is named")
    parser.add_argument("--show", action="store_true", help="print what was measured before, run nothing")
    parser.add_argument(
        "--publish", nargs="+", metavar="NAME", default=[], help="copy its last result to bench/published/"
    )
    parser.add_argument(
        "--tell", action="store_true", help="make charts and the made parts of pages again, run nothing"
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(benches()))
    if unknown:
        parser.error(f"there is no bench {unknown[0]}; there are {', '.join(benches())}")
    if arguments.publish:
        publish(arguments.publish)
    if arguments.tell:
        tell()
        return 0
    names = arguments.names or benches()
    failed = [] if arguments.show or arguments.publish else [name for name in names if not run_bench(name)]
    for name in names:
        path = RESULTS / f"{name}.json"
        if path.is_file():
            print(f"\n{name}\n\n{as_table(read_rows(path))}")
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
