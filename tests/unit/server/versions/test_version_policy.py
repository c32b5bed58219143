from __future__ import annotations

import pytest

from tendies_ops.server.versions.version_policy import VersionPolicy, aspired_versions, parse_version


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("1", 1), ("00000123", 123), (" 3", 3), ("4 ", 4), ("+5", 5), ("-6", -6), ("0", 0),
        ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("3.tmp", None), (".4", None), ("1e1", None),
        ("0x7", None), ("8_8", None), ("1.0", None), ("", None), ("٣", None), ("+ 5", None),
    ],
)  # fmt: skip
def test_a_version_is_a_plain_integer(name: str, version: int | None) -> None:
    assert parse_version(name) == version


def test_the_highest_number_is_the_latest() -> None:
    names = ["2", "10", "9", "x", "tmp.11"]
    assert aspired_versions(names, VersionPolicy()) == {10: "10"}
    assert aspired_versions(names, VersionPolicy(latest=2)) == {10: "10", 9: "9"}
    assert list(aspired_versions(names, VersionPolicy(all=True))) == [10, 9, 2]
    assert aspired_versions(names, VersionPolicy(specific=frozenset({2, 77}))) == {2: "2"}
    assert aspired_versions(names, VersionPolicy(specific=frozenset())) == {}


def test_the_last_of_two_names_with_one_number_counts() -> None:
    assert aspired_versions(["7", "007"], VersionPolicy()) == {7: "7"}
