"""Command line options made from the fields of a settings class."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from typer import Option

from tendies_ops.errors import UsageError

Settings = TypeVar("Settings", bound=BaseModel)


def option_parameters(
    model: type[BaseModel], *, leave_out: frozenset[str] = frozenset()
) -> Iterator[inspect.Parameter]:
    """Yield a parameter for each field, named as it is; None: the option was not given."""
    for name, field in model.model_fields.items():
        if name not in leave_out:
            words = f"{flag(name)}/--no-{_words(name)}" if field.default is True else flag(name)
            yield _parameter(name, _form(field.annotation), words, help_text(field))


def hidden_parameter(name: str, model: type[BaseModel], stands_for: str) -> inspect.Parameter:
    """Return an option that is not in the help: an earlier spelling of the setting ``stands_for``."""
    form = _form(model.model_fields[stands_for].annotation)
    return _parameter(f"old_{name}", form, flag(name), "", hidden=True)


def flag(name: str) -> str:
    """Return the option of a setting."""
    return f"--{_words(name)}"


def help_text(field: FieldInfo) -> str:
    """Return the description as a sentence, and the default if it is not in the description."""
    description = field.description or ""
    sentence = description[:1].upper() + description[1:] + "."
    return sentence if field.default in (None, ()) else f"{sentence} Default: {default_text(field)}."


def default_text(field: FieldInfo) -> str:
    """Return the default as it is written in a spec; empty if there is none."""
    default = field.default
    if default is None or default == ():
        return ""
    return (
        str(default).lower()
        if isinstance(default, bool)
        else f"{default:g}"
        if isinstance(default, float)
        else str(default)
    )


def validated(model: type[Settings], values: Mapping[str, Any]) -> Settings:
    """
    Return the settings with what the command line says, held against the same limits as a spec.

    :raises UsageError: a value is beyond them; names the option.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors()[0]
        message = found["msg"].removeprefix("Value error, ")
        raise UsageError(f"{flag(str(found['loc'][0]))} {found['input']}: {message[0].lower()}{message[1:]}.") from None


def _words(name: str) -> str:
    return name.replace("_", "-")


def _parameter(name: str, form: Any, words: str, text: str, *, hidden: bool = False) -> inspect.Parameter:
    option = Option(words if form is bool else words.partition("/")[0], help=text, hidden=hidden, show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[form | None, option], default=None
    )


def _form(annotation: Any) -> Any:
    """Return the type that a value has on the command line; the settings class turns texts into what it needs."""
    if get_origin(annotation) is Annotated:
        return _form(get_args(annotation)[0])
    if get_origin(annotation) is Literal or annotation in (bool, int, float):
        return annotation
    choices = [one for one in get_args(annotation) if one is not type(None)]
    if get_origin(annotation) is tuple:
        return list[str] if choices[-1] is Ellipsis else str
    return _form(choices[0]) if len(choices) == 1 else str
