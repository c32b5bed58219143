"""The maps of the code name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PAGES = ("docs/README.md", "docs/explanation/walks.md")


def named_files(page: str) -> list[str]:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    text = text[text.index("## The code") :] if "## The code" in text else text
    return sorted(set(re.findall(r"`((?:\w+/)*\w+(?:\.py|/))`", text)) - {"tendies_ops/"})


@pytest.mark.parametrize(("page", "name"), [(page, name) for page in PAGES for name in named_files(page)])
def test_a_file_that_a_map_names_exists(page: str, name: str) -> None:
    assert (REPOSITORY / "tendies_ops" / name).exists()


def test_every_package_is_on_the_map() -> None:
    packages = {f"{path.parent.name}/" for path in (REPOSITORY / "tendies_ops").glob("*/__init__.py")}
    assert packages <= set(named_files("docs/README.md"))


def test_the_walk_of_a_picture_is_short_and_comes_to_no_room_more_than_twice() -> None:
    text = (REPOSITORY / "docs/explanation/walks.md").read_text(encoding="utf-8")
    walk = text[: text.index("If the request fails")]
    rooms = re.findall(r"`((?:\w+/)+\w+\.py)`", walk)
    steps = re.findall(r"^\d+\. ", walk, re.MULTILINE)
    assert len(steps) <= 20
    assert all(rooms.count(room) <= 2 for room in rooms)


def test_the_walk_of_a_version_comes_to_each_room_once() -> None:
    text = (REPOSITORY / "docs/explanation/walks.md").read_text(encoding="utf-8")
    walk = text[text.index("## One version") : text.index("What changes during a release")]
    rooms = re.findall(r"`((?:\w+/)+\w+\.py)`", walk)
    assert sorted(rooms) == sorted(set(rooms))
