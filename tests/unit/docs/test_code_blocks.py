"""What the pages show as code is run by a test, or says why not; and what it names is there."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import yaml

from tendies_ops.cli.main import app
from tendies_ops.server.flags import parse_flags
from tendies_ops.spec import ModelSpec
from tests.support.doc_blocks import REPOSITORY, FencedBlock, commands, fenced_blocks

#: page and language -> the test that runs its blocks.
RUN_BY = {
    ("README.md", "bash"): "tests/e2e/test_documented_commands.py",
    ("docs/tutorial/README.md", "bash"): "tests/e2e/test_documented_commands.py",
    ("docs/explanation/from-the-2018-notebook.md", "bash"): "tests/e2e/test_documented_commands.py",
    ("docs/explanation/from-the-2018-notebook.md", "python"): "tests/e2e/test_documented_commands.py",
    ("docs/how-to/first-steps.md", "bash"): "tests/e2e/test_first_steps.py",
    ("docs/how-to/i-have-a-model.md", "bash"): "tests/with_tensorflow/export/test_model_page.py",
    ("docs/how-to/i-have-a-model.md", "python"): "tests/with_tensorflow/export/test_model_page.py",
    ("docs/how-to/release.md", "bash"): "tests/e2e/release/test_how_to.py",
    ("docs/how-to/roll-back.md", "bash"): "tests/e2e/release/test_how_to.py",
    ("docs/how-to/serve.md", "bash"): "tests/e2e/release/test_how_to.py",
    ("docs/reference/batch.md", "python"): "tests/unit/inference/test_from_python.py",
    ("docs/how-to/bring-your-own-model.md", "python"): "tests/with_tensorflow/export/test_how_to.py",
    ("docs/how-to/schedule-a-batch.md", "python"): "tests/with_airflow/test_guides.py",
    ("docs/how-to/redeploy-on-checkpoint.md", "python"): "tests/with_airflow/test_guides.py",
    ("docs/how-to/airflow-install.md", "python"): "tests/with_airflow/test_guides.py",
    ("docs/reference/airflow.md", "python"): "tests/with_airflow/test_guides.py",
}
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
PYTHON = fenced_blocks("python")
YAML = fenced_blocks("yaml")
TENDIES = [(page, found) for page, found in commands("tendies") if re.fullmatch(r"[a-z]+", found[0])]


@pytest.mark.parametrize("block", fenced_blocks("bash", "python"), ids=str)
def test_a_block_is_run_by_a_test_or_says_why_not(block: FencedBlock) -> None:
    assert (block.page, block.language) in RUN_BY or re.search(r"not run: \S.{9,}", block.note)


def test_blocks_for_a_shell_are_marked_as_bash() -> None:
    assert [str(block) for block in fenced_blocks("sh", "shell", "console")] == []


@pytest.mark.parametrize(("page", "test"), [(page, test) for (page, _), test in RUN_BY.items()])
def test_the_test_that_runs_a_page_names_it(page: str, test: str) -> None:
    assert Path(page).stem in (REPOSITORY / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_what_a_python_block_imports_is_there(block: FencedBlock) -> None:
    missing = [name for name in imports_of(block.code) if not can_be_imported(name)]
    assert missing == []


@pytest.mark.parametrize("block", YAML, ids=str)
def test_a_part_of_a_spec_on_a_page_is_one_that_a_spec_may_have(block: FencedBlock) -> None:
    part = yaml.safe_load(block.code)
    ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}, **part})


@pytest.mark.parametrize(("page", "arguments"), TENDIES, ids=lambda value: value if isinstance(value, str) else None)
def test_every_option_that_a_page_gives_to_tendies_exists(page: str, arguments: tuple[str, ...]) -> None:
    command, *rest = arguments
    assert command in COMMANDS
    assert unknown_options(command, rest) == []


@pytest.mark.parametrize(("page", "arguments"), commands("python") + commands(".venv/bin/python"))
def test_every_script_and_module_that_a_page_runs_is_there(page: str, arguments: tuple[str, ...]) -> None:
    first, *rest = arguments
    if first == "-m":
        assert rest[0] == "venv" or can_be_imported(rest[0])
    else:
        names_a_block = any(block.page == page and block.code.startswith(f"# {first}\n") for block in PYTHON)
        assert names_a_block or (REPOSITORY / first).is_file()


def test_every_target_of_make_on_a_page_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {found[0] for _, found in commands("make")} <= targets


def test_what_is_not_there_would_be_found_out() -> None:
    assert not can_be_imported("tendies_ops.operators.release.MoonOperator")
    assert not can_be_imported("no_such_package.part")
    assert unknown_options("release", ["stripes", "--to-the-moon", "--server=x"]) == ["--to-the-moon"]
    assert unknown_options("serve", ["--to_the_moon=1"]) == ["--to_the_moon=1"]


def imports_of(code: str) -> Iterator[str]:
    """Every module, and every name taken from one, with its dots."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def can_be_imported(name: str) -> bool:
    """
    Tell whether a module or a name in one exists, importing nothing.

    Of other people's packages only the package itself is looked for: what is inside needs Airflow or TensorFlow.
    """
    package, *parts = name.split(".")
    if not (REPOSITORY / package).is_dir():
        return package in sys.builtin_module_names or importlib.util.find_spec(package) is not None
    path = REPOSITORY.joinpath(package, *parts)
    if path.with_suffix(".py").is_file() or path.is_dir():
        return True
    home = path.parent / "__init__.py" if path.parent.is_dir() else path.parent.with_suffix(".py")
    return home.is_file() and re.search(rf"\b{parts[-1]}\b", home.read_text(encoding="utf-8")) is not None


def unknown_options(command: str, arguments: list[str]) -> list[str]:
    """Which of the options a command does not have."""
    if command == "serve":
        options = [argument for argument in arguments if argument.startswith("--")]
        return [one for one in parse_flags(options).unknown if one != "--help"]
    known = {option for parameter in COMMANDS[command].params for option in parameter.opts + parameter.secondary_opts}
    given = [argument.partition("=")[0] for argument in arguments if re.match(r"--?[a-z]", argument)]
    return [one for one in given if one not in known | {"--help", "-h"}]
