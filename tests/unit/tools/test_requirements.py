"""The pinned sets fit what pyproject.toml asks for, on every supported Python."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import pins_of

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = ("requirements.txt", "requirements-cluster.txt", "requirements-dev.txt")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def _asked(extra: str) -> list[Requirement]:
    project = tomli.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return [Requirement(text) for text in asked]


def _pins(python: str) -> dict[str, Requirement]:
    texts = [pin for name in FILES for pin in pins_of((REPOSITORY / name).read_text(encoding="utf-8"))]
    pins = [Requirement(text.partition("\\")[0]) for text in texts]
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    return {canonicalize_name(pin.name): pin for pin in pins if pin.marker is None or pin.marker.evaluate(here)}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", ["", "tensorflow", "keras2", "examples", "cluster", "s3", "dev"])
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
    of_smaller, of_larger = ((REPOSITORY / name).read_text(encoding="utf-8") for name in (smaller, larger))
    assert f"-r {smaller}" in of_larger.splitlines()
    assert set(pins_of(of_smaller)) & set(pins_of(of_larger)) == set()


@pytest.mark.parametrize("name", FILES)
def test_every_pin_has_the_hashes_of_its_files(name: str) -> None:
    pins = pins_of((REPOSITORY / name).read_text(encoding="utf-8"))
    assert pins
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
