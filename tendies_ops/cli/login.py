"""The login for the servers that a command asks: from files or ``TENDIES_TOKEN``, never a word of the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tendies_ops.cli.setting_options import given_settings, option_parameters
from tendies_ops.credentials import credentials_of_environment
from tendies_ops.spec import LoginSettings


def takes_login(command: Callable[..., int]) -> Callable[..., int]:
    """Add an option for each login setting to a command that takes what they amount to as ``credentials``."""
    options = tuple(option_parameters(LoginSettings))
    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [*(one for one in own if one.name != "credentials"), *options]

    def run(**values: Any) -> int:
        given = given_settings({one.name: values.pop(one.name) for one in options})
        credentials = credentials_of_environment().with_files(LoginSettings.model_validate(given))
        return command(**values, credentials=credentials)

    run.__doc__ = command.__doc__
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    )
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
