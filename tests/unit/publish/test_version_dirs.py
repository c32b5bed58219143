from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import PublishError
from tendies_ops.publish.version_dirs import list_version_dirs, next_version, parse_version


@pytest.mark.parametrize(
    ("name", "version"),
    [("7", 7), ("007", 7), ("+5", 5), ("-6", -6), (" 3", 3), ("4 ", 4), ("0", 0), ("9223372036854775807", 2**63 - 1)],
)
def test_what_model_server_takes_for_a_version(name: str, version: int) -> None:
    assert parse_version(name) == version


@pytest.mark.parametrize(
    "name",
    [
        "3.tmp",
        ".4",
        "1e1",
        "0x7",
        "1_000",
        "1.0",
        "",
        "+",
        "٣",
        "5.withdrawn-x",
        "9223372036854775808",
        "\u00a03",
        "- 3",
    ],
)
def test_what_model_server_ignores(name: str) -> None:
    assert parse_version(name) is None


def test_a_plain_file_counts_as_a_version_and_is_listed_apart(tmp_path: Path) -> None:
    (tmp_path / "9").write_text("no directory")
    (tmp_path / "3").mkdir()

    assert [(c.version, c.is_plain) for c in list_version_dirs(tmp_path)] == [(3, True), (9, False)]


def test_of_two_names_for_one_number_the_last_in_order_counts(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "001").mkdir()

    assert [c.path.name for c in list_version_dirs(tmp_path)] == ["1"]


def test_a_missing_base_path_holds_no_versions(tmp_path: Path) -> None:
    assert list_version_dirs(tmp_path / "nowhere") == []


def test_the_next_version_is_above_all_that_ever_were() -> None:
    assert next_version([]) == 1
    assert next_version([-5, 0]) == 1
    assert next_version([3, 20260101, 7]) == 20260102


def test_the_highest_number_has_no_next() -> None:
    with pytest.raises(PublishError, match="9223372036854775807"):
        next_version([2**63 - 1])
