"""Hundreds of tries, on a live Airflow, to have a file served or read that lies outside the allowed places."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.support.airflow import LiveAirflow
from tests.support.airflow_home import REPOSITORY
from tests.support.canned_server import Answer, CannedServer
from tests.support.lying_reports import MARK, claims, make_private_folder, write_lie
from tests.support.opened_files import OpenedFiles
from tests.support.web_world import WebWorld, add_run, add_version, add_world

pytestmark = pytest.mark.timeout(900)

MODEL = "fenced"
PAGES = (
    "runs/{}/kept", "runs/fenced/{}", "runs/fenced/{}/report.json", "runs/fenced/{}/ledger.jsonl",
    "runs/fenced/{}/pictures.zip", "runs/fenced/{}/pictures/1/after", "runs/fenced/kept/pictures/{}/before",
    "runs/fenced/kept/pictures/1/{}", "models/{}", "models/fenced/versions/{}",
    "models/fenced/versions/1/golden/{}/after", "models/fenced/versions/1/variants/{}", "models/fenced/candidates/{}",
    "models/fenced/candidates/{}/golden/0/after", "models/fenced/compare?a={}&b=1", "static/x/{}",
    "airflow/run?dag_id=tendies_batch_fenced&run_id={}",
)  # fmt: skip


@dataclass
class Fence:
    airflow: LiveAirflow
    world: WebWorld
    private: Path
    elsewhere: CannedServer
    opened: OpenedFiles


@pytest.fixture(scope="module")
def fence(live_airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fence]:
    root = tmp_path_factory.mktemp("fence")
    private, checkpoints = make_private_folder(root), root / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "link.keras").symlink_to(private / "secret.png")
    world = add_world(
        live_airflow,
        root,
        MODEL,
        source={"checkpoint": str(checkpoints / "net.keras"), "allowed_checkpoints": [str(checkpoints)]},
        release={"servers": ["http://127.0.0.1:9"]},
        airflow={"retries": 0, "rehearse": False},
    )
    add_version(world, 1)
    add_run(world, "kept", done=2, failed=0)
    for dag_id in ("tendies_batch_fenced", "tendies_release_fenced"):
        live_airflow.wait_for_dag(dag_id)
    with (
        CannedServer(lambda _: Answer(body=MARK.encode())) as elsewhere,
        OpenedFiles(private, private / "sub") as opened,
    ):
        yield Fence(live_airflow, world, private, elsewhere, opened)


def require_nothing_read(fence: Fence) -> None:
    assert fence.opened.names() == []
    assert fence.elsewhere.accepted == 0


def get(fence: Fence, path: str) -> tuple[int, bytes]:
    """Ask for exactly this path: other clients would tidy it."""
    connection = http.client.HTTPConnection(urlsplit(fence.airflow.url).netloc, timeout=60)
    connection.request("GET", f"/tendies/{path}", headers={"Cookie": f"_token={fence.airflow.token()}"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def climbs(private: Path) -> Iterator[str]:
    """The way to the private folder in the spellings of those who know their trade."""
    whole = quote(f"{private}/secret.png", safe="")
    for up in ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%252f", "..%5c", "..;/", "....//", "%c0%ae%c0%ae%2f"):
        yield f"{up * 4}{private.name}{up[2:] if up.startswith('..%') else '/'}secret.png"
    yield from (whole, f"file:{whole}", f"%2f{whole}", f"{whole}%00.png", ".", "%2e%2e", f"kept%2f..%2f..%2f{whole}")
    yield from (f"-1%20{whole}", "kept/../../../../private/sub")


def test_no_address_of_a_page_leads_out(fence: Fence) -> None:
    tried = [page.format(climb) for page in PAGES for climb in climbs(fence.private)]
    for path in tried:
        status, body = get(fence, path)
        assert status < 500, path
        assert MARK.encode() not in body, path
    assert len(tried) >= 200
    require_nothing_read(fence)


def test_no_report_that_lies_about_its_input_has_a_picture_served(fence: Fence) -> None:
    tried = 0
    for number, claim in enumerate(claims(fence.world, fence.private)):
        for row in write_lie(fence.world, f"lying-{number}", claim, fence.private):
            status, _ = get(fence, f"runs/{MODEL}/lying-{number}/pictures/{row}/before")
            assert status == 404, (claim, row)
            tried += 1
    assert tried >= 300
    require_nothing_read(fence)


def test_no_parameter_of_a_batch_leads_out(fence: Fence) -> None:
    world, private, port = fence.world, fence.private, fence.elsewhere.port
    (world.input / "way-out").symlink_to(private)
    places = [
        str(private), f"{world.input}/../private", f"{world.input}/way-out", f"file://{private}", f"local://{private}",
        f"http://127.0.0.1:{port}/", f"simplecache::http://127.0.0.1:{port}/a.png", f"zip://*.png::file://{private}/a",
        f"simplecache::file://{private}", "{{ '/etc' }}", f"{world.input}-too", f"http://localhost:{port}/",
    ]  # fmt: skip
    asked = [{"input": place} for place in places] + [{"output": place} for place in places[:6]]
    runs = [fence.airflow.trigger("tendies_batch_fenced", conf, user="user") for conf in asked]
    ended = [fence.airflow.wait_for_run("tendies_batch_fenced", run, timeout_s=300) for run in runs]
    assert ended == ["failed"] * len(asked)
    for run in runs:
        assert "outside the places allowed" in fence.airflow.task_log("tendies_batch_fenced", run, "infer")
    require_nothing_read(fence)


def test_no_parameter_and_no_event_of_a_release_leads_out(fence: Fence) -> None:
    allowed, private, port = fence.world.root / "checkpoints", fence.private, fence.elsewhere.port
    places = [
        f"{private}/secret.png", f"{allowed}/../private/secret.png", f"{allowed}/link.keras", "s3://bucket/net.keras",
        f"http://127.0.0.1:{port}/net.keras", f"file://{private}/secret.png",
    ]  # fmt: skip
    for place in places:
        run = fence.airflow.trigger("tendies_release_fenced", {"checkpoint": place}, user="user")
        assert fence.airflow.wait_for_run("tendies_release_fenced", run, timeout_s=300) == "failed"
        assert "outside the places allowed" in fence.airflow.task_log("tendies_release_fenced", run, "export"), place
    require_nothing_read(fence)


MAKE_HOSTILE = """
import sys
from pathlib import Path
from tests.with_tensorflow.export.hostile_graphs import HOSTILE
HOSTILE["saved model that writes"](*map(Path, sys.argv[1:]))
"""


def test_a_checkpoint_in_the_right_place_that_would_write_a_file_is_refused(fence: Fence) -> None:
    folder, mark = fence.world.root / "checkpoints", fence.world.root / "mark"
    subprocess.run([sys.executable, "-c", MAKE_HOSTILE, folder, mark], check=True, cwd=REPOSITORY, capture_output=True)
    run = fence.airflow.trigger("tendies_release_fenced", {"checkpoint": str(folder / "saved")}, user="user")

    assert fence.airflow.wait_for_run("tendies_release_fenced", run, timeout_s=300) == "failed"
    assert "WriteFile" in fence.airflow.task_log("tendies_release_fenced", run, "export")
    assert not mark.exists()
    assert [path.name for path in fence.world.base_path.iterdir() if path.name[0] != "."] == ["1"]
