"""Releases and rolls back, and asks the server itself whether what came back is true; for ``test_kill_release.py``."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path

from tendies_ops.errors import ReleaseError
from tendies_ops.release import release_model, rollback_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.killing import main

OPTIONS = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=2, keep_versions=3)


def work(number: int, arguments: list[str]) -> None:
    base, scratch, url = Path(arguments[0]), Path(arguments[1]), arguments[2]
    before = serving(url)
    try:
        if number % 5 == 4:
            report = rollback_model(base, [url], model_name=MODEL_NAME, options=OPTIONS)
        else:
            report = release_model(candidate(scratch, number), base, [url], options=OPTIONS)
    except ReleaseError as error:
        now = serving(url)
        words = str(error)
        assert len(now) == 1, f"{now} serve after: {words}"
        assert now == before or f"Version {now[0]} serves" in words or "to roll back to" in words, (before, words)
    else:
        assert serving(url) == [report.version], f"{serving(url)} serve after {report}"


def candidate(scratch: Path, number: int) -> Path:
    """The same content twice in a row, so that a release also meets what its own killed run left."""
    content = 3 + number // 2 if number >= 0 else -number
    source = scratch / "candidate"
    shutil.rmtree(source, ignore_errors=True)
    broken = {1: {"error": "INTERNAL: no"}, 3: {"promised_by": content + 7}}.get(number % 7, {})
    return make_candidate(source, by=content, step=number, **broken)  # type: ignore[arg-type]


def serving(url: str) -> list[int]:
    """Asked without any code of ours."""
    with urllib.request.urlopen(f"{url}/v1/models/{MODEL_NAME}", timeout=10) as answer:
        entries = json.load(answer)["model_version_status"]
    return [int(entry["version"]) for entry in entries if entry["state"] == "AVAILABLE"]


if __name__ == "__main__":
    main(work)
