"""The exact commands of the how-to pages about serving and releases, with TensorFlow in the server."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

import pytest
import requests

from tendies_ops.publish import publish_version
from tests.support.candidates import write_manifest
from tests.support.how_to import blocks_of, in_another_terminal, needs_curl, run_block
from tests.support.pixels import png, random_pixels
from tests.support.ports import free_port
from tests.support.real_shift import make_export

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"
NAME = "noise_to_stripes"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A working directory with what the pages say that one needs."""
    make_export(tmp_path / "build" / "stripes", by=10, model_name=NAME)
    make_export(tmp_path / "build" / "stripes-next", by=20, model_name=NAME)
    shutil.copytree(tmp_path / "build" / "stripes", tmp_path / "build" / "stripes-labels")
    (tmp_path / "build" / "stripes-labels" / "note.txt").write_text("other content")
    write_manifest(tmp_path / "build" / "stripes-labels", model_name=NAME)
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.mark.parametrize("with_slow", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_commands_of_both_pages_do_what_the_pages_say(shop: Path, with_slow: bool) -> None:
    ports = {8501: free_port(), 8502: free_port()}
    pages = [block for page in ("release.md", "roll-back.md") for block in blocks_of(HOW_TO / page, ports)]
    blocks = [block for block in pages if with_slow or not block.slow]
    assert len(blocks) > 10
    written: list[str] = []

    with contextlib.ExitStack() as terminals:
        for block in blocks:
            if block.in_background:
                terminals.enter_context(in_another_terminal(block, shop))
            else:
                written.append(run_block(block, shop))

    everything = "\n".join(written)
    assert "Version 1 of noise_to_stripes is released." in everything
    assert "side by side are in" in everything
    history = [json.loads(line) for line in (shop / "models/stripes/.tendies/history.jsonl").read_text().splitlines()]
    assert any(record["reason"] == "approved by Ada" for record in history)
    assert any(record["reason"] == "seams at the borders" for record in history)
    assert [record["event"] for record in history][-1] == "released"
    assert not (shop / "models/stripes/.tendies/journal.json").exists()


@needs_curl
def test_the_commands_of_the_page_about_serving_get_answers(shop: Path) -> None:
    publish_version(shop / "build" / "stripes", shop / "models" / NAME)
    (shop / "photo.png").write_bytes(png(random_pixels(8, 9)))
    port = free_port()
    serve, ask = blocks_of(HOW_TO / "serve.md", {8501: port})

    with in_another_terminal(serve, shop):
        wait_until_open(port)
        written = run_block(ask, shop)

    assert '"state": "AVAILABLE"' in written
    assert '"signature_def"' in written
    assert '"b64": "iVBORw0KGgo' in written  # what a PNG begins with


def wait_until_open(port: int, timeout_s: float = 60.0) -> None:
    """A reader sees in the server's own output that it listens."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"http://localhost:{port}/readyz", timeout=5).raise_for_status()
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on port {port} after {timeout_s} s")
