"""Nothing outside the places that a spec names is served or read, whatever the files among the results claim."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest

from tests.support.lying_reports import MARK, NAMES, claims, make_private_folder, write_lie
from tests.support.scenes import scene
from tests.support.web_world import WebWorld
from tests.with_airflow.web.clients import Clients

SUFFIXES = ("", "/live", "/report.json", "/ledger.jsonl", "/pictures.zip", "?q=a", "?page=2")


@pytest.fixture(scope="module")
def private(world: WebWorld) -> Path:
    """A folder that no spec names: pictures, a report, a ledger and a result in numbers."""
    return make_private_folder(world.root)


def test_a_report_that_claims_another_input_gets_no_picture_of_it(
    world: WebWorld, private: Path, clients: Clients
) -> None:
    tries = 0
    for number, claim in enumerate(claims(world, private)):
        run_id = f"lying-{number:03d}"
        rows = write_lie(world, run_id, claim, private)
        for row, side in product(rows, ("before", "after", "original")):
            answer = clients["admin"].get(f"/tendies/runs/brush/{run_id}/pictures/{row}/{side}")
            assert answer.status_code == 404, (claim, NAMES[row - rows.start], side)
            tries += 1
        page = clients["admin"].get(f"/tendies/runs/brush/{run_id}")
        assert page.status_code == 200
        assert MARK not in page.text
        archive = clients["admin"].get(f"/tendies/runs/brush/{run_id}/pictures.zip")
        assert archive.content.startswith(b"PK\x05\x06"), "an archive without a file"
    assert tries >= 500


def test_an_input_below_the_one_of_the_spec_is_served(world: WebWorld, clients: Clients) -> None:
    (world.input / "evening").mkdir()
    scene(5).save(world.input / "evening" / "a.jpg")
    directory = world.output / ".tendies" / "runs" / "narrower"
    directory.mkdir(parents=True)
    (directory / "report.json").write_bytes(orjson.dumps({"ok": True, "input": str(world.input / "evening")}))
    row = sum(1 for _ in world.ledger.open("rb")) + 1
    with world.ledger.open("ab") as stream:
        stream.write(orjson.dumps({"run_id": "narrower", "outcome": "done", "input": "a.jpg"}) + b"\n")
    assert clients["viewer"].get(f"/tendies/runs/brush/narrower/pictures/{row}/before").status_code == 200


@pytest.mark.parametrize("linked", ["report.json", "progress.json", "directory"])
def test_a_run_that_is_a_link_to_elsewhere_tells_nothing_of_it(
    linked: str, world: WebWorld, private: Path, clients: Clients
) -> None:
    run = world.output / ".tendies" / "runs" / f"linked-{linked}"
    if linked == "directory":
        run.symlink_to(private)
    else:
        run.mkdir()
        (run / linked).symlink_to(private / "report.json")
    for suffix in SUFFIXES:
        answer = clients["admin"].get(f"/tendies/runs/brush/{run.name}{suffix}")
        assert MARK not in answer.text
        assert answer.status_code in ({404} if linked == "directory" or suffix == "/report.json" else {200})
    assert MARK not in clients["admin"].get("/tendies/runs").text
    run.unlink() if linked == "directory" else (run / linked).unlink()


@pytest.mark.parametrize("linked", [".tendies/ledger.jsonl", ".tendies/runs", ".tendies"])
def test_a_state_folder_that_leads_elsewhere_is_not_read(
    linked: str, tmp_path: Path, world: WebWorld, private: Path, clients: Clients
) -> None:
    path = world.output / linked
    kept = path.with_name(f"{path.name}.kept")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "runs" / "x").mkdir(parents=True)
    (elsewhere / "runs" / "x" / "report.json").write_bytes((private / "report.json").read_bytes())
    (elsewhere / "ledger.jsonl").write_bytes((private / "ledger.jsonl").read_bytes())
    path.rename(kept)
    path.symlink_to({"ledger.jsonl": elsewhere / "ledger.jsonl", "runs": elsewhere / "runs"}.get(path.name, elsewhere))
    try:
        for address in ("/runs", "/runs/brush/x", "/runs/brush/x/ledger.jsonl", f"/pictures?q={quote(MARK[:12])}",
                        "/models", "/models/brush"):  # fmt: skip
            answer = clients["admin"].get(f"/tendies{address}")
            assert answer.status_code in {200, 404}
            assert MARK not in answer.text, address
    finally:
        path.unlink()
        kept.rename(path)
