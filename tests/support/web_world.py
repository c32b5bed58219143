"""Models, versions and runs on the disk, as the other parts write them, for pages to show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tendies_ops.files import digest_bytes, digest_of_digests
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER, RunStamp, encode_record, make_record
from tendies_ops.inference.ledger.outcomes import FailureKind, Found, Outcome
from tendies_ops.inference.report.batch_report import BatchProgress, BatchReport
from tendies_ops.publish.history import Event, HistoryRecord, append_history
from tendies_ops.publish.layout import review_directory
from tendies_ops.spec.manifest import MANIFEST_PATH, digest_version_files, read_manifest
from tests.support.airflow import LiveAirflow
from tests.support.scenes import painted, png, scene
from tests.support.specs import write_specs

MODEL = "brush"


@dataclass(frozen=True)
class WebWorld:
    """Where everything lies."""

    root: Path
    specs_dir: Path
    base_path: Path
    input: Path
    output: Path

    @property
    def ledger(self) -> Path:
        return self.output / STATE_FOLDER / LEDGER_NAME

    def environment(self) -> dict[str, str]:
        return {
            "TENDIES_SPECS_DIR": str(self.specs_dir),
            "TENDIES_CACHE_DIR": str(self.root / "cache"),
            "TENDIES_PICTURES_PER_SECOND": "100000",  # tests of anything but the pace wait for nothing
        }


def add_world(live: LiveAirflow, root: Path, model_name: str, **sections: Mapping[str, Any]) -> WebWorld:
    """Give a live Airflow a model with folders of its own; ``sections`` complete its spec."""
    world = WebWorld(root, live.home / "specs", root / "models" / model_name, root / "pictures", root / "results")
    for folder in (world.base_path, world.input, world.output):
        folder.mkdir(parents=True)
    live.add_spec(
        {
            "model_name": model_name,
            "source": {"checkpoint": "model.keras"},
            "batch": {"input": str(world.input), "output": str(world.output)},
            **sections,
            "release": {"model_base_path": str(world.base_path), **sections.get("release", {})},
        }
    )
    return world


def make_world(
    root: Path, *, servers: tuple[str, ...] = (), model_name: str = MODEL, other: str = "stripes"
) -> WebWorld:
    """Two models; the first has folders, no versions and no runs yet."""
    world = WebWorld(root, root / "specs", root / "models" / model_name, root / "pictures", root / "results")
    for folder in (world.base_path, world.input, world.output):
        folder.mkdir(parents=True, exist_ok=True)
    write_specs(
        world.specs_dir,
        {
            "model_name": model_name,
            "description": "Paints photographs over with thick brush strokes",
            "release": {"model_base_path": str(world.base_path), "servers": list(servers)},
            "batch": {"input": str(world.input), "output": str(world.output)},
        },
        {"model_name": other, "description": "Turns noise into stripes", "release": {"servers": list(servers)}},
    )
    return world


def add_version(
    world: WebWorld,
    version: int,
    *,
    model_name: str = MODEL,
    golden: int = 2,
    age_h: float = 0.0,
    name: str | None = None,
    width: int = 64,
) -> Path:
    """A version directory with manifest and golden pictures."""
    directory = world.base_path / (name or str(version))
    golden_dir = directory / "assets.extra" / "tendies_golden"
    golden_dir.mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph %d" % version)
    entries: list[dict[str, object]] = []
    for number in range(golden):
        image = scene(number + 100, width=width, height=width * 3 // 4)
        (golden_dir / f"{number}.in.png").write_bytes(png(image))
        (golden_dir / f"{number}.out.png").write_bytes(png(painted(image, version)))
        stem = f"assets.extra/tendies_golden/{number}"
        outputs = {"output_bytes": f"{stem}.out.png"}
        entries.append({"name": f"hills-{number}", "input": f"{stem}.in.png", "outputs": outputs})
    write_manifest(directory, entries, model_name=model_name, step=version * 1000, age_h=age_h)
    return directory


def add_candidate(world: WebWorld, dag_run_id: str, *, model_name: str = MODEL, width: int = 64) -> str:
    """An export that waits for its release, as the release DAG leaves it; its name."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"tendies_release_{model_name}.{dag_run_id}")
    directory = add_version(world, 9, model_name=model_name, name=f".exports/{name}", width=width)
    add_review(world, read_manifest(directory).model_digest, width=width)
    return name


