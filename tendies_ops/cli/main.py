"""``tendies``: wires the commands together and turns errors into one paragraph and an exit status."""

from __future__ import annotations

import gc
import inspect as inspect_module
import re
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any, cast

import typer

from tendies_ops.cli import (
    batch,
    check,
    dev,
    doctor,
    export,
    init,
    inspect,
    partitions,
    publish,
    release,
    replay,
    rollback,
    serve,
    tidy,
    versions,
)
from tendies_ops.cli.output import EXIT_WRONG_USAGE, error_console, fail
from tendies_ops.errors import OutOfMemoryError, TendiesError

#: Base of every complaint about the command line. Newer typer brings a click of its own, so it is not that of click.
CommandLineError: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)

_NO_MEMORY = (
    "There is not enough memory to go on, or no more threads are allowed. What was done is kept. Give the process more "
    "(a container's limit, ulimit -v, ulimit -u) and run the same command again."
)
#: Of Python, the C library, and its loader.
_MEMORY_WORDS = ("can't start new thread", "Cannot allocate memory", "failed to map segment")

#: Words of the option parser that speak of Python.
_PLAIN = {"integer": "must be a whole number", "number": "must be a number"}
_NOT_PLAIN = re.compile(r"Input should be a valid (integer|number)\b.*")

app = typer.Typer(
    name="tendies",
    help="Release image models to TensorFlow Model Server and run folders of pictures through them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(panel: str, name: str, command: Callable[..., int], **settings: Any) -> None:
    """Add a command to a panel of the help; the examples in its docstring go to the end of its own help."""
    text, separator, examples = inspect_module.cleandoc(command.__doc__ or "").partition("\nExample")
    epilog = f"Example{' '.join(examples.split())}" if separator else None
    app.command(name, rich_help_panel=panel, help=text.rstrip(), epilog=epilog, **settings)(command)


_add("Start", "init", init.init_command)
_add("Start", "inspect", inspect.inspect_command)
_add("Start", "check", check.check_command)
_add("Start", "dev", dev.dev_command)
_add("Models", "export", export.export_command)
_add("Models", "publish", publish.publish_command)
_add("Models", "release", release.release_command)
_add("Models", "rollback", rollback.rollback_command)
_add("Models", "versions", versions.versions_command)
_add("Pictures", "batch", batch.batch_command)
_add("Pictures", "partitions", partitions.partitions_command)
_add("Pictures", "replay", replay.replay_command)
_add("Pictures", "tidy", tidy.tidy_command)
_add("Servers", "doctor", doctor.doctor_command)
_add("Servers", "serve", serve.serve_command, context_settings=serve.CONTEXT_SETTINGS, add_help_option=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"tendies {version('airflow-provider-tendies')}\n")
        raise typer.Exit


@app.callback()
def _without_command(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def ran_out_of_memory(error: BaseException | None) -> bool:
    """Return True if a lack of memory caused the error; imports, threads and system calls report it differently."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def main() -> None:
    """Entry point of the console script."""
    gc.freeze()  # what the imports made stays to the end; looking through it once more there takes a sixth of a start
    as_json = "--json" in sys.argv
    try:
        sys.exit(_run(as_json=as_json))
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
    # Reported only here: until the error is released, its frames hold the memory.
    sys.exit(fail(OutOfMemoryError(_NO_MEMORY), as_json=as_json))


def _run(*, as_json: bool) -> int:
    """One command; returns its exit status."""
    try:
        status = app(standalone_mode=False)
    except TendiesError as error:
        return fail(error, as_json=as_json)
    except CommandLineError as error:
        complaint = cast("typer.BadParameter", error)
        plain = complaint.message.replace("Value error, ", "")
        complaint.message = _NOT_PLAIN.sub(lambda found: _PLAIN[found.group(1)], plain)
        complaint.show()
        return EXIT_WRONG_USAGE
    except (KeyboardInterrupt, typer.Abort):
        error_console.print("Stopped. What was done is kept; the same command goes on from there.")
        return 130
    return status if isinstance(status, int) else 0
