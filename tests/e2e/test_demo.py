"""The demo as a user runs it: the whole pipeline once, and what must hold when something is in the way."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tendies_ops.dev.processes import find_family, find_marked, stop_marked
from tests.support.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
#: On a loaded machine of two cores. An idle one needs a minute and a half.
_ROAD_TIMEOUT_S = 600.0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "demo"
    yield directory
    stop_marked(directory)  # whatever a failed test has left


def start_demo(place: Path, **environment: str) -> subprocess.Popen[str]:
    """Start what ``make demo ONCE=1`` starts, on ports of its own."""
    chosen = {"ONCE": "1", "PORT": str(free_port()), "MODEL_SERVER_PORT": str(free_port(2)), **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "examples.demo", "--directory", str(place)],
        cwd=REPOSITORY,
        env={**os.environ, "HOME": str(place.parent / "home"), **chosen},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(demo: subprocess.Popen[str], words: str) -> list[str]:
    """Read the demo's lines up to the one with ``words``."""
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if words in line:
            return lines
    pytest.fail(f"the demo ended before it said {words!r}:\n{''.join(lines)}")


def freeze_marked(place: Path) -> list[psutil.Process]:
    """Halt every process of a demo: Airflow is starting, and what is counted now must neither come nor go."""
    frozen: list[psutil.Process] = []
    quiet_looks = 0
    while quiet_looks < 5:  # one that is between fork and exec is seen a moment later
        new = [process for process in find_family(place) if process not in frozen]
        for process in new:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        frozen += new
        quiet_looks = 0 if new else quiet_looks + 1
        time.sleep(0.1)
    return find_family(place)


@pytest.mark.timeout(2 * _ROAD_TIMEOUT_S + 60)
def test_the_whole_pipeline_after_a_demo_that_was_killed(place: Path) -> None:
    killed = start_demo(place)
    read_until(killed, "Starting Airflow")
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=10)
    left = freeze_marked(place)
    assert left, "nothing was running yet: the test shows nothing"

    demo = start_demo(place)
    output, _ = demo.communicate(timeout=_ROAD_TIMEOUT_S)

    assert demo.returncode == 0, output
    assert f"Stopped {len(left)} processes that an earlier start had left" in output
    assert not any(process.is_running() for process in left)
    assert "Every run succeeded and every picture is there." in output
    assert "64 done, 0 failed, 64 in all" in output
    assert "16 done, 0 failed, 16 in all" in output
    assert "20 done, 0 failed, 20 in all" in output
    assert len(re.findall(r"version +1, digest sha256:[0-9a-f]{12}", output)) == 3
    assert_readable(output)
    assert_styled(place)
    assert not (place.parent / "home").exists(), "something was written outside the demo's directory"
    assert find_marked(place) == []
    assert_kept_by_another_demo(place)


def assert_kept_by_another_demo(place: Path) -> None:
    """Another demo keeps what was added and changed, runs the new picture, and is quick."""
    added = {
        place / "specs" / "mine.yaml": (place / "specs" / "brush_strokes.yaml")
        .read_text()
        .replace("brush_str", "my_str"),
        place / "specs" / "index.txt": (place / "specs" / "index.txt").read_text() + "mine.yaml\n",
        place / "results" / "notes.txt": "mine",
        place / "models" / "brush_strokes" / "notes.txt": "mine",
    }
    for path, content in added.items():
        path.write_text(content)
    Image.effect_noise((64, 48), 50).save(place / "pictures" / "brush_strokes" / "mine.png")

    demo = start_demo(place)
    output, _ = demo.communicate(timeout=_ROAD_TIMEOUT_S)

    assert demo.returncode == 0, output
    assert "1 done, 16 done before, 0 failed, 17 in all" in output
    assert {path: path.read_text() for path in added} == added
    assert (place / "models" / "brush_strokes" / "1").is_dir()
    assert find_marked(place) == []


def assert_readable(output: str) -> None:
    """Nothing but the demo's own lines, each step with its time."""
    assert not re.search(r"Traceback|[Ww]arning|WARN|ERROR|\bI0000\b|oneDNN", output)
    steps = re.findall(r"^ +(\d+\.\d) s  \S", output, re.MULTILINE)
    assert len(steps) >= 15
    assert [float(step) for step in steps] == sorted(float(step) for step in steps)


def assert_styled(place: Path) -> None:
    """Every picture came out whole, in its size and changed; the contact sheets open, and the styles differ."""
    for model_name, count in (("noise_to_stripes", 64), ("brush_strokes", 16), ("five_styles", 20)):
        folder = place / "pictures" / model_name
        pictures = sorted(path for path in folder.rglob("*") if path.is_file())
        assert len(pictures) == count
        for picture in pictures:
            [result] = (place / "results" / model_name / picture.relative_to(folder).parent).glob(f"{picture.stem}.*")
            with Image.open(picture) as before, Image.open(result) as after:
                assert after.size == before.size
                assert after.convert("RGB").tobytes() != before.convert("RGB").tobytes()
        with Image.open(place / f"{model_name}.png") as sheet:
            assert min(sheet.size) > 500
    results = place / "results" / "five_styles"
    painted = {next((results / style).glob("coffee.*")).read_bytes() for style in ("poster", "ink", "copper", "neon")}
    assert len(painted) == 4
    with Image.open(place / "five_styles_all.png") as sheet:
        assert sheet.width > sheet.height, "a column for the photograph and each of five styles, four rows"


def test_a_port_in_use_is_one_sentence_and_starts_nothing(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = start_demo(place, PORT=str(port))
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert f"Error: Airflow cannot use port {port} of 127.0.0.1" in output
    assert "Traceback" not in output
    assert find_marked(place) == []


def test_a_port_that_is_no_port_is_one_sentence(place: Path) -> None:
    demo = start_demo(place, PORT="eighty")
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert output == "Error: PORT must be a port between 1 and 65535; found 'eighty'.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_everything_that_was_started(place: Path, number: signal.Signals) -> None:
    demo = start_demo(place)
    read_until(demo, "Starting Airflow")
    demo.send_signal(number)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "Stopped." in output
    assert "Traceback" not in output
    assert find_marked(place) == []


def test_the_death_of_make_ends_the_demo_too(place: Path) -> None:
    """SIGKILL gives make no chance to tell its child."""
    script = (
        "import subprocess, sys, time\n"
        "demo = subprocess.Popen([sys.executable, '-m', 'examples.demo', *sys.argv[1:]])\n"
        "print(demo.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    make = subprocess.Popen(
        [sys.executable, "-c", script, "--directory", str(place)],
        cwd=REPOSITORY,
        env={**os.environ, "PORT": str(free_port()), "MODEL_SERVER_PORT": str(free_port(2))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    read_until(make, "Starting Airflow")
    make.kill()
    output, _ = make.communicate(timeout=60)  # ends when the orphan has closed its end
    assert "Stopped." in output
    deadline_s = time.monotonic() + 10
    while find_marked(place) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert find_marked(place) == []