def add_review(world: WebWorld, model_digest: str, *, width: int = 64) -> None:
    """What the review of a candidate keeps: the live version's pictures, and what was measured."""
    folder = review_directory(world.base_path, model_digest)
    folder.mkdir(parents=True)
    figures = {"max_abs": 80.0, "mean_abs": 9.25, "psnr_db": 24.1, "ssim": 0.874}
    for number in range(2):
        live = painted(scene(number + 100, width=width, height=width * 3 // 4), 2)
        (folder / f"live-{number}.png").write_bytes(png(live))
    images = {f"hills-{number}": figures for number in range(2)}
    review = {"model_digest": model_digest, "live_version": 2, "images": images, "breaches": []}
    (folder / "review.json").write_bytes(orjson.dumps(review))


def add_release_report(world: WebWorld, version: int) -> None:
    """What a release keeps of its swap and gate."""
    timeline = [
        (second / 5 - 4, 24 + 60 * (0 < second / 5 - 4 < 1.4) + second % 7, second == 24) for second in range(50)
    ]
    latencies = {"requests": 40, "p50_ms": 25.1, "p99_ms": 31.0}
    report = {
        "seconds_to_available": 1.42,
        "swap": {
            "requests": 120, "failed": 1, "failures": ["503"], "before": latencies, "after": latencies,
            "during": {"requests": 9, "p50_ms": 61.0, "p99_ms": 88.4}, "memory_mb": {}, "timeline": timeline,
        },
        "gate": {"live_version": version - 1, "images": {"hills-0": {"ssim": 0.931, "mean_abs": 12.2}}, "breaches": []},
    }  # fmt: skip
    directory = world.base_path / ".tendies" / "releases"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{version}.json").write_bytes(orjson.dumps(report))


def write_manifest(
    directory: Path, golden: list[dict[str, object]], *, model_name: str = MODEL, step: int = 1000, age_h: float = 0.0
) -> None:
    digests = digest_version_files(directory)
    tensor = {"dtype": "string", "shape": [-1]}
    parity = [
        {"golden": entry["name"], "output": "output_bytes", "unit": "of_255", "max_abs": 0.4,
         "mean_abs": 0.01, "psnr_db": 61.2}
        for entry in golden
    ]  # fmt: skip
    manifest = {
        "model_name": model_name,
        "model_digest": digest_of_digests(digests),
        "files": {name: {"sha256": d.sha256, "size_bytes": d.size_bytes} for name, d in digests.items()},
        "source": {
            "kind": "keras",
            "checkpoint": f"/train/brush-{step}.keras",
            "digest": digest_bytes(b"c"),
            "step": step,
        },
        "signatures": {
            "serving_default": {
                "method_name": "tensorflow/serving/predict",
                "inputs": {"input_bytes": tensor},
                "outputs": {"output_bytes": tensor},
            }
        },
        "contract": {},
        "golden": golden,
        "parity": parity,
        "optimization": _optimization(golden),
        "libraries": {"tensorflow": "2.21.0", "keras": "3.12.0"},
        "created_at": (datetime.now(timezone.utc) - timedelta(hours=age_h)).isoformat(),
    }
    (directory / MANIFEST_PATH).write_bytes(orjson.dumps(manifest))


def _optimization(golden: list[dict[str, object]]) -> dict[str, object]:
    """Two variants, the first with a picture for its contact sheet where the version has golden pictures."""
    sheet = golden[0]["input"] if golden else None
    certified = {"picture": "night/<harbour>.jpg", "psnr_db": 41.5, "ssim": 0.9912, "max_abs": 9.0}
    variant = {"name": "bfloat16", "passed": True, "size_bytes": 730_000,
               "images_per_second": 21.5, "speedup": 1.52, "psnr_db": 54.4, "ssim": 0.9998, "max_abs": 2.0,
               "sheet": sheet,
               "certificate": [certified]}  # fmt: skip
    refused = {"name": "float16", "passed": False, "why_not": "PSNR is below 35"}
    return {"wanted": "auto", "chosen": "bfloat16", "why": "Took bfloat16.", "host": "2 CPUs",
            "batch_size": 8, "requests_in_flight": 2, "variants": [variant, refused]}  # fmt: skip


def add_event(world: WebWorld, event: Event, version: int, *, reason: str = "", age_h: float = 0.0) -> None:
    at = (datetime.now(timezone.utc) - timedelta(hours=age_h)).isoformat(timespec="milliseconds")
    append_history(
        world.base_path,
        HistoryRecord(
            event, version, reason, MODEL, digest_bytes(b"%d" % version), f"/train/brush-{version}000.keras",
            version * 1000, ("http://127.0.0.1:8501",), at=at, who="airflow@trainer",
        ),
    )  # fmt: skip


FAILURES: tuple[tuple[FailureKind, str], ...] = (
    ("damaged", "it ends in the middle of the picture: 30,732 of 61,204 bytes are there"),
    ("not_an_image", "it begins like a ZIP archive, not like a picture"),
    ("server_error", "the server answers 500 to it, alone"),
    ("too_large", "12000 x 9000 is 108 megapixels; the limit is 64"),
)


def add_run(
    world: WebWorld,
    run_id: str,
    *,
    version: int = 1,
    done: int = 12,
    failed: int = 3,
    skipped: int = 0,
    age_h: float = 0.0,
    draw: bool = True,
    ended: bool = True,
    ok: bool = True,
) -> Path:
    """A run: its lines in the ledger, its report (or its progress), and its pictures when they are drawn."""
    stamp = RunStamp(run_id, MODEL, version, digest_bytes(b"%d" % version), digest_bytes(b"options"))
    outcomes = [_done(world, number, version, draw) for number in range(done)]
    outcomes += [_failed(world, number, draw) for number in range(failed)]
    directory = world.output / STATE_FOLDER / "runs" / run_id
    directory.mkdir(parents=True)
    with world.ledger.open("ab") as stream:
        stream.write(b"".join(encode_record(make_record(outcome, stamp, 1)) for outcome in outcomes))
    started = datetime.now(timezone.utc) - timedelta(hours=age_h)
    if ended:
        report = BatchReport(
            run_id=run_id, model_name=MODEL, version=version, model_digest=stamp.model_digest,
            options_digest=stamp.options_digest, input=str(world.input), output=str(world.output),
            started_at=started.isoformat(timespec="seconds"), total=done + failed + skipped, done=done, skipped=skipped,
            failed=failed, to_do=0, ignored=0, ok=ok, elapsed_s=done * 0.07 + 0.4, images_per_second=14.2,
            requests=done // 4 + 1, retries=0, peak_concurrency=2,
        )  # fmt: skip
        (directory / "report.json").write_bytes(orjson.dumps(report.as_dict()))
    write_progress(directory, run_id, version=version, done=done, failed=failed, skipped=skipped, ended=ended)
    return directory


def write_progress(
    directory: Path,
    run_id: str,
    *,
    version: int,
    done: int,
    failed: int,
    skipped: int,
    total: int = 0,
    ended: bool = False,
) -> None:
    found = max(total, done + failed + skipped)
    progress = BatchProgress(
        run_id=run_id, model_name=MODEL, version=version, state="finished" if ended else "running", total=found,
        found=found, done=done, skipped=skipped, failed=failed, in_flight=0 if ended else 2, concurrency=2,
        elapsed_s=done * 0.07 + 0.4, images_per_second=14.2, eta_s=None if ended else (found - done) / 14.2,
    )  # fmt: skip
    rates = [(second, 14.2 + 3 * np.sin(second / 3).item()) for second in range(max(2, int(progress.elapsed_s)))]
    facts = {**progress.as_dict(), "input": str(directory.parents[2].parent / "pictures"), "rates": rates}
    (directory / "progress.json").write_bytes(orjson.dumps(facts))


def add_detector_run(world: WebWorld, run_id: str) -> None:
    """A run whose one picture was answered by boxes alone, without a picture with them drawn in."""
    add_run(world, run_id, done=1, failed=0)
    line = orjson.loads(world.ledger.read_bytes().splitlines()[-1])
    boxes = [{"label": "hand <b>", "score": 0.957, "box": [0.1, 0.25, 0.5, 0.75]}]
    document = {"input": line["input"], "height": 192, "width": 256, "detections": boxes}
    (world.output / "coast" / "boxes.json").write_bytes(orjson.dumps(document))
    line |= {"run_id": run_id, "input": "coast/boxes.jpg", "output": "coast/boxes.json"}
    scene(1).save(world.input / "coast" / "boxes.jpg")
    with world.ledger.open("ab") as stream:
        stream.write(orjson.dumps(line) + b"\n")


def _done(world: WebWorld, number: int, version: int, draw: bool) -> Outcome:
    path, output = f"coast/walk-{number:06d}.jpg", f"coast/walk-{number:06d}.png"
    if draw:
        (world.input / "coast").mkdir(exist_ok=True)
        (world.output / "coast").mkdir(exist_ok=True)
        image = scene(number)
        image.save(world.input / path, quality=92)
        (world.output / output).write_bytes(png(painted(image, version)))
    found = Found(path, 20_000, 0, path.removesuffix(".jpg"))
    digest = digest_bytes(path.encode())
    return Outcome(
        found,
        "done",
        input_digest=digest,
        output=output,
        output_digest=digest,
        milliseconds=68.0 + number % 9,
        batch_size=4,
    )


def _failed(world: WebWorld, number: int, draw: bool) -> Outcome:
    kind, reason = FAILURES[number % len(FAILURES)]
    path = f"broken/{kind}-{number:03d}.jpg"
    if draw:
        (world.input / "broken").mkdir(exist_ok=True)
        whole = png(scene(number + 500))
        (world.input / path).write_bytes(whole[: len(whole) // 2] if kind == "damaged" else b"PK\x03\x04 no picture")
    return Outcome(Found(path, 1000, 0, path.removesuffix(".jpg")), "failed", kind, reason)
