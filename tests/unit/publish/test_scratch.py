"""Folders for temporary files, of processes that end and of processes that are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tendies_ops.publish.owner import Owner
from tendies_ops.publish.scratch import ScratchFolder, remove_folders_of_the_dead

_HANG = "import time\nprint('there', flush=True)\ntime.sleep(600)\n"
#: What makes a scratch folder, as a program that hangs while it uses it.
MAKERS = {
    "a scratch folder": "from tendies_ops.publish.scratch import ScratchFolder\nfolder = ScratchFolder('x')\n" + _HANG,
    "results in a store": (
        "from tendies_ops.inference.storage.bucket import RemoteOutput\n"
        "output = RemoteOutput('memory://results', 'run')\n"
        "(output.state / 'ledger.jsonl').write_text('{}')\n" + _HANG
    ),
    "the export of a release": (
        "import contextlib, threading, types, tendies_ops.export as export\n"
        "from tendies_ops.cli.release import _export\n"
        f"def hang(spec, target, **_):\n    target.mkdir()\n    exec({_HANG!r})\n"
        "export.export_model = hang\n"
        "spec = types.SimpleNamespace(model_name='m', golden=('g.png',))\n"
        "_export(spec, None, contextlib.ExitStack(), threading.Event())\n"
    ),
}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files, for this process and its children."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@contextmanager
def hanging(program: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("maker", MAKERS)
def test_what_a_killed_process_has_left_goes_when_the_next_one_begins(maker: str, temporary: Path) -> None:
    with hanging(MAKERS[maker]) as process:
        left = list(temporary.glob("tendies-*"))
        assert len(left) == 1
        remove_folders_of_the_dead()
        assert left[0].is_dir(), "its process lives"
        process.kill()
        process.wait()

    with ScratchFolder("next") as mine:
        assert list(temporary.glob("tendies-*")) == [mine.parent]
    assert list(temporary.iterdir()) == []


def test_folders_that_no_dead_process_is_known_to_have_made_stay(temporary: Path) -> None:
    dead = Owner.me().to_json() | {"pid": 2**22 + 1}
    elsewhere = dead | {"host": "another"}
    for name, owner in {"tendies-elsewhere": elsewhere, "other-dead": dead, "tendies-odd": ["no", "owner"]}.items():
        (temporary / name).mkdir()
        (temporary / name / "owner.json").write_text(json.dumps(owner))
    (temporary / "tendies-nameless").mkdir()
    (temporary / "tendies-file").write_text("")
    (temporary / "tendies-link").symlink_to(temporary / "other-dead", target_is_directory=True)
    before = sorted(os.listdir(temporary))

    remove_folders_of_the_dead()

    assert sorted(os.listdir(temporary)) == before
