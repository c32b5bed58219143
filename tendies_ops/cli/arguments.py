"""Commands whose options are the fields of classes: of their own arguments, of settings, of the login for a server."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from tendies_ops.cli.setting_options import given_settings, option_parameters
from tendies_ops.credentials import credentials_of_environment
from tendies_ops.spec import LoginSettings

Arguments = TypeVar("Arguments")


def takes(
    arguments: type[Arguments], settings: Sequence[inspect.Parameter] = ()
) -> Callable[[Callable[[Arguments], int]], Callable[..., int]]:
    """
    Make a command of a function that takes one object: typer sees a parameter for each field of its class.

    :param arguments: a dataclass whose fields are annotated as typer's parameters are.
    :param settings: further options; those that were given go into the field ``given`` of the object.
    """

    def decorate(command: Callable[[Arguments], int]) -> Callable[..., int]:
        def read(**values: Any) -> Arguments:
            if settings:
                values["given"] = _taken_out(values, settings)
            return arguments(**values)

        def run(**values: Any) -> int:
            return command(read(**values))

        run.read = read  # type: ignore[attr-defined]  # what the words of a command line mean, without doing it
        return _described(run, command, [*_parameters(arguments, "given"), *settings])

    return decorate


def takes_login(command: Callable[..., int]) -> Callable[..., int]:
    """
    Add an option for each login setting to a command that takes what they amount to as ``credentials``.

    A token is in a file or in ``TENDIES_TOKEN``, never on the command line.
    """
    options = tuple(option_parameters(LoginSettings))

    def run(**values: Any) -> int:
        login = LoginSettings.model_validate(_taken_out(values, options))
        return command(**values, credentials=credentials_of_environment().with_files(login))

    return _described(run, command, [*_parameters(command, "credentials"), *options])


def _parameters(of: Callable[..., Any], leave_out: str) -> Iterable[inspect.Parameter]:
    return (one for one in inspect.signature(of, eval_str=True).parameters.values() if one.name != leave_out)


def _taken_out(values: dict[str, Any], options: Iterable[inspect.Parameter]) -> dict[str, Any]:
    return given_settings({one.name: values.pop(one.name) for one in options})


def _described(
    run: Callable[..., int], command: Callable[..., int], parameters: Iterable[inspect.Parameter]
) -> Callable[..., int]:
    """Return ``run`` with the help of ``command`` and the parameters that typer is to see."""
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    run.__doc__ = command.__doc__
    run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in keywords}
    return run
