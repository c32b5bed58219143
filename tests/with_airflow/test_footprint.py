"""What an Airflow component pays for having tendies installed: disk, and imports at start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]

# As each component does at its start: the provider manager, the plugin manager, a DAG file, the triggerer's triggers,
# and the API server's links and pages.
_START = """
import importlib, pkgutil, sys
import tendies_ops.dag_factory, tendies_ops.triggers
from tendies_ops.plugin import TendiesPlugin
from tendies_ops.provider import get_provider_info
get_provider_info()
for module in pkgutil.iter_modules(tendies_ops.triggers.__path__, "tendies_ops.triggers."):
    importlib.import_module(module.name)
plugin = TendiesPlugin()
assert plugin.operator_extra_links and plugin.fastapi_apps
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def imported_at_start() -> set[str]:
    done = subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("package", ["numpy", "pandas", "scipy", "skimage", "tensorflow", "keras", "h5py", "pyarrow"])
def test_scheduler_triggerer_and_api_server_start_without(package: str, imported_at_start: set[str]) -> None:
    assert "tendies_ops" in imported_at_start
    assert package not in imported_at_start


def test_tendies_adds_at_most_120_mb_to_an_airflow_without_tensorflow() -> None:
    project = tomli.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with_tendies = closure(project["dependencies"])
    with_airflow = closure(["apache-airflow"])
    sizes = {name: size_mb(with_tendies[name]) for name in with_tendies.keys() - with_airflow.keys()}
    sizes["tendies itself"] = sum(path.stat().st_size for path in (REPOSITORY / "tendies_ops").rglob("*.*")) / 1e6

    assert sum(sizes.values()) <= 120, dict(sorted(sizes.items(), key=lambda entry: -entry[1]))


def closure(requirements: list[str]) -> dict[str, Distribution]:
    """Return each distribution that the requirements bring, by its name."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(text) for text in requirements]
    asked: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in asked:
            continue
        asked.add(str(requirement))
        try:
            found[canonicalize_name(requirement.name)] = one = distribution(requirement.name)
        except PackageNotFoundError:  # for another Python or platform, or left out here
            continue
        waiting += needed_by(one, requirement.extras)
    return found


def needed_by(one: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, one.requires or ()):
        contexts = [{"extra": extra} for extra in ("", *extras)]
        if requirement.marker is None or any(requirement.marker.evaluate(context) for context in contexts):
            yield requirement


def size_mb(one: Distribution) -> float:
    paths = [Path(str(one.locate_file(file))) for file in one.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
