"""
What is true afterwards, found out without any code of the package: the disk is read and the server is asked.

Every function gives a list of what is wrong, as text; empty: nothing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_MANIFEST = "assets.extra/tendies.json"
_LEFTOVER = re.compile(r"\.tendies-(staging|trash)-.*|.*\.part|.*\.unloaded-for-.*")
_MODEL = "stripes"


def base_path(base: Path, seen: dict[int, str], *, settled: bool) -> list[str]:
    """
    Look at a model base path.

    :param seen: version -> digest of all its bytes; kept from look to look, because a number never changes its content.
    :param settled: the last command went through: then nothing half-done may lie around.
    """
    wrong: list[str] = []
    for child in sorted(base.iterdir()):
        if re.fullmatch(r"\d+", child.name):
            wrong += _version(child, seen)
    if settled:
        state = base / ".tendies"
        names = [path.name for path in (*base.iterdir(), *(state.iterdir() if state.is_dir() else ()))]
        wrong += [f"{name} was left behind" for name in names if _LEFTOVER.fullmatch(name) or name == "journal.json"]
    return wrong


def exported(folder: Path) -> list[str]:
    """Whether an export is whole."""
    return _version(folder, None)


def versions(base: Path) -> list[int]:
    """Numbers that a server would see, lowest first."""
    return sorted(int(child.name) for child in base.iterdir() if re.fullmatch(r"\d+", child.name))


def serving(url: str, model_name: str = _MODEL) -> list[int]:
    """Which versions are AVAILABLE."""
    with urllib.request.urlopen(f"{url}/v1/models/{model_name}", timeout=10) as answer:
        entries = json.load(answer)["model_version_status"]
    return sorted(int(entry["version"]) for entry in entries if entry["state"] == "AVAILABLE")


def promises(url: str, base: Path, version: int, model_name: str = _MODEL) -> list[str]:
    """Whether the server answers what the manifest of a version promises."""
    folder = base / str(version)
    wrong = []
    for golden in json.loads((folder / _MANIFEST).read_bytes())["golden"]:
        [promised] = golden["outputs"].values()
        got = predict(url, (folder / golden["input"]).read_bytes(), model_name)
        if not np.array_equal(pixels(got), pixels((folder / promised).read_bytes())):
            wrong.append(f"golden image {golden['name']} of version {version} is not what {url} answers")
    return wrong


def predict(url: str, file: bytes, model_name: str = _MODEL) -> bytes:
    """One picture through whatever version answers."""
    body = json.dumps({"instances": [{"b64": base64.b64encode(file).decode()}]}).encode()
    with urllib.request.urlopen(f"{url}/v1/models/{model_name}:predict", body, timeout=10) as answer:
        return base64.b64decode(json.load(answer)["predictions"][0]["b64"])


def batch(pictures: Path, results: Path, wanted: Mapping[str, Any], *, settled: bool) -> list[str]:
    """
    Look at the results of a batch run.

    :param wanted: name of an input without its ending -> pixels that its result must have; None: it must have failed.
    :param settled: a run went through: then every picture has its outcome.
    """
    newest = ledger(results)
    files = {path.relative_to(results).as_posix(): path for path in _files(results)}
    wrong = []
    for name, path in files.items():
        target = wanted.get(Path(name).stem)
        if not same(path, target):
            wrong.append(f"the result {name} is not what the model makes of its picture")
    for record in newest.values():
        wrong += _record(record, files)
    if settled:
        names = {path.name for path in pictures.iterdir()}
        wrong += [f"{name} has no outcome" for name in sorted(names - newest.keys())]
        wrong += [
            f"{name} is {record['outcome']}: {record['reason']}"
            for name, record in sorted(newest.items())
            if (record["outcome"] == "done") != (wanted[Path(name).stem] is not None)
        ]
        wrong += [f"{path.name} was left behind" for path in (results / ".tendies").glob("parts*")]
        wrong += report(results, len(names))
    return wrong


def ledger(results: Path) -> dict[str, dict[str, Any]]:
    """Input -> its last whole record."""
    newest = {}
    path = results / ".tendies" / "ledger.jsonl"
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        record = _parsed(line)
        if record is not None:
            newest[str(record["input"])] = record
    return newest


def report(results: Path, pictures: int) -> list[str]:
    """Whether the newest run's report is whole and its counts add up."""
    runs = sorted((results / ".tendies" / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    newest = [run for run in runs if (run / "report.json").exists()]
    if not newest:
        return ["no run has a report"]
    told = json.loads((newest[-1] / "report.json").read_bytes())
    wrong = []
    if not told["done"] + told["skipped"] + told["failed"] == told["total"] == pictures:
        wrong.append(f"the report's counts do not add up to {pictures}: {told}")
    if not (newest[-1] / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>"):
        wrong.append("report.html is cut short")
    sheet = newest[-1] / "contact_sheet.png"
    if sheet.exists():
        Image.open(sheet).load()
    return wrong


def words(out: str, err: str) -> list[str]:
    """Whether an error is a paragraph for a user."""
    wrong = []
    if "Traceback" in out + err:
        wrong.append(f"a person was shown a traceback: {err[-700:]}")
    elif "Error:" not in err:
        wrong.append(f"it ended red and did not say why: {err[-500:]!r}")
    return wrong


def pixels(file: bytes) -> np.ndarray[Any, Any]:
    """Of a whole picture."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def _version(folder: Path, seen: dict[int, str] | None) -> list[str]:
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        return [f"{folder} has no manifest that can be read: {error}"]
    promised = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    found = {path.relative_to(folder).as_posix(): sha256(path.read_bytes()) for path in _all_files(folder)}
    whole = sha256(json.dumps(sorted(found.items())).encode())
    found.pop(_MANIFEST)
    wrong = []
    if found != promised:
        wrong.append(f"{folder} is not whole: {sorted(set(found.items()) ^ set(promised.items()))[:3]}")
    if seen is not None and seen.setdefault(int(folder.name), whole) != whole:
        wrong.append(f"version {folder.name} changed its content")
    return wrong


def _record(record: Mapping[str, Any], files: Mapping[str, Path]) -> list[str]:
    if record["outcome"] != "done":
        return [] if record["reason"] else [f"{record['input']} failed without a reason"]
    path = files.get(record["output"])
    if path is None:
        return [f"{record['input']} is done and its result {record['output']} is not there"]
    if sha256(path.read_bytes()) != record["output_digest"]:
        return [f"the result {record['output']} is not the one that the ledger knows"]
    return []


def same(path: Path, wanted: Any) -> bool:
    try:
        return wanted is not None and np.array_equal(pixels(path.read_bytes()), wanted)
    except OSError:
        return False


def _files(results: Path) -> Iterator[Path]:
    if results.is_dir():
        yield from (path for path in results.rglob("*") if path.is_file() and ".tendies" not in path.parts)


def _all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def sha256(data: bytes) -> str:
    """As tendies writes it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
