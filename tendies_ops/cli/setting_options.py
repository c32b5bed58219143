"""Command line options made from the fields of a settings class."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from typer import Option

from tendies_ops.errors import UsageError
from tendies_ops.spec.login_settings import LoginSettings, is_secret
from tendies_ops.spec.problems import plain_words

_OLD = "__was__"  # in the name of a parameter, before an earlier spelling


def option_parameters(model: type[BaseModel], only: Collection[str] = ()) -> Iterator[inspect.Parameter]:
    """Yield a parameter for each field, or for some of them, named as it is; None: the option was not given."""
    for name, field in model.model_fields.items():
        if not only or name in only:
            words = f"{flag(name)}/--no-{_words(name)}" if field.default is True else flag(name)
            yield _parameter(name, _form(field.annotation), words, help_text(field), panel=_panel(name, field))


def hidden_parameter(name: str, model: type[BaseModel], stands_for: str) -> inspect.Parameter:
    """Return an option that is not in the help: an earlier spelling of the setting ``stands_for``."""
    form = _form(model.model_fields[stands_for].annotation)
    return _parameter(f"{stands_for}{_OLD}{name}", form, flag(name), "", hidden=True)


def given_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, under the names of their settings."""
    return {name.partition(_OLD)[0]: value for name, value in values.items() if value not in (None, [], ())}


def flag(name: str) -> str:
    """Return the option of a setting."""
    return f"--{_words(name)}"


def help_text(field: FieldInfo) -> str:
    """Return the description as a sentence, and the default if it is not in the description."""
    description = field.description or ""
    sentence = description[:1].upper() + description[1:] + "."
    default = default_text(field)
    return f"{sentence} Default: {default}." if default else sentence


def default_text(field: FieldInfo) -> str:
    """Return the default as it is written in a spec; empty if it has no default."""
    default = field.default
    if field.default_factory is not None or default is None or default == () or isinstance(default, BaseModel):
        return ""
    return (
        str(default).lower()
        if isinstance(default, bool)
        else f"{default:g}"
        if isinstance(default, float)
        else str(default)
    )


@contextlib.contextmanager
def option_named() -> Iterator[None]:
    """
    Validate settings against the limits of a spec, and name the option of a value beyond them.

    :raises UsageError: one is.
    """
    try:
        yield
    except ValidationError as error:
        found = error.errors()[0]
        name = next(part for part in reversed(found["loc"]) if isinstance(part, str) and "-" not in part)
        value = "" if is_secret(found) else f" {found['input']}"
        raise UsageError(f"{flag(name)}{value}: {plain_words(found)}.") from None


def _words(name: str) -> str:
    return name.replace("_", "-")


def _panel(name: str, field: FieldInfo) -> str | None:
    """Return the group of the help that a setting belongs to; None: the general one."""
    if name in LoginSettings.model_fields:
        return "Login and TLS"
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("changes_output"):
        return "Results"
    return "Limits" if name.startswith(("max_", "min_")) or name.endswith("_s") else None


def _parameter(
    name: str, form: Any, words: str, text: str, *, hidden: bool = False, panel: str | None = None
) -> inspect.Parameter:
    option = Option(
        words if form is bool else words.partition("/")[0],
        help=text,
        hidden=hidden,
        show_default=False,
        rich_help_panel=panel,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[form | None, option], default=None
    )


def _form(annotation: Any) -> Any:
    """Return the type that a value has on the command line; the settings class turns texts into what it needs."""
    if get_origin(annotation) is Annotated:
        return _form(get_args(annotation)[0])
    if get_origin(annotation) is Literal or annotation in (bool, int, float, Path):
        return annotation
    choices = [one for one in get_args(annotation) if one is not type(None)]
    if get_origin(annotation) is dict:
        return list[str]
    if get_origin(annotation) is tuple:
        return list[str] if choices[-1] is Ellipsis else str
    return _form(choices[0]) if len(choices) == 1 else str
