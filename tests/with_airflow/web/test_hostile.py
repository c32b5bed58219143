"""Addresses, names and files that try to get what is not theirs."""

from __future__ import annotations

import io
import os
import re
from itertools import cycle, product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from PIL import Image

from tests.support.full_world import CANDIDATE, RUN
from tests.support.scenes import scene
from tests.support.web_world import WebWorld, add_detector_run
from tests.with_airflow.web.clients import Clients

SECRET = b"the secret that must not get out"
CLIMBS = (
    "../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%252f", "..\\", "..%5c", "....//", "/", "//", "%00", ".%00./", "~/",
    "file:///",
)  # fmt: skip
TARGETS = ("secret.txt", "etc/passwd", "specs/brush.yaml", ".tendies/ledger.jsonl", "report.json")
PLACES = (
    "/static/x/{}", "/static/{}/tendies.css", "/models/{}", "/models/brush/versions/{}",
    "/models/brush/versions/2/golden/0/{}", "/models/brush/versions/2/golden/{}/after", "/runs/{}/x",
    "/models/brush/versions/2/variants/{}",
    "/models/brush/candidates/{}", "/models/brush/candidates/{}/golden/0/after",
    "/models/brush/candidates/{}/live/0", f"/models/brush/candidates/{CANDIDATE}/live/{{}}",
    "/runs/brush/{}", f"/runs/brush/{RUN}/{{}}", f"/runs/brush/{RUN}/pictures/{{}}",
    f"/runs/brush/{RUN}/pictures/1/{{}}", f"/runs/brush/{RUN}/pictures/{{}}/after",
)  # fmt: skip
PRODUCT = str(31337 * 3)  # what a template would make of the words below
WORDS = (
    "' OR 1=1 --", '"; DROP TABLE pictures; --', "%", "_", "\\", "\x00", "{{31337*3}}", "${31337*3}",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' UNION SELECT 1,2,3 --", "\u202e", "\ud83d\ude00",
    "a" * 200, "*", "?", "[a-z]", "-1", "1e9", "../../../etc/passwd",
)  # fmt: skip


def climbing_addresses() -> list[str]:
    combinations = zip(product(PLACES, CLIMBS, (1, 4)), cycle(TARGETS), strict=False)
    return [place.format(climb * depth + target) for (place, climb, depth), target in combinations]


@pytest.fixture(scope="module", autouse=True)
def _secrets(world: WebWorld) -> None:
    for folder in (world.root, world.output, world.base_path, world.input.parent):
        (folder / "secret.txt").write_bytes(SECRET)


def test_addresses_that_climb_get_nothing(clients: Clients) -> None:
    addresses = climbing_addresses()
    assert len(addresses) > 200
    for address in addresses:
        status, body = clients.get_raw("admin", f"/tendies{address}")
        assert status in {404, 422}, address
        assert SECRET not in body, address
        assert b"root:x:" not in body, address


SEARCHES = (
    "/runs?model={}", "/pictures?q={}", "/airflow/run?dag_id={}&run_id={}", f"/runs/brush/{RUN}?q={{}}",
    f"/runs/brush/{RUN}?kind={{}}", f"/runs/brush/{RUN}/pictures/1?q={{}}", f"/runs/brush/{RUN}/ledger.jsonl?q={{}}",
)  # fmt: skip


@pytest.mark.parametrize("page", SEARCHES)
@pytest.mark.parametrize("words", WORDS)
def test_words_that_inject_are_only_words(page: str, words: str, clients: Clients) -> None:
    answer = clients["viewer"].get(f"/tendies{page.replace('{}', quote(words, safe='', errors='surrogatepass'))}")
    assert answer.status_code in {200, 422}
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert PRODUCT not in answer.text


def test_words_that_mean_something_to_sql_find_only_themselves(clients: Clients, run_url: str) -> None:
    for words in ("%", "' OR 1=1 --", "\\"):
        assert clients["viewer"].get(f"{run_url}/ledger.jsonl", params={"q": words}).content == b""
    assert (
        clients["viewer"].get(f"{run_url}/ledger.jsonl", params={"q": "_00000"}).content == b""
    )  # one of LIKE's wildcards
    assert len(clients["viewer"].get(f"{run_url}/ledger.jsonl", params={"q": "WALK"}).content.splitlines()) == 5


HOSTILE_NAMES = (
    "<script>alert(1)</script>.jpg", '"><img src=x onerror=alert(1)>.jpg', "{{31337*3}}.jpg", "a&b.jpg",
    "javascript:alert(1).jpg", "line\nbreak.jpg", "\u202egpj.exe.jpg", "quote'.jpg",
    "percent%2e%2e.jpg", "?query#fragment.jpg", "emoji \U0001f600.jpg",
)  # fmt: skip


