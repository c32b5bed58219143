"""Reading spec files, with errors that name the place and the nearest right word."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from tendies_ops.addresses import mask_logins
from tendies_ops.errors import SpecError
from tendies_ops.spec.login_settings import LOGIN_FILES, is_secret
from tendies_ops.spec.model import ModelSpec
from tendies_ops.spec.templates import is_template

_PATHS_IN_SPEC = (
    ("source", "checkpoint"),
    ("source", "graph"),
    ("release", "model_base_path"),
    ("airflow", "watch_dir"),
    ("batch", "input"),
    ("batch", "output"),
    *((section, name) for section in ("release", "batch") for name in LOGIN_FILES),
)
_LISTS_OF_PATHS_IN_SPEC = (
    ("source", "allowed_checkpoints"),
    ("batch", "allowed_inputs"),
    ("batch", "allowed_outputs"),
)

#: What pydantic says in words of Python.
_PLAIN_WORDS = {
    "model_type": "must be a mapping, `key: value`",
    "dict_type": "must be a mapping, `key: value`",
    "tuple_type": "must be a list, `[a, b]`",
}


class _Loader(yaml.SafeLoader):
    """YAML in which no key may be there twice: the first one would be forgotten without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Called for every mapping, before keys of others are merged into it (``<<``)."""
        seen: set[object] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping", node.start_mark, f"found the key {key.value!r} twice", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def load_spec(path: Path) -> ModelSpec:
    """
    Read one model spec. Relative paths in it are taken from the file's own directory.

    :raises SpecError: there is no such file, it is not YAML, or a key or value is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"There is no model spec at {path}. {_specs_nearby(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"The model spec {path} cannot be read: {error}.") from error
    try:
        data = _Loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none, such as 2024-13-01
        raise SpecError(f"The model spec {path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise SpecError(
            f"The model spec {path} must be a mapping that starts with `model_name:`; found {type(data).__name__}."
        )
    try:
        return ModelSpec.model_validate(_with_absolute_paths(data, path.parent.resolve()))
    except ValidationError as error:
        raise SpecError(f"The model spec {path} is wrong: {describe_problems(error, ModelSpec)}") from error


def describe_problems(error: ValidationError, model: type[BaseModel]) -> str:
    """Every problem of a pydantic error as ``a.b: what; found X``, unknown keys with the nearest right one."""
    return "; ".join(_describe(problem, model) for problem in error.errors())


def _describe(problem: Any, model: type[BaseModel]) -> str:
    location = [part for part in problem["loc"] if isinstance(part, str | int)]
    where = ".".join(map(str, location))
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        nearest = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.4)
        hint = f"did you mean `{nearest[0]}`?" if nearest else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key `{where}`; {hint}"
    if problem["type"] == "missing":
        return f"`{where}` is missing"
    if is_secret(problem):
        return f"`{where}`: {problem['msg'].removeprefix('Value error, ')}"
    what = _PLAIN_WORDS.get(problem["type"], problem["msg"]).removeprefix("Value error, ")
    found = "nothing" if problem["input"] is None else repr(mask_logins(str(problem["input"]))[:80])
    return f"`{where}`: {what}; found {found}"


def _keys_at(model: type[BaseModel], location: Iterable[str | int]) -> list[str]:
    parts = iter(location)
    for part in parts:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        candidates = [annotation, *get_args(annotation)]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not nested:
            return []
        if get_origin(annotation) is dict:
            next(parts, None)  # the name of an entry, which is nobody's key
        model = nested[0]
    return list(model.model_fields)


def _with_absolute_paths(data: dict[str, Any], base: Path) -> dict[str, Any]:
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for section, key in _PATHS_IN_SPEC:
        part = result.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str) and "://" not in part[key]:
            part[key] = _absolute_path(part[key], base)
    for section, key in _LISTS_OF_PATHS_IN_SPEC:
        part = result.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), list):
            part[key] = [_absolute(item, base) for item in part[key]]
    source = result.get("source")
    if isinstance(source, dict) and isinstance(source.get("builder"), str):
        source["builder"] = _with_absolute_file(source["builder"], base)
    if isinstance(result.get("golden"), list):
        result["golden"] = [str(base / item) if isinstance(item, str) else item for item in result["golden"]]
    return result


def _absolute_path(text: str, base: Path) -> str:
    if not is_template(text):
        return os.path.normpath(base / text)
    return text if text.startswith(("/", "{")) else f"{base}/{text}"  # Jinja is left as it is written


def _absolute(item: Any, base: Path) -> Any:
    return os.path.normpath(base / item) if isinstance(item, str) and "://" not in item else item


def _with_absolute_file(builder: str, base: Path) -> str:
    file, separator, function = builder.rpartition(":")
    return f"{os.path.normpath(base / file)}:{function}" if separator and file.endswith(".py") else builder


def _specs_nearby(path: Path) -> str:
    found = sorted(path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    if not found:
        return "Give the path of a YAML file; `tendies init DIR` makes a folder to start from."
    nearest = difflib.get_close_matches(path.name, [p.name for p in found], n=1, cutoff=0.3)
    return f"Did you mean {path.with_name(nearest[0])}?" if nearest else f"There is {found[0]}."
