"""Problems of settings as people read them: the place, what was found, what is right, and the nearest known name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tendies_ops.addresses import mask_logins
from tendies_ops.spec.login_settings import is_secret

#: Instead of pydantic's text, which speaks of Python.
_PLAIN_WORDS = {
    "model_type": "must be a mapping, `key: value`",
    "model_attributes_type": "must be a mapping, `key: value`",
    "dict_type": "must be a mapping, `key: value`",
    "tuple_type": "must be a list, `[a, b]`",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text; put it in quotes",
    "path_type": "must be a path",
}
#: What a pattern of a spec means; every pattern that a setting has is here.
_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "must begin with a letter or digit and have only letters, digits, `_`, `.`, `-`",
    r"^[A-Za-z0-9][A-Za-z0-9_-]*$": "must begin with a letter or digit and have only letters, digits, `_`, `-`",
    r"^[A-Za-z0-9_.-]*$": "must have only letters, digits, `_`, `.`, `-`",
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$": "must be an import path, `package.module.Name`",
    r"^(nothing|all|newest [1-9]\d*)$": "must be `nothing`, `all`, or `newest N` with a number, such as `newest 7`",
    r"^#[0-9a-fA-F]{6}$": "must be a colour, `#rrggbb`, in quotes",
}
_OF_A_UNION = re.compile(r"^(?:int|str|float|bool|literal|tuple|function|constrained)[-\[(]|^(?:int|str|float|bool)$")


def describe_problems(error: ValidationError, model: type[BaseModel]) -> str:
    """Return every problem of a pydantic error as ``a.b: what; found X``."""
    return "; ".join(describe(problem, model) for problem in error.errors())


def describe(problem: Any, model: type[BaseModel]) -> str:
    """Return one problem, as pydantic lists it, in a sentence without a stop; an unknown key has the nearest known."""
    location = location_of(problem)
    where = ".".join(map(str, location))
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        nearest = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.4)
        hint = f"did you mean `{nearest[0]}`?" if nearest else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key `{where}`; {hint}"
    if problem["type"] == "missing":
        return f"`{where}` is missing; add it"
    what = plain_words(problem)
    if not problem["loc"]:
        return what  # of several keys, which it names
    if is_secret(problem):
        return f"`{where}`: {what}"
    found = "nothing" if problem["input"] is None else repr(mask_logins(str(problem["input"]))[:80])
    return f"`{where}`: {what}; found {found}"


def plain_words(problem: Any) -> str:
    """Return what is wrong with a value, from pydantic's list, in a spec's terms; lower case, no full stop."""
    if problem["type"] == "string_pattern_mismatch":
        return _PATTERNS[problem["ctx"]["pattern"]]
    if problem["type"] == "literal_error":
        return _of_choices(problem)
    words = _PLAIN_WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    return re.sub(r"^(?:Input|Value|String|Tuple|List) should (be|have)", r"must \1", words)


def location_of(problem: Any) -> tuple[str | int, ...]:
    """Return the keys that lead to a problem, without what pydantic adds for the forms of a union."""
    problem_at = getattr(problem.get("ctx", {}).get("error"), "location", ())  # of a check of several keys
    parts = [part for part in (*problem["loc"], *problem_at) if isinstance(part, str | int)]
    while len(parts) > 1 and isinstance(parts[-1], str) and _OF_A_UNION.match(parts[-1]):
        parts.pop()
    return tuple(parts)


def _of_choices(problem: Any) -> str:
    choices = re.findall(r"'([^']*)'|(\d+)", problem["ctx"]["expected"])
    names = [text or number for text, number in choices]
    nearest = difflib.get_close_matches(str(problem["input"]), names, n=1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    return f"must be one of {', '.join(names)}{hint}" if len(names) > 1 else f"must be {names[0]}"


def _keys_at(model: type[BaseModel], location: Iterable[str | int]) -> list[str]:
    parts = iter(location)
    for part in parts:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        candidates = [annotation, *get_args(annotation)]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not nested:
            return []
        if get_origin(annotation) in (dict, tuple):
            next(parts, None)  # the name or the number of an entry
        model = nested[0]
    return list(model.model_fields)
