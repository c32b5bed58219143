"""Runs the commands of a how-to page as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: apt-get install curl")
_NAMED_FILE = re.compile(r"```(?:python|yaml)\n# (?P<name>\S+\.\w+)\n(?P<text>.*?)```", re.DOTALL)
_BLOCK = re.compile(r"(?:<!-- (?P<notes>[^\n]*) -->\n)?```bash\n(?P<commands>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block and what the comment above it says of it."""

    commands: str
    status: int = 0
    in_background: bool = False
    slow: bool = False


def blocks_of(page: Path, ports: Mapping[int, int]) -> list[Block]:
    """
    The ``bash`` blocks of a page, in order, without those of which the page says why they are not run.

    :param ports: port in the page -> a free one, which is all that is changed.
    """
    matches = _BLOCK.finditer(_text_of(page, ports))
    return [_block(match) for match in matches if "not run" not in (match["notes"] or "")]


def write_named_files(page: Path, directory: Path, ports: Mapping[int, int]) -> None:
    """Write the blocks whose first line is a comment with a file's name, as a reader would."""
    for match in _NAMED_FILE.finditer(_text_of(page, ports)):
        (directory / match["name"]).write_text(match["text"], encoding="utf-8")


def _text_of(page: Path, ports: Mapping[int, int]) -> str:
    text = page.read_text(encoding="utf-8")
    for written, free in ports.items():
        text = text.replace(f"localhost:{written}", f"localhost:{free}").replace(f"={written} ", f"={free} ")
    return text


def _block(match: re.Match[str]) -> Block:
    notes = match.group("notes") or ""
    status = re.search(r"ends with status (\d+)", notes)
    return Block(
        match.group("commands"), int(status.group(1)) if status else 0, "another terminal" in notes, "slow" in notes
    )


def run_block(block: Block, directory: Path) -> str:
    """
    Run one block with bash.

    :return: what it wrote, both streams.
    """
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.commands],
        cwd=directory,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == block.status, f"{block.commands}\nended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@contextmanager
def in_another_terminal(block: Block, directory: Path) -> Iterator[None]:
    """Run a block for the length of a ``with``, in a process group of its own."""
    with (directory / "other-terminal.log").open("ab") as log:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block.commands],
            cwd=directory,
            env=_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _environment() -> dict[str, str]:
    own = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
