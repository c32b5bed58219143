"""The first page of the documentation, in an environment with Airflow and the wheel, with a model of one's own."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.how_to import blocks_of
from tests.support.ports import free_port
from tests.support.wheel import REPOSITORY, Fresh, build_wheel

PAGE = REPOSITORY / "docs" / "how-to" / "first-steps.md"
_MODEL = """
import keras
image = keras.Input([None, None, 3])
hidden = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image)
keras.Model(image, keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid")(hidden)).save("painter.keras")
"""


def test_the_page_has_at_most_twelve_commands() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    assert len([line for block in blocks for line in block.splitlines() if line.strip()]) <= 12


@pytest.mark.slow
@pytest.mark.timeout(900)  # what the page may take, with downloads
def test_the_page_leads_from_an_empty_environment_to_twenty_photographs_of_ones_own_model(tmp_path: Path) -> None:
    fresh, noise = Fresh(tmp_path), np.random.default_rng(1)
    home = fresh.home
    build_wheel(home)
    (home / "photos").mkdir()
    for number in range(20):
        pixels = noise.integers(0, 256, (48 + number, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((96, 80)).save(home / "photos" / f"{number}.jpg")
    installation, folder_made, started, released = blocks_of(PAGE, {})
    ports = f"--port {free_port()} --model-server-port {free_port()}"
    start = started.commands.replace("tendies dev", f"tendies dev {ports}")

    bash(fresh, installation.commands, home)
    fresh.run("python", "-c", _MODEL)
    bash(fresh, folder_made.commands, home)
    styles = home / "styles"
    with other_terminal(fresh, start, styles) as log:
        wait_for(lambda: "Everything stays up" in log.read_text(), log)
        wait_for(lambda: has_dag(fresh, styles), log)
        bash(fresh, released.commands, styles)
        results = styles / "results" / "painter"
        wait_for(lambda: len(list(results.glob("[0-9]*"))) == 20, log)

    names = {path.stem for path in (home / "photos").iterdir()}
    assert {path.stem for path in results.glob("[0-9]*")} == names
    for path in results.glob("[0-9]*"):
        with Image.open(path) as image:
            assert image.size == (96, 80)


def has_dag(fresh: Fresh, folder: Path) -> bool:
    return "tendies_release_painter" in bash(fresh, ". ./airflow.env; airflow dags list", folder)


def bash(fresh: Fresh, commands: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=fresh.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout


@contextmanager
def other_terminal(fresh: Fresh, commands: str, folder: Path) -> Iterator[Path]:
    """Run commands for the length of a ``with``; yield the file that they write to."""
    log = folder.parent / "other-terminal.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {commands.strip()}"],
            cwd=folder,
            env=fresh.environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield log
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            assert b"Stopped." in log.read_bytes()


def wait_for(is_done: Callable[[], bool], log: Path, timeout_s: float = 400.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_done():
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(2)