def add_hostile_run(world: WebWorld, run_id: str, records: list[dict[str, Any]]) -> int:
    """A run whose ledger says ``records``; return the row of the first."""
    directory = world.output / ".tendies" / "runs" / run_id
    directory.mkdir(parents=True)
    report = {
        "run_id": run_id,
        "ok": True,
        "input": str(world.input),
        "output": str(world.output),
        "version": 2,
        "done": len(records),
    }
    (directory / "report.json").write_bytes(orjson.dumps(report))
    before = sum(1 for _ in world.ledger.open("rb"))
    with world.ledger.open("ab") as stream:
        for record in records:
            common = {
                "run_id": run_id,
                "outcome": "done",
                "model_name": "brush",
                "version": 2,
                "kind": None,
                "reason": None,
            }
            stream.write(orjson.dumps({**common, **record}) + b"\n")
    return before + 1


def test_hostile_names_are_shown_as_they_are_and_do_nothing(world: WebWorld, clients: Clients) -> None:
    for name in HOSTILE_NAMES:
        (world.input / name).parent.mkdir(exist_ok=True)
        scene(1, width=32, height=32).save(world.input / name, "JPEG")
    records = [
        {"input": name, "output": None, "outcome": "failed", "kind": "damaged", "reason": name}
        for name in HOSTILE_NAMES
    ]
    row = add_hostile_run(world, "hostile-names", records)
    pages = ["/tendies/runs/brush/hostile-names", "/tendies/pictures?q=.jpg"]
    pages += [f"/tendies/runs/brush/hostile-names/pictures/{row + number}" for number in range(len(records))]
    for page in pages:
        text = clients["viewer"].get(page).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert f">{PRODUCT}.jpg" not in text
    for number in range(len(records)):
        answer = clients["viewer"].get(f"/tendies/runs/brush/hostile-names/pictures/{row + number}/before")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")


def test_a_ledger_that_names_files_outside_gives_nothing(world: WebWorld, clients: Clients, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    scene(2).save(outside)
    (world.output / "link.png").symlink_to(outside)
    (world.output / "folder").symlink_to(tmp_path)
    (world.input / "link.png").symlink_to(outside)
    os.mkfifo(world.output / "pipe.png")
    names = [
        str(outside),
        "../secret.txt",
        "link.png",
        "folder/outside.png",
        "a/../../secret.txt",
        "pipe.png",
        ".",
        "",
        "nothing.png",
        "a\0b",
    ]
    row = add_hostile_run(world, "hostile-paths", [{"input": name, "output": name} for name in names])
    for number, name in enumerate(names):
        for side in ("before", "after", "original"):
            url = f"/tendies/runs/brush/hostile-paths/pictures/{row + number}/{side}"
            assert clients["admin"].get(url).status_code == 404, (name, side)
    archive = clients["admin"].get("/tendies/runs/brush/hostile-paths/pictures.zip").content
    assert archive.startswith(b"PK\x05\x06"), "an archive without a file"


def test_a_live_picture_that_is_a_link_leads_nowhere(world: WebWorld, clients: Clients) -> None:
    (review,) = (world.base_path / ".tendies" / "releases").glob("review-*")
    outside = world.root / "outside.png"
    scene(1).save(outside)
    (review / "live-7.png").symlink_to(outside)

    assert clients["admin"].get(f"/tendies/models/brush/candidates/{CANDIDATE}/live/1").status_code == 200
    assert clients["admin"].get(f"/tendies/models/brush/candidates/{CANDIDATE}/live/7").status_code == 404


def test_a_manifest_that_names_files_outside_gives_nothing(world: WebWorld, clients: Clients) -> None:
    path = world.base_path / "1" / "assets.extra" / "tendies.json"
    original = path.read_bytes()
    for name in ("../../secret.txt", "/etc/passwd", "../../../secret.txt", "saved_model.pb\0"):
        manifest = orjson.loads(original)
        manifest["golden"][0] |= {"input": name, "outputs": {"output_bytes": name}}
        manifest["optimization"]["variants"][0]["sheet"] = name
        path.write_bytes(orjson.dumps(manifest))
        for picture in ("golden/0/before", "golden/0/after", "variants/0"):
            assert clients["admin"].get(f"/tendies/models/brush/versions/1/{picture}").status_code == 404
    path.write_bytes(original)


def polyglots() -> dict[str, bytes]:
    stream = io.BytesIO()
    scene(3, width=64, height=64).save(stream, "PNG")
    png = stream.getvalue()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
    html = b"<!doctype html><script>alert(1)</script>"
    gif = b"GIF89a/*" + html + b"*/=1;"
    return {
        "svg.png": svg,
        "html.png": html,
        "png-html.png": png + html,
        "gif-js.gif": gif,
        "xml.png": b"<?xml version='1.0'?>" + svg,
        "pdf.png": b"%PDF-1.4\n" + html,
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "empty.png": b"",
        "zip.png": png + b"PK\x05\x06" + bytes(18),
    }


def test_polyglots_arrive_as_pictures_or_not_at_all(world: WebWorld, clients: Clients) -> None:
    files = polyglots()
    for name, data in files.items():
        (world.output / name).write_bytes(data)
    row = add_hostile_run(world, "hostile-files", [{"input": name, "output": name} for name in files])
    for number, name in enumerate(files):
        url = f"/tendies/runs/brush/hostile-files/pictures/{row + number}"
        shown = clients["viewer"].get(f"{url}/after?size=full")
        if shown.status_code == 200:
            assert shown.headers["content-type"] == "image/webp", name
            assert b"script" not in shown.content, name
            Image.open(io.BytesIO(shown.content)).load()
        else:
            assert shown.status_code == 415, name
        saved = clients["viewer"].get(f"{url}/original")
        assert saved.headers["content-type"] == "application/octet-stream", name
        assert saved.headers["content-disposition"].startswith("attachment"), name


@pytest.mark.shared_data
def test_hostile_pictures_of_every_kind_cost_neither_the_server_nor_its_memory(
    world: WebWorld, clients: Clients
) -> None:
    folder = Path(__file__).parents[4] / "shared" / "data" / "hostile-images"
    if not folder.is_dir():
        pytest.skip("the hostile pictures are not beside the checkout")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".json", ".txt"})[::4]
    (world.input / "hostile").mkdir()
    names = []
    for number, file in enumerate(files):
        names.append(f"hostile/{number}{file.suffix}")
        (world.input / names[-1]).write_bytes(file.read_bytes())
    row = add_hostile_run(world, "hostile-pictures", [{"input": name, "output": None} for name in names])
    statuses = [
        clients["viewer"].get(f"/tendies/runs/brush/hostile-pictures/pictures/{row + n}/before").status_code
        for n in range(len(names))
    ]
    assert set(statuses) <= {200, 415}
    assert 200 in statuses
    assert clients["viewer"].get("/tendies/runs/brush/hostile-pictures").status_code == 200


