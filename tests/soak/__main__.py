"""
``make soak``: a day of operation, squeezed. One simulated minute, which is one release, takes 1.67 s.

A real embedded Model Server with TensorFlow; releases, broken candidates and rollbacks one after the other; batches
and requests all along; processes killed, disks full, answers garbled, the server killed. At the end every invariant is
held against what was seen, and what must be flat is looked at.

    python -m tests.soak --minutes 40 --seed 1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.day import SIMULATED_MINUTE_S, Day
from tests.soak.verdict import print_verdict


def main() -> int:
    """Exit status 0: everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[1])
    parser.add_argument("--minutes", type=float, default=40.0, help="real ones; 40 are a simulated day")
    parser.add_argument("--seed", type=int, default=1, help="of all dice")
    parser.add_argument("--folder", type=Path, help="for everything that is written; absent: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tendies-soak-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        hours = arguments.minutes * 60 / SIMULATED_MINUTE_S / 60
        print(f"{arguments.minutes:g} minutes stand for {hours:.1f} hours; seed {arguments.seed}", flush=True)
        day = Day(folder, seed=arguments.seed)
        day.run(arguments.minutes * 60)
        return print_verdict(day)


if __name__ == "__main__":
    sys.exit(main())
