from __future__ import annotations

import subprocess
import sys

import pytest

from tendies_ops.cli.main import app
from tests.support.command_line import run_command

COMMANDS = [str(command.name) for command in app.registered_commands]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "serve"])
def test_the_help_of_a_command_ends_with_an_example_that_calls_it(name: str) -> None:
    lines = [line.strip() for line in run_command(name, "--help").stdout.splitlines() if line.strip()]

    ending = " ".join(lines[-8:])
    assert "Example" in ending.rpartition("╯")[2]
    assert f"tendies {name}" in ending


def test_the_commands_are_listed_in_groups() -> None:
    listing = run_command("--help").stdout

    places = [listing.index(f"─ {group} ─") for group in ("Start", "Models", "Pictures", "Servers")]
    assert places == sorted(places)
    assert all(f"│ {name} " in listing for name in COMMANDS)


def test_the_options_of_a_batch_are_in_groups() -> None:
    text = run_command("batch", "--help").stdout

    for group, option in (("Results", "--output-format"), ("Limits", "--max-failed"), ("Login and TLS", "--ca-file")):
        assert option in text[text.index(f"─ {group} ─") :].partition("╰")[0]


def test_a_table_of_versions_that_is_piped_has_one_line_a_version(tmp_path: object) -> None:
    from tests.support.candidates import make_candidate

    base = tmp_path / "base"  # type: ignore[operator]
    make_candidate(base / "1")

    heading, row, *_ = run_command("versions", "--model-base-path", base).stdout.splitlines()

    assert heading.split("\t")[:2] == ["version", "state"]
    assert row.split("\t")[0] == "1"


def test_serve_without_tensorflow_ends_at_once_and_names_the_extra() -> None:
    code = (
        "import sys, importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'tensorflow' else find(name, *rest)\n"
        "sys.argv = ['tendies', 'serve', '--rest_api_port=0', '--model_name=m', '--model_base_path=/nowhere']\n"
        "from tendies_ops.cli.main import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert "needs the package tensorflow, which is not installed" in ended.stderr
    assert "airflow-provider-tendies[tensorflow]" in ended.stderr