def test_a_result_in_numbers_is_read_in_the_page_and_never_asked_for_as_a_picture(
    world: WebWorld, clients: Clients
) -> None:
    add_detector_run(world, "boxes-alone")
    run = clients["viewer"].get("/tendies/runs/brush/boxes-alone?q=boxes").text
    (row,) = set(re.findall(r"/pictures/(\d+)/before", run))
    page = clients["viewer"].get(f"/tendies/runs/brush/boxes-alone/pictures/{row}").text
    found = clients["viewer"].get("/tendies/pictures?q=coast/boxes.jpg").text
    for text in (run, page):
        assert "hand &lt;b&gt;  0.96  left 25% to 75%, top 10% to 50%" in text
    for text in (run, page, found):
        assert f"/pictures/{row}/after" not in text


@pytest.mark.parametrize("name", ['a"b.png', "a\r\nSet-Cookie: x=1.png", "\u202egnp.exe", "a;b=c.png", "\u00e4.png"])
def test_a_name_in_a_header_is_only_a_name(name: str, world: WebWorld, clients: Clients) -> None:
    scene(1, width=16, height=16).save(world.output / name, "PNG")
    run_id = f"header-{abs(hash(name))}"
    row = add_hostile_run(world, run_id, [{"input": name, "output": name}])
    answer = clients["viewer"].get(f"/tendies/runs/brush/{run_id}/pictures/{row}/original")
    assert answer.status_code == 200
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename")
    assert disposition.isascii()
    assert disposition.isprintable()
    assert "Set-Cookie" not in answer.headers


def test_pages_are_not_kept_and_pictures_only_by_the_browser_itself(clients: Clients, run_url: str) -> None:
    for page in ("/tendies/models", run_url, f"{run_url}/report.json", f"{run_url}/pictures.zip"):
        assert clients["viewer"].get(page).headers["Cache-Control"] == "no-store"
    assert clients["viewer"].get(f"{run_url}/pictures/1/after").headers["Cache-Control"].startswith("private")


def test_tokens_that_airflow_did_not_sign_for_itself_are_nobodys(airflow_app: Any) -> None:
    import jwt
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    good = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="ADMIN"))
    secret = os.environ["AIRFLOW__API_AUTH__JWT_SECRET"]
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    tokens = {
        "tampered": f"{head}.{body}.{signature[::-1]}",
        "another secret": jwt.encode(claims, "another secret" * 8, "HS512"),
        "another audience": jwt.encode({**claims, "aud": "elsewhere"}, secret, "HS512"),
        "no end": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, secret, "HS512"),
        "over": jwt.encode({**claims, "exp": 1_000_000_000}, secret, "HS512"),
        "unsigned": jwt.encode(claims, "", "none"),
        "no token": "x",
    }
    client = TestClient(airflow_app, raise_server_exceptions=False)
    assert client.get("/tendies/models", headers={"Authorization": f"Bearer {good}"}).status_code == 200
    for what, token in tokens.items():
        bearer = client.get("/tendies/models", headers={"Authorization": f"Bearer {token}"})
        cookie = client.get("/tendies/models", headers={"Cookie": f"_token={token}"})
        assert {bearer.status_code, cookie.status_code} <= {401, 403}, what
