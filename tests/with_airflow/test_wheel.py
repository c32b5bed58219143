"""The wheel, installed into an environment that has Airflow and no checkout."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support.wheel import REPOSITORY, Installed, build_wheel

_FOUND = """
import json, sys, tendies_ops
from airflow.plugins_manager import get_plugin_info
from airflow.providers_manager import ProvidersManager
providers = ProvidersManager()
print(json.dumps({
    "package": tendies_ops.__file__,
    "provider": "airflow-provider-tendies" in providers.providers,
    "hook": providers.hooks["tf_serving"].hook_class_name,
    "plugins": [plugin["name"] for plugin in get_plugin_info() if plugin["name"] == "tendies"],
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), wheel)


def test_the_wheel_has_all_files_of_the_package_its_licence_and_its_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [metadata] = [archive.read(name).decode() for name in names if name.endswith("dist-info/METADATA")]
    listing = subprocess.run(
        ["git", "ls-files", "-z", "tendies_ops"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert {name for name in listing.split("\0") if name} - names == set()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "tendies_ops/py.typed" in names
    for line in ("License-Expression: Apache-2.0", "Framework :: Apache Airflow :: Provider", "Typing :: Typed"):
        assert line in metadata
    for extra in ("tensorflow", "keras2", "s3", "gcs", "azure", "all"):
        assert f"Provides-Extra: {extra}\n" in metadata


def test_an_airflow_finds_provider_connection_type_and_plugin_of_the_wheel(installed: Installed) -> None:
    found = json.loads(installed.run("python", "-c", _FOUND).splitlines()[-1])

    assert str(installed.bin.parent) in found.pop("package")
    assert found == {
        "provider": True,
        "hook": "tendies_ops.hooks.model_server.ModelServerHook",
        "plugins": ["tendies"],
    }


def test_a_working_folder_of_the_wheel_makes_dags(installed: Installed) -> None:
    assert installed.run("tendies", "--version") == "tendies 0.1.0\n"
    installed.run("tendies", "init", "styles")
    specs = installed.home / "styles" / "specs"
    (specs / "mine.yaml").write_text("{model_name: mine, source: {checkpoint: mine.keras}}")
    with (specs / "index.txt").open("a") as index:
        index.write("mine.yaml\n")

    code = "import glob, runpy; [print(n) for f in glob.glob('styles/dags/*.py') for n in runpy.run_path(f)]"
    names = installed.run("python", "-c", code).split()

    assert {"tendies_release_mine", "tendies_batch_mine", "tendies_rollback_mine"} <= set(names)
