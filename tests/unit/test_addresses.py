"""A login in an address: refused where an address is taken, and shown nowhere."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from tendies_ops.addresses import has_login, mask_logins
from tendies_ops.client import ModelServerClient
from tendies_ops.errors import TendiesError, UsageError
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference import BatchOptions
from tendies_ops.release import check_servers
from tendies_ops.spec import load_spec

SECRET = "S3CRETPW"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"http://bob:{SECRET}@h:8501/v1", "http://***@h:8501/v1"),
        (f"HTTPS://{SECRET}@h", "HTTPS://***@h"),
        (f"http://bob:{SECRET}@with@h/x@y", "http://***@h/x@y"),
        (f"s3://AKIA:{SECRET}/with+slash@bucket/a", "s3://***@bucket/a"),
        (f"s3:/AKIA:{SECRET}@bucket/a", "s3:/***@bucket/a"),
        (f"simplecache::sftp://u:{SECRET}@h/a, http://u:{SECRET}@h", "simplecache::sftp://***@h/a, http://***@h"),
        (f"http://u:{SECRET}@[::1]:8501", "http://***@[::1]:8501"),
    ],
)
def test_a_login_in_an_address_is_masked(text: str, masked: str) -> None:
    assert mask_logins(text) == masked
    assert has_login(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://h:8501/v1/x@y", "http://[::1]:8501/a@b", "s3://bucket/user@example.com.png", "mail a@b.example",
        "abfs://container@account.dfs.example/a", "sftp://user@h/a", "memory://h:21/a@b", "/folder/a:b@c.png", "",
    ],
)  # fmt: skip
def test_what_is_no_login_stays_as_it_is(text: str) -> None:
    assert mask_logins(text) == text


def test_the_text_of_an_error_shows_no_login() -> None:
    assert str(TendiesError(f"It failed at http://bob:{SECRET}@h.")) == "It failed at http://***@h."


def options(**changes: object) -> BatchOptions:
    given = {"input": "in", "output": "out", "model_name": "m", "servers": ("http://h:1",), **changes}
    return BatchOptions(**given)


def spec(folder: Path, text: str) -> None:
    (folder / "m.yaml").write_text(f"model_name: m\nsource: {{checkpoint: c}}\n{text}\n")
    load_spec(folder / "m.yaml")


WEB, STORE = f"http://bob:{SECRET}@127.0.0.1:1", f"s3://AKIA:{SECRET}@bucket/a"
TAKES: dict[str, Callable[[Path], object]] = {
    "client": lambda _: ModelServerClient(WEB),
    "client without a scheme": lambda _: ModelServerClient(f"bob:{SECRET}@h:8501"),
    "release": lambda _: check_servers([WEB]),
    "servers of a batch": lambda _: options(servers=(WEB,)),
    "servers without a scheme": lambda _: options(servers=(f"bob:{SECRET}@h:8501",)),
    "input": lambda _: options(input=STORE),
    "output": lambda _: options(output=f"https://{SECRET}@h/a"),
    "model base path": lambda _: options(model_base_path=STORE),
    "object store": lambda _: ObjectStore(STORE),
    "servers of a spec": lambda folder: spec(folder, f'release: {{servers: ["{WEB}"]}}'),
    "servers of a spec without a scheme": lambda folder: spec(folder, f'release: {{servers: ["bob:{SECRET}@h"]}}'),
    "model base path of a spec": lambda folder: spec(folder, f'release: {{model_base_path: "{STORE}"}}'),
    "input of a spec": lambda folder: spec(folder, f'batch: {{input: "{STORE}"}}'),
    "output of a spec": lambda folder: spec(folder, f'batch: {{output: "{STORE}"}}'),
    "allowed inputs of a spec": lambda folder: spec(folder, f'batch: {{allowed_inputs: ["{STORE}"]}}'),
}


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES)
def test_a_login_in_an_address_is_refused_wherever_one_is_taken(take: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds a (login|password)") as refused:
        take(tmp_path)
    assert SECRET not in "".join(traceback.format_exception(refused.value))
