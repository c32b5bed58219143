"""Reading spec files, with errors that name the place and the nearest known key."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tendies_ops.errors import SpecError
from tendies_ops.spec.login_settings import LOGIN_FILES
from tendies_ops.spec.model import ModelSpec
from tendies_ops.spec.problems import describe, location_of
from tendies_ops.spec.templates import is_template
from tendies_ops.spec.yaml_file import YamlError, YamlFile, parse_yaml

#: Keys that hold a path or a list of paths, by their section.
_PATHS_IN_SPEC = {
    "source": ("checkpoint", "graph", "allowed_checkpoints"),
    "optimize": ("photos",),
    "release": ("model_base_path", *LOGIN_FILES),
    "airflow": ("watch_dir",),
    "batch": ("input", "output", "allowed_inputs", "allowed_outputs", *LOGIN_FILES),
}


@dataclass(frozen=True)
class SpecProblem:
    """A mistake in a spec: the line, and what is wrong, without a stop."""

    line: int | None
    message: str

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@dataclass(frozen=True)
class SpecFile:
    """A spec as it was read."""

    spec: ModelSpec | None  #: None: it has problems
    problems: list[SpecProblem]
    yaml: YamlFile | None  #: None: it is not YAML

    def line_of(self, location: Iterable[str | int]) -> int | None:
        """Return the line of a value."""
        return None if self.yaml is None else self.yaml.line_of(location)


def load_spec(path: Path) -> ModelSpec:
    """
    Read one model spec. Relative paths in it are taken from the file's own directory.

    :raises SpecError: there is no such file, it is not YAML, or keys or values are wrong: all of them are named.
    """
    found = read_spec(path)
    if found.spec is None:
        kind = "is not YAML" if found.yaml is None else "is wrong"
        raise SpecError(f"The model spec {path} {kind}: {'; '.join(map(str, found.problems))}.")
    return found.spec


def read_spec(path: Path) -> SpecFile:
    """
    Read one model spec, or else find all mistakes in it.

    :raises SpecError: there is no such file, or it cannot be read.
    """
    text = _text_of(path)
    try:
        file = parse_yaml(text)
    except YamlError as error:
        return SpecFile(None, [SpecProblem(error.line, str(error))], None)
    if not isinstance(file.data, dict):
        found = "nothing" if file.data is None else f"a {type(file.data).__name__}"
        message = f"a spec must be a mapping that starts with `model_name:`; found {found}"
        return SpecFile(None, [SpecProblem(1, message)], file)
    try:
        return SpecFile(ModelSpec.model_validate(_with_absolute_paths(file.data, path.parent.resolve())), [], file)
    except ValidationError as error:
        return SpecFile(None, _problems_of(error, file), file)


def _problems_of(error: ValidationError, file: YamlFile) -> list[SpecProblem]:
    """Return the problems in the order of their lines, without those that follow from one further inside."""
    problems = {location_of(one): one for one in reversed(error.errors())}
    inner = [at for at in problems if not any(other[: len(at)] == at and other != at for other in problems)]
    found = [SpecProblem(file.line_of(at), describe(problems[at], ModelSpec)) for at in inner]
    return sorted(found, key=lambda problem: (problem.line or 0, problem.message))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except FileNotFoundError:
        raise SpecError(f"There is no model spec at {path}. {_specs_nearby(path)}") from None
    except OSError as error:
        raise SpecError(f"The model spec {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"The model spec {path} is not text in UTF-8 ({error.reason} at byte {error.start}).") from None


def _with_absolute_paths(data: dict[str, Any], base: Path) -> dict[str, Any]:
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for section, keys in _PATHS_IN_SPEC.items():
        _make_absolute(result.get(section), keys, base)
    if isinstance(batches := result.get("batches"), dict):
        result["batches"] = {name: dict(one) if isinstance(one, dict) else one for name, one in batches.items()}
        for batch in result["batches"].values():
            _make_absolute(batch, _PATHS_IN_SPEC["batch"], base)
    contract = result.get("contract")
    if isinstance(contract, dict) and isinstance(inputs := contract.get("extra_inputs"), dict):
        result["contract"] = {
            **contract,
            "extra_inputs": {k: _with_absolute_files(v, base) for k, v in inputs.items()},
        }
    source = result.get("source")
    if isinstance(source, dict) and isinstance(source.get("builder"), str):
        source["builder"] = _with_absolute_file(source["builder"], base)
    if isinstance(result.get("golden"), list):
        result["golden"] = [str(base / item) if isinstance(item, str) else item for item in result["golden"]]
    return result


def _make_absolute(part: Any, keys: Iterable[str], base: Path) -> None:
    for key in keys if isinstance(part, dict) else ():
        value = part.get(key)
        if isinstance(value, list):
            part[key] = [_absolute(item, base) for item in value]
        elif value is not None:
            part[key] = _absolute(value, base)


def _absolute(value: Any, base: Path) -> Any:
    if not isinstance(value, str) or "://" in value:
        return value
    if not is_template(value):
        return os.path.normpath(base / value)
    return value if value.startswith(("/", "{")) else f"{base}/{value}"  # Jinja is left as it is written


def _with_absolute_files(one: Any, base: Path) -> Any:
    """Return an extra input; if it is a picture, its choices are files, and it may have a network."""
    if not isinstance(one, dict) or one.get("picture") is None:
        return one
    result = dict(one)
    if isinstance(one.get("choices"), dict):
        result["choices"] = {name: _absolute(value, base) for name, value in one["choices"].items()}
    if isinstance(one.get("network"), dict):
        result["network"] = dict(one["network"])
        _make_absolute(result["network"], _PATHS_IN_SPEC["source"], base)
    return result


def _with_absolute_file(builder: str, base: Path) -> str:
    file, separator, function = builder.rpartition(":")
    return f"{os.path.normpath(base / file)}:{function}" if separator and file.endswith(".py") else builder


def _specs_nearby(path: Path) -> str:
    found = sorted(path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    if not found:
        return "Give the path of a YAML file; `tendies init DIR` makes a folder to start from."
    nearest = difflib.get_close_matches(path.name, [p.name for p in found], n=1, cutoff=0.3)
    return f"Did you mean {path.with_name(nearest[0])}?" if nearest else f"There is {found[0]}."
