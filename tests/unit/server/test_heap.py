"""Memory that requests free: kept for the next one, given back when asked."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap can be told")

BLOCKS = 32
PAGES_OF_A_ROUND = BLOCKS * (1 << 20) // 4096

SCRIPT = f"""
import json, resource
from tendies_ops.server.heap import give_freed_memory_back, keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident_pages():
    return int(open("/proc/self/statm").read().split()[1])

def use_and_free():
    blocks = [b"x" * (1 << 20) for _ in range({BLOCKS})]

keep_freed_memory()
use_and_free()
before = faults()
for _ in range(5):
    use_and_free()
again, kept = faults() - before, resident_pages()
give_freed_memory_back()
print(json.dumps([again, kept - resident_pages()]))
"""


@pytest.fixture(scope="module")
def pages() -> tuple[int, int]:
    """Page faults of five rounds that use freed memory again, and the pages that go back afterwards."""
    shown = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    again, given_back = json.loads(shown)
    return again, given_back


def test_freed_blocks_are_reused_without_page_faults(pages: tuple[int, int]) -> None:
    assert pages[0] < PAGES_OF_A_ROUND / 10


def test_freed_memory_is_returned_to_the_system(pages: tuple[int, int]) -> None:
    assert pages[1] > PAGES_OF_A_ROUND * 0.9
