"""publish, release, rollback and versions as a user or a script meets them: words, JSON, exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.cli.main import main
from tests.support.candidates import make_candidate, write_manifest
from tests.support.saved_graphs import graph_of
from tests.support.watching_server import WatchingServer


class CommandLine:
    """Runs ``tendies`` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit status, stdout, stderr."""
        self._monkeypatch.setattr("sys.argv", ["tendies", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        written = self._capsys.readouterr()
        return int(ended.value.code or 0), written.out, " ".join(written.err.split())

    def json(self, *arguments: object) -> Any:
        status, out, err = self(*arguments, "--json")
        assert status == 0, err
        return json.loads(out)


@pytest.fixture
def tendies(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def test_the_whole_pipeline_in_json(tmp_path: Path, base: Path, server: WatchingServer, tendies: CommandLine) -> None:
    first, second = (make_candidate(tmp_path / f"{n}", by=n * 10, step=n) for n in (1, 2))
    where = ("--model-base-path", base, "--server", server.url)

    published = tendies.json("publish", first, "--model-base-path", base, "--no-check")
    released = [tendies.json("release", candidate, *where, "--no-rehearsal") for candidate in (first, second)]
    listed = tendies.json("versions", *where)
    back = tendies.json("rollback", *where, "--reason", "seams")

    assert (published["version"], published["created"]) == (1, True)
    assert [(r["version"], r["state"], r["previous_version"]) for r in released] == [
        (1, "released", None),
        (2, "released", 1),
    ]
    assert [(v["version"], v["checkpoint_step"], v["serving_on"]) for v in listed["versions"]] == [
        (2, 2, [server.url]),
        (1, 1, []),
    ]
    assert (back["version"], back["state"]) == (1, "rolled_back")


def test_a_person_reads_what_happened(tmp_path: Path, base: Path, server: WatchingServer, tendies: CommandLine) -> None:
    where = ("--model-base-path", base, "--server", server.url)

    status, out, err = tendies("release", make_candidate(tmp_path / "a"), *where, "--no-rehearsal")

    assert status == 0
    assert "Version 1 of stripes is released." in out
    assert "2 golden images as promised" in out
    assert "Published version 1" in err
    status, out, _ = tendies("versions", *where)
    assert "released" in out
    assert "1 of 1" in out


def test_a_red_release_ends_with_one_and_the_servers_words(
    tmp_path: Path, base: Path, server: WatchingServer, tendies: CommandLine
) -> None:
    where = ("--model-base-path", base, "--server", server.url, "--no-rehearsal")
    tendies.json("release", make_candidate(tmp_path / "a"), *where)

    status, out, err = tendies(
        "release", make_candidate(tmp_path / "b", error="INTERNAL: a headache"), *where, "--json"
    )

    assert status == 1
    assert json.loads(out)["error"]["type"] == "LoadFailedError"
    assert "a headache" in err
    assert "Version 1 serves on" in err


def test_a_server_with_another_model_name_is_named_before_anything_is_changed(
    tmp_path: Path, base: Path, server: WatchingServer, tendies: CommandLine
) -> None:
    where = ("--model-base-path", base, "--server", server.url, "--no-rehearsal")
    tendies.json("release", make_candidate(tmp_path / "a"), *where)

    status, _, err = tendies("release", make_candidate(tmp_path / "b", model_name="strpes", by=20), *where)

    assert status == 1
    assert "answers and does not know the model strpes" in err
    assert server.loads == [1]


@pytest.mark.parametrize(
    ("arguments", "expected_status", "words"),
    [
        (
            ("release", "{tmp}/none.yaml", "--model-base-path", "{base}", "--server", "http://h:1"),
            2,
            "no model spec at",
        ),
        (("release", "{tmp}/none", "--model-base-path", "{base}", "--server", "http://h:1"), 2, "neither a SavedModel"),
        (("release", "{tmp}/a", "--server", "http://h:1"), 2, "--model-base-path BASE"),
        (("release", "{tmp}/a", "--model-base-path", "{base}"), 2, "Name at least one Model Server"),
        (("release", "{tmp}/a", "--model-base-path", "{base}", "--server", "h:1"), 2, "is not the address"),
        (("release", "{tmp}", "--model-base-path", "{base}", "--server", "http://h:1"), 1, "tendies export"),
        (("publish", "{tmp}/a", "--model-base-path", "{tmp}/x/y", "--no-check"), 2, "Neither the model base path"),
        (("publish", "{tmp}/a", "--model-base-path", "{tmp}/a/fake.json", "--no-check"), 2, "is a file"),
        (("rollback", "--model-base-path", "{base}", "--server", "http://h:1"), 2, "names the model"),
        (("rollback", "--model-base-path", "{tmp}/x", "--server", "http://h:1"), 2, "There is no model base path"),
        (("versions", "--model-base-path", "{tmp}/x"), 2, "There is no model base path"),
    ],
)
def test_a_mistake_is_one_clear_sentence(
    tmp_path: Path, base: Path, tendies: CommandLine, arguments: tuple[str, ...], expected_status: int, words: str
) -> None:
    make_candidate(tmp_path / "a")

    status, _, err = tendies(*(argument.format(tmp=tmp_path, base=base) for argument in arguments))

    assert status == expected_status, err
    assert words in err
    assert "Traceback" not in err


def test_going_back_where_there_is_nothing_says_so_and_changes_nothing(
    tmp_path: Path, base: Path, server: WatchingServer, tendies: CommandLine
) -> None:
    where = ("--model-base-path", base, "--server", server.url)
    tendies.json("release", make_candidate(tmp_path / "a"), *where, "--no-rehearsal")

    status, _, err = tendies("rollback", *where)
    assert (status, "nothing to roll back to" in err) == (1, True)
    status, _, err = tendies("rollback", *where, "--to", 7)
    assert (status, "There is no version 7" in err) == (2, True)
    assert server.serving() == [1]


@pytest.mark.parametrize("operation", ["ReadFile", "WriteFile", "PyFunc", "Vendor>Op"])
def test_a_hostile_candidate_is_refused_before_anything_is_copied(
    tmp_path: Path, base: Path, server: WatchingServer, tendies: CommandLine, operation: str
) -> None:
    where = ("--model-base-path", base, "--server", server.url, "--no-rehearsal")
    tendies.json("release", make_candidate(tmp_path / "a"), *where)
    hostile = make_candidate(tmp_path / "b", by=20)
    (hostile / "saved_model.pb").write_bytes(graph_of("Const", operation))
    write_manifest(hostile)

    status, _, err = tendies("release", hostile, *where)

    assert status == 1
    assert operation in err
    assert "--allow-operation" in err
    assert (server.loads, server.serving()) == ([1], [1])
    assert [path.name for path in base.iterdir() if path.name[0] != "."] == ["1"]
