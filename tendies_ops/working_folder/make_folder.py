"""Making a working folder from the templates in the package."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from tendies_ops.errors import UsageError
from tendies_ops.working_folder.environment import airflow_environment

_TEMPLATES = Path(__file__).parent / "templates"
_DAG_FILES = Path(__file__).parents[1] / "example_dags"
_RENAMED = {"gitignore": ".gitignore"}  # a .gitignore in the package would keep its neighbours out of the wheel


def make_folder(folder: Path, *, compose: bool = False) -> list[Path]:
    """
    Create the files and folders that a working folder lacks; those that exist remain unchanged.

    :param compose: include a Docker Compose file with the real Model Server.
    :return: what was created, relative to the folder.
    :raises UsageError: the folder cannot be made.
    """
    folder = folder.absolute()
    created = []
    try:
        for name, content in _files(folder, compose=compose):
            target = folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content, encoding="utf-8")
                created.append(Path(name))
        for name in ("models", "pictures", "results"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot make the working folder {folder}: {error.strerror} ({error.filename}).") from None
    return created


def _files(folder: Path, *, compose: bool) -> Iterator[tuple[str, str]]:
    """Yield name and content of each file of a working folder."""
    for path in sorted(_TEMPLATES.rglob("*")):
        name = str(path.relative_to(_TEMPLATES))
        if path.is_file() and (compose or name != "compose.yaml"):
            yield _RENAMED.get(name, name), path.read_text(encoding="utf-8")
    for path in sorted(_DAG_FILES.glob("tendies_*.py")):
        yield f"dags/{path.name}", path.read_text(encoding="utf-8")
    yield "airflow.env", _environment_file(folder)


def _environment_file(folder: Path) -> str:
    variables = airflow_environment(folder)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join(["# For `airflow` in a terminal: `. ./airflow.env`", *lines, ""])
