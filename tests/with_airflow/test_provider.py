"""What an Airflow that has tendies installed knows about it, and what that costs its processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager
from airflow.sdk import Connection

from tendies_ops.hooks.model_server import ModelServerHook
from tendies_ops.provider import CONNECTION_FIELDS, get_provider_info
from tests.support.airflow_home import REPOSITORY
from tests.support.airflow_runs import connection_json
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.watching_server import WatchingServer

_HEAVY = {"tensorflow", "keras", "PIL", "numpy", "skimage", "requests", "fastapi"}


def in_airflow(code: str, **environment: str) -> Any:
    """Run ``code`` in a process of its own and return the JSON that its last line printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_lists_the_provider() -> None:
    assert "airflow-provider-tendies" in ProvidersManager().providers  # type: ignore[no-untyped-call]  # Airflow has no types there


def test_airflow_builds_the_connection_s_form_from_our_fields() -> None:
    """What the UI asks for when someone adds a connection."""
    forms = {form.connection_type: form for form in HookMetaService.hook_meta_data()}

    form = forms["tf_serving"]
    assert form.hook_name == "TensorFlow Model Server"
    assert form.hook_class_name == f"{ModelServerHook.__module__}.{ModelServerHook.__qualname__}"
    assert set(form.extra_fields or {}) == set(CONNECTION_FIELDS)
    assert form.standard_fields is not None
    assert form.standard_fields.host is not None
    assert form.standard_fields.host.title == "Replicas"


def test_the_token_is_masked() -> None:
    assert CONNECTION_FIELDS["token"]["schema"]["format"] == "password"


def test_what_the_provider_names_can_be_imported() -> None:
    [connection] = get_provider_info()["connection-types"]
    module, _, name = connection["hook-class-name"].rpartition(".")

    assert getattr(__import__(module, fromlist=[name]), name) is ModelServerHook


@pytest.mark.parametrize("manager", ["airflow.plugins_manager", "airflow.sdk.plugins_manager"])
@pytest.mark.parametrize("with_folder", [True, False])
def test_the_plugin_is_registered_once_however_it_was_installed(
    manager: str, *, with_folder: bool, tmp_path: Path
) -> None:
    folder = REPOSITORY / "plugins" if with_folder else tmp_path
    code = f"import json; from {manager} import _get_plugins; found, errors = _get_plugins();"
    code += "print(json.dumps([[p.name for p in found], errors]))"

    found, problems = in_airflow(code, AIRFLOW__CORE__PLUGINS_FOLDER=str(folder))

    assert found.count("tendies") == 1
    assert problems == {}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import airflow.sdk.plugins_manager as m; BEFORE; m._get_plugins()", id="plugin"),
        pytest.param("import airflow.triggers.base; BEFORE; import tendies_ops.triggers.checkpoint", id="triggerer"),
        pytest.param("import airflow.triggers.base; BEFORE; import tendies_ops.triggers.version_serves", id="sensor"),
        pytest.param("import airflow.providers_manager; BEFORE; import tendies_ops.provider", id="provider"),
    ],
)
def test_what_every_process_of_airflow_imports_is_light(code: str) -> None:
    prepared = code.replace("BEFORE", "before = set(sys.modules); start = time.perf_counter()")
    result = in_airflow(
        f"import json, sys, time; {prepared}; seconds = time.perf_counter() - start;"
        "new = sorted({name.partition('.')[0] for name in set(sys.modules) - before});"
        "print(json.dumps({'seconds': seconds, 'new': new}))"
    )

    assert not set(result["new"]) & _HEAVY
    assert result["seconds"] < 1.5  # on a busy machine; 0.1 to 0.3 on an idle one


@pytest.mark.usefixtures("server_connection")
def test_the_test_button_tells_which_versions_each_replica_has(
    server: WatchingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_candidate(tmp_path / "candidate").rename(server.base / "3")
    server.wait_until_serving(3)
    monkeypatch.setenv("AIRFLOW_CONN_TESTED", connection_json(f"{server.url},127.0.0.1:9", model_name=MODEL_NAME))

    ok, words = ModelServerHook("tested").test_connection()

    assert not ok
    assert f"{server.url} answers; {MODEL_NAME}: version 3 AVAILABLE." in words
    assert "127.0.0.1:9" in words


@pytest.mark.usefixtures("server_connection")
def test_the_test_button_needs_no_model_name(server: WatchingServer, tmp_path: Path) -> None:
    make_candidate(tmp_path / "candidate").rename(server.base / "1")
    server.wait_until_serving(1)

    assert ModelServerHook().test_connection() == (True, f"{server.url} answers.")


def test_a_connection_without_a_host_fails_the_test_button_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EMPTY", Connection(conn_id="empty", conn_type="tf_serving").get_uri())

    ok, words = ModelServerHook("empty").test_connection()

    assert (ok, "names no host" in words) == (False, True)
