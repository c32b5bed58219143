"""A folder that no spec names, and reports and ledger lines that claim to are in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from tests.support.scenes import scene
from tests.support.web_world import WebWorld

MARK = "what only the private folder says"


def make_private_folder(root: Path) -> Path:
    """Pictures, a report, a ledger and a result in numbers."""
    folder = root / "private"
    (folder / "sub").mkdir(parents=True)
    for place in (folder, folder / "sub"):
        scene(77).save(place / "secret.png")
        (place / "report.json").write_bytes(orjson.dumps({"ok": True, "message": MARK, "done": 1, "started_at": MARK}))
        (place / "ledger.jsonl").write_bytes(orjson.dumps({"run_id": "x", "outcome": "done", "input": MARK}) + b"\n")
        (place / "secret.json").write_bytes(orjson.dumps({"outputs": {MARK: [1.0]}}))
    return folder


def claims(world: WebWorld, private: Path) -> Iterator[Any]:
    """What a report may say of its input, in many spellings of the same."""
    (world.input / "out").symlink_to(private)
    (world.output / "out").symlink_to(private)
    for target in (private, private / "sub"):
        relative = os.path.relpath(target, world.input)
        yield from (str(target), f"{target}/", f"file://{target}", f"file://localhost{target}", f"local://{target}")
        yield from (f"{world.input}/{relative}", f"file://{world.input}/{relative}", f"{world.input}//{relative}")
        yield from (f"{world.input}/./out", f"{world.output}/out", f"{world.input}/out/sub", f"//{target}")
        yield from (f"{target}/../{target.name}", relative, quote(str(target)), f"file:{target}", f"FILE://{target}")
        yield from (f"{target}\0", f"~/{target}", f"memory://{target}", f"http://127.0.0.1:9{target}")
    yield from ("/", "file:///", "//", "..", ".", "", 5, None, ["/"], {"path": "/"}, True, f"{world.input}/..")


NAMES = ("secret.png", "sub/secret.png", "out/secret.png", "../private/secret.png", "{private}/secret.png",
         "private/secret.png", "{tail}/secret.png")  # fmt: skip


def write_lie(world: WebWorld, run_id: str, claim: Any, private: Path) -> range:
    """Write the report of a run that claims this input, and lines of the ledger; the numbers of these lines."""
    directory = world.output / ".tendies" / "runs" / run_id
    directory.mkdir(parents=True)
    (directory / "report.json").write_bytes(orjson.dumps({"ok": True, "input": claim, "output": str(private)}))
    first = 1 + (sum(1 for _ in world.ledger.open("rb")) if world.ledger.exists() else 0)
    with world.ledger.open("ab") as stream:
        for name in (name.format(private=private, tail=str(private)[1:]) for name in NAMES):
            line = {"run_id": run_id, "outcome": "done", "input": name, "output": name, "version": 2}
            stream.write(orjson.dumps({**line, "model_name": world.base_path.name}) + b"\n")
    return range(first, first + len(NAMES))
