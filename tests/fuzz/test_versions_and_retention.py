"""Names that Model Server takes for numbers, and which numbers go."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tendies_ops.errors import PublishError
from tendies_ops.publish.layout import list_withdrawn, withdrawn_path
from tendies_ops.publish.retention import versions_to_remove
from tendies_ops.publish.version_dirs import list_version_dirs, next_version, parse_version

INT64 = range(-(2**63), 2**63)
NUMBERS = st.integers(-(2**65), 2**65)
NAMES = (
    st.text(max_size=12)
    | NUMBERS.map(str)
    | st.builds("{}{}{}{}".format, st.sampled_from(["", " ", "\t", "+", "-", "0", "00"]), NUMBERS,
                st.sampled_from(["", " ", "\n", ".", "x", "_1"]), st.sampled_from(["", "0"]))
)  # fmt: skip
SETS = st.sets(st.integers(1, 12), max_size=12)


def simple_atoi(name: str) -> int | None:
    """absl::SimpleAtoi<int64>, once more and differently: character by character."""
    blanks = " \t\n\v\f\r"
    rest = name
    while rest[:1] and rest[0] in blanks:
        rest = rest[1:]
    while rest[-1:] and rest[-1] in blanks:
        rest = rest[:-1]
    negative = rest[:1] == "-"
    rest = rest[1:] if rest[:1] in {"-", "+"} and rest else rest
    value = 0
    for character in rest:
        if character not in "0123456789":
            return None
        value = value * 10 + "0123456789".index(character)
    value = -value if negative else value
    return value if rest and value in INT64 else None


@given(NAMES)
@example("9223372036854775808")
@example("-9223372036854775808")
@example("٣")
@example("1_0")
def test_a_name_is_the_number_that_model_server_reads(name: str) -> None:
    assert parse_version(name) == simple_atoi(name)


@given(st.sets(NAMES.filter(lambda name: "/" not in name and "\x00" not in name and name not in {"", ".", ".."})))
def test_a_folder_of_any_names_is_listed(folder: Path, names: set[str]) -> None:
    base = folder / "base"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir()
    made = set()
    for name in names:
        try:
            (base / name).mkdir()
            made.add(name)
        except (OSError, UnicodeEncodeError):
            continue  # no file system takes it
    found = list_version_dirs(base)
    assert [child.version for child in found] == sorted({v for name in made if (v := parse_version(name)) is not None})
    assert all(child.path.name in made for child in found)


@given(st.sets(st.integers(-3, 2**63 - 1)))
def test_the_next_number_was_never_used(taken: set[int]) -> None:
    try:
        version = next_version(taken)
    except PublishError:
        assert 2**63 - 1 in taken
        return
    assert version > max(taken, default=0)
    assert parse_version(str(version)) == version


@given(st.text(max_size=80), st.integers(1, 2**63 - 1))
def test_a_withdrawn_name_is_ignored_by_the_server_and_found_again(folder: Path, reason: str, version: int) -> None:
    base = folder / "withdrawn"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir()
    path = withdrawn_path(base, version, reason)
    path.mkdir()
    assert list_version_dirs(base) == []
    assert list_withdrawn(base) == {version: path}
    assert re.fullmatch(r"[0-9]+\.withdrawn-[a-z0-9-]+", path.name)
    assert withdrawn_path(base, version, reason) != path


@given(SETS, st.integers(0, 14), SETS, SETS, SETS)
def test_what_is_needed_is_never_removed(
    present: set[int], keep: int, serving: set[int], leased: set[int], good: set[int]
) -> None:
    doomed = versions_to_remove(present, keep=keep, serving=serving, leased=leased, good=good)
    left = present - set(doomed)
    assert doomed == sorted(set(doomed) & present)
    assert not set(doomed) & (serving | leased)
    assert set(sorted(present)[-max(1, keep) :]) <= left
    assert set(sorted(good & present)[-2:]) <= left
    assert versions_to_remove(left, keep=keep, serving=serving, leased=leased, good=good) == []
    assert len(left - serving - leased) <= max(1, keep) + 2
