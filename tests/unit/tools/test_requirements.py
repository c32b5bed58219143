"""The pinned sets fit what pyproject.toml asks for, on every supported Python."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = ("requirements.txt", "requirements-cluster.txt", "requirements-dev.txt")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def _asked(extra: str) -> list[Requirement]:
    project = tomli.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return [Requirement(text) for text in asked]


def _pins(python: str) -> dict[str, Requirement]:
    lines = [
        line
        for name in FILES
        for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "-r"))
    ]
    pins = [Requirement(line) for line in lines]
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    return {canonicalize_name(pin.name): pin for pin in pins if pin.marker is None or pin.marker.evaluate(here)}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", ["", "tensorflow", "cluster", "s3", "dev"])
def test_everything_that_is_asked_for_is_pinned_to_a_version_that_fits(python: str, extra: str) -> None:
    pins = _pins(python)
    unfit = []
    for asked in _asked(extra):
        pin = pins.get(canonicalize_name(asked.name))
        version = next(iter(pin.specifier)).version if pin else None
        if version is None or not asked.specifier.contains(version, prereleases=True):
            unfit.append(f"{asked} but pinned {version}")
    assert unfit == []


@pytest.mark.parametrize(("smaller", "larger"), list(itertools.pairwise(FILES)))
def test_a_set_adds_to_the_one_before_it_and_repeats_nothing(smaller: str, larger: str) -> None:
    of_smaller = (REPOSITORY / smaller).read_text(encoding="utf-8").splitlines()
    of_larger = (REPOSITORY / larger).read_text(encoding="utf-8").splitlines()
    assert f"-r {smaller}" in of_larger
    assert set(of_smaller) & set(of_larger) == set()
