"""A world with something behind each route of the pages, and an address of each."""

from __future__ import annotations

from pathlib import Path

import orjson

from tendies_ops.inference.ledger.ledger import RunStamp, encode_record, make_record
from tendies_ops.inference.ledger.outcomes import Found, Outcome
from tests.support.partitioned import partitioned_spec
from tests.support.scenes import png, scene
from tests.support.specs import add_spec
from tests.support.web_world import WebWorld, add_candidate, add_event, add_release_report, add_run, add_version

RUN = "20261122T030000Z-aaaaaa"
CANDIDATE_RUN = "manual__2026-11-22T03:00:00+00:00"
CANDIDATE = "tendies_release_brush.manual__2026-11-22T03_00_00_00_00"
RUN_URL = f"/runs/brush/{RUN}"
TRY = "0123456789abcdef" * 2
#: Routes that take the right to trigger the batch of the model.
OF_A_TRIGGER = {"/models/{model_name}/try", "/models/{model_name}/try/{token}/{side}"}
#: route -> an address of it that answers, and with what status for someone who may see it
ROUTES: dict[str, tuple[str, int]] = {
    "/": ("/", 307),
    "/models": ("/models", 200),
    "/models/live": ("/models/live", 200),
    "/models/{model_name}": ("/models/brush", 200),
    "/models/{model_name}/live": ("/models/brush/live", 200),
    "/models/{model_name}/compare": ("/models/brush/compare?a=1&b=2", 200),
    "/models/{model_name}/versions/{version}": ("/models/brush/versions/2", 200),
    "/models/{model_name}/versions/{version}/golden/{index}/{side}": ("/models/brush/versions/2/golden/0/after", 200),
    "/models/{model_name}/versions/{version}/variants/{index}": ("/models/brush/versions/2/variants/0", 200),
    "/models/{model_name}/try": ("/models/brush/try", 200),
    "/models/{model_name}/try/{token}/{side}": (f"/models/brush/try/{TRY}/after", 200),
    "/models/{model_name}/fan-out": ("/models/brush/fan-out", 200),
    "/models/{model_name}/partitions": ("/models/daily/partitions", 200),
    "/models/{model_name}/candidates/{name}": (f"/models/brush/candidates/{CANDIDATE}", 200),
    "/models/{model_name}/candidates/{name}/live/{index}": (f"/models/brush/candidates/{CANDIDATE}/live/0", 200),
    "/models/{model_name}/candidates/{name}/golden/{index}/{side}": (
        f"/models/brush/candidates/{CANDIDATE}/golden/1/after",
        200,
    ),
    "/releases": ("/releases", 200),
    "/models/{model_name}/releases/{key}": ("/models/brush/releases/2", 200),
    "/runs": ("/runs", 200),
    "/runs/live": ("/runs/live", 200),
    "/runs/{model_name}/{run_id}": (RUN_URL, 200),
    "/runs/{model_name}/{run_id}/live": (f"{RUN_URL}/live", 200),
    "/runs/{model_name}/{run_id}/report.json": (f"{RUN_URL}/report.json", 200),
    "/runs/{model_name}/{run_id}/ledger.jsonl": (f"{RUN_URL}/ledger.jsonl", 200),
    "/runs/{model_name}/{run_id}/pictures.zip": (f"{RUN_URL}/pictures.zip", 200),
    "/runs/{model_name}/{run_id}/pictures/{row}": (f"{RUN_URL}/pictures/1", 200),
    "/runs/{model_name}/{run_id}/pictures/{row}/original": (f"{RUN_URL}/pictures/1/original", 200),
    "/runs/{model_name}/{run_id}/pictures/{row}/{side}": (f"{RUN_URL}/pictures/1/after", 200),
    "/pictures": ("/pictures?q=walk", 200),
    "/airflow/run": ("/airflow/run?dag_id=tendies_batch_brush&run_id=x", 200),
    "/airflow/run/live": ("/airflow/run/live?dag_id=tendies_batch_brush&run_id=x", 200),
    "/static/{stamp}/{name}": ("/static/x/tendies.css", 200),
}


def fill_world(world: WebWorld) -> None:
    """Add two versions that were released, one that was withdrawn, a candidate, a run, and a model with partitions."""
    spec = partitioned_spec(world.root / "daily", model_name="daily", every="day", start="2026-06-01")
    add_spec(world.specs_dir, spec.model_dump(mode="json", exclude_unset=True))
    for version in (1, 2):
        add_version(world, version, age_h=48 - version)
        add_event(world, "released", version, age_h=48 - version)
    add_version(world, 3, name="3.withdrawn-wrong-pixels")
    add_event(world, "withdrawn", 3, reason="pictures <b>differ</b>")
    add_run(world, RUN, version=2, done=5, failed=3)
    add_candidate(world, CANDIDATE_RUN)
    add_release_report(world, 2)
    fan_out = world.output / "style=1" / ".tendies"
    fan_out.mkdir(parents=True)
    (world.output / "fan_out.png").write_bytes(png(scene(1)))
    (fan_out / "ledger.jsonl").write_bytes(b"")
    keep_try(Path(world.environment()["TENDIES_CACHE_DIR"]))


def statuses(route: str) -> dict[str, int]:
    """Return the status of the answer to each role."""
    status = ROUTES[route][1]
    viewer = 403 if route in OF_A_TRIGGER else status
    return {"anonymous": 401, "viewer": viewer, **dict.fromkeys(("user", "op", "admin"), status)}


def keep_try(cache: Path) -> None:
    """Write what is left of a try."""
    folder = cache / "tries" / "brush" / TRY
    (folder / "in").mkdir(parents=True)
    (folder / "out" / ".tendies").mkdir(parents=True)
    for place in ("in", "out"):
        (folder / place / "picture.png").write_bytes(png(scene(1)))
    outcome = Outcome(Found("picture.png", 1, 0, "picture"), "done", output="picture.png")
    line = encode_record(make_record(outcome, RunStamp("try", "brush", 2, None, "sha256:0"), 1))
    (folder / "out" / ".tendies" / "ledger.jsonl").write_bytes(line)
    asked = {"picture": "own.png", "version": 2, "parameters": {}, "who": "ada"}
    (folder / "try.json").write_bytes(orjson.dumps({"asked": asked, "seconds": 0.8}))
