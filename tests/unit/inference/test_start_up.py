"""What a batch imports: large packages wait until something needs them."""

from __future__ import annotations

import subprocess
import sys

from tests.support.batch_bench import Bench
from tests.support.sample_pictures import png

COMMAND = """
import sys
from tendies_ops.cli.main import main
sys.argv = ["tendies", "batch", "--model", "m", "--server", *sys.argv[1:]]
try:
    main()
finally:
    print("imported:", *sorted({"numpy", "fsspec", "tenacity", "tensorflow"} & sys.modules.keys()))
"""


def run(bench: Bench, *options: str) -> str:
    command = [sys.executable, "-c", COMMAND, bench.server.url, str(bench.input), str(bench.output), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]


def test_a_batch_from_folder_to_folder_does_without_the_large_packages(bench: Bench) -> None:
    bench.add("a.png", png(1))
    assert run(bench) == "imported:"
    assert list(bench.outputs()) == ["a.png"]


def test_tiles_are_worth_numpy(bench: Bench) -> None:
    bench.add("a.png", png(1, (30, 20)))
    assert run(bench, "--size", "8x8", "--size-policy", "tile") == "imported: numpy"
