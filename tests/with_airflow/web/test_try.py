"""One picture through the version in service, asked for on its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from tests.support.candidates import picture, shift
from tests.support.shifter import MODEL, Shifter, serve_shifter, shifter_spec
from tests.support.specs import add_spec
from tests.support.web_world import WebWorld
from tests.with_airflow.web.clients import Clients

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def shifter(world: WebWorld) -> Iterator[Shifter]:
    with serve_shifter(world.root / "models" / MODEL) as server:
        add_spec(world.specs_dir, shifter_spec(server, world.input, world.root / MODEL))
        yield server


ADDRESS = f"/tendies/models/{MODEL}/try"


def post(clients: Clients, file: bytes = b"", *, name: str = "a.png", role: str = "user", **fields: str) -> Any:
    files = {"file": (name, file)} if file else {"file": ("", b"")}
    return clients[role].post(ADDRESS, data=fields, files=files, headers={**OWN, "Accept": "text/html"})


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB")).astype(int)


def test_an_upload_comes_back_as_the_version_in_service_makes_it(shifter: Shifter, clients: Clients) -> None:
    answer = post(clients, picture(1), parameter_by="20", parameter_strength="0.5")
    assert answer.status_code == 303
    page = clients["user"].get(answer.headers["location"]).text
    assert "by 20, strength 0.5" in page
    assert 'value="0.5"' in page, "the slider stays where it was"

    (after,) = set(re.findall(rf"{MODEL}/try/[0-9a-f]{{32}}/after", page))
    shown = clients["user"].get(f"/tendies/models/{after}?size=full").content
    assert np.array_equal(pixels(shown), pixels(shift(picture(1), 10)))
    token = after.split("/")[2]
    again = post(clients, picture=f"again/{token}", parameter_by="3")
    text = clients["user"].get(again.headers["location"]).text
    assert "by little (3), strength 1" in text
    assert '<option value="3" selected>little (3)</option>' in text


def test_nothing_is_left_where_model_server_reads(shifter: Shifter, clients: Clients) -> None:
    assert post(clients, picture(2)).status_code == 303
    assert not list((shifter.base / ".tendies").glob("leases/*"))


@pytest.mark.parametrize(
    ("file", "fields", "words"),
    [
        (b"no picture", {}, "picture"),
        (b"", {}, "Choose a picture"),
        (b"", {"picture": "again/" + "0" * 32}, "That picture is gone"),
        (b"", {"picture": "../../etc/passwd"}, "That picture is gone"),
        (picture(1), {"parameter_by": "100"}, "`by` takes values from 0 up to 99"),
        (picture(1), {"parameter_strength": "[1, 2"}, "A value cannot be read"),
    ],
)
def test_what_cannot_be_tried_is_said_on_the_page(
    file: bytes, fields: dict[str, str], words: str, shifter: Shifter, clients: Clients
) -> None:
    answer = post(clients, file, **fields)

    assert answer.status_code == 422
    assert words in answer.text
    assert "data-try" in answer.text


def test_the_words_of_a_server_that_refuses_are_shown_and_do_nothing(
    shifter: Shifter, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shifter, "refuses", True)
    answer = post(clients, picture(3))

    assert answer.status_code == 422
    assert "no &lt;b&gt;such&lt;/b&gt; tensor" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
    ],
)
def test_a_form_of_another_site_is_refused(headers: dict[str, str], shifter: Shifter, clients: Clients) -> None:
    before = shifter.predicts
    answer = clients["admin"].post(ADDRESS, files={"file": ("a.png", picture(1))}, headers=headers)

    assert (answer.status_code, shifter.predicts) == (403, before)


def test_a_browser_that_says_only_where_the_form_is_from_is_believed(shifter: Shifter, clients: Clients) -> None:
    headers = {"Origin": "http://testserver"}
    assert clients["user"].post(ADDRESS, files={"file": ("a.png", picture(1))}, headers=headers).status_code == 303


def test_a_try_takes_the_right_of_a_trigger(shifter: Shifter, clients: Clients) -> None:
    seen = {role: post(clients, picture(1), role=role).status_code for role in ("anonymous", "viewer", "op")}
    assert seen == {"anonymous": 401, "viewer": 403, "op": 303}
    assert 'try">Try</a>' in clients["user"].get(f"/tendies/models/{MODEL}").text
    assert 'try">Try</a>' not in clients["viewer"].get(f"/tendies/models/{MODEL}").text


def test_a_form_that_is_too_large_is_not_kept(shifter: Shifter, clients: Clients) -> None:
    assert post(clients, b"x" * (17 << 20)).status_code == 413


def test_a_picture_of_the_newest_run_can_be_chosen(shifter: Shifter, world: WebWorld, clients: Clients) -> None:
    output = world.root / MODEL
    run = output / ".tendies" / "runs" / "newest"
    run.mkdir(parents=True)
    (world.input / "own.png").write_bytes(picture(5))
    line = {"run_id": "newest", "input": "own.png", "outcome": "done", "output": "own.png", "model_name": MODEL}
    (output / ".tendies" / "ledger.jsonl").write_bytes(orjson.dumps(line) + b"\n")
    (run / "report.json").write_bytes(orjson.dumps({"ok": True, "done": 1, "version": 1}))

    page = clients["user"].get(ADDRESS).text
    assert 'value="newest/1" checked' in page
    answer = post(clients, picture="newest/1")
    assert "own.png, before" in clients["user"].get(answer.headers["location"]).text


def test_only_the_newest_tries_are_kept(tmp_path: Path) -> None:
    import os
    import time

    from tendies_ops.web.run.try_picture import Tries

    folder = tmp_path / "m"
    for number in range(30):
        (folder / f"{number:032x}").mkdir(parents=True)
        at = time.time() - 100 - number
        os.utime(folder / f"{number:032x}", (at, at))
    (folder / "old").mkdir()
    os.utime(folder / "old", (0, 0))
    Tries(tmp_path)._tidy("m")

    assert len(list(folder.iterdir())) == 20
    assert not (folder / "old").exists()
