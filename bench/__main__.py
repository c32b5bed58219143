"""
Runs the benches, one process after the other, and prints what they measured and which promises that keeps.

A bench is a module of this package with a ``main()`` that writes ``bench/results/<its name>.json`` with
:func:`bench.results.write_result`; it can be run alone with ``python -m bench.<its name>``. The exit status is 0 when
all of them ran.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence

from bench.charts import write_charts
from bench.pages import rewrite_all
from bench.performance import write_first_chart
from bench.promises import promises_table
from bench.results import PUBLISHED, RESULTS, as_table, read_rows
from bench.runner import ONLY_BY_NAME, benches, run_benches


def publish(names: list[str]) -> None:
    """Copy what was measured last to ``bench/published/``, which is committed; draw and tell it."""
    PUBLISHED.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(RESULTS / f"{name}.json", PUBLISHED)
    render()


def render() -> None:
    """Make the charts, and what pages tell of ``bench/published/``, again."""
    write_charts()
    write_first_chart()
    rewrite_all()


def show(names: Sequence[str]) -> None:
    """Print what was measured last, then what was promised of it."""
    results = {name: read_rows(path) for name in names if (path := RESULTS / f"{name}.json").is_file()}
    for name, rows in results.items():
        print(f"\n{name}\n\n{as_table(rows)}")
    print(f"\n{promises_table(results)}")


def read_arguments() -> argparse.Namespace:
    """Read the command line; ``names`` are all benches where none is named, without those to skip."""
    known = benches()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(known)}; all if none is named")
    parser.add_argument("--skip", nargs="+", metavar="NAME", default=[], help="run all but these")
    parser.add_argument("--show", action="store_true", help="print what was measured before, run nothing")
    parser.add_argument(
        "--publish", nargs="+", metavar="NAME", default=[], help="copy its last result to bench/published/"
    )
    parser.add_argument(
        "--render", action="store_true", help="make charts and the made parts of pages again, run nothing"
    )
    arguments = parser.parse_args()
    unknown = sorted({*arguments.names, *arguments.skip} - set(known))
    if unknown:
        parser.error(f"there is no bench {unknown[0]}; there are {', '.join(known)}")
    arguments.names = arguments.names or [name for name in known if name not in {*arguments.skip, *ONLY_BY_NAME}]
    return arguments


def main() -> int:
    """Do what the command line asks for."""
    arguments = read_arguments()
    if arguments.publish:
        publish(arguments.publish)
    elif arguments.render:
        render()
    elif arguments.show:
        show(arguments.names)
    else:
        failed = run_benches(arguments.names)
        show([name for name in arguments.names if name not in failed])
        for name, outcome in failed.items():
            print(f"\n{name} failed: {outcome}", file=sys.stderr)
        return 1 if failed else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
