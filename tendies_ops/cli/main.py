"""``tendies``: wires the commands together and turns errors into one paragraph and an exit status."""

from __future__ import annotations

import gc
import re
import sys
from importlib.metadata import version
from typing import Annotated, cast

import typer

from tendies_ops.cli import (
    batch,
    check,
    dev,
    doctor,
    export,
    init,
    inspect,
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
_START, _MODELS, _PICTURES, _SERVERS = "Start", "Models", "Pictures", "Servers"
app.command("init", rich_help_panel=_START)(init.init_command)
app.command("inspect", rich_help_panel=_START)(inspect.inspect_command)
app.command("check", rich_help_panel=_START)(check.check_command)
app.command("dev", rich_help_panel=_START)(dev.dev_command)
app.command("export", rich_help_panel=_MODELS)(export.export_command)
app.command("publish", rich_help_panel=_MODELS)(publish.publish_command)
app.command("release", rich_help_panel=_MODELS)(release.release_command)
app.command("rollback", rich_help_panel=_MODELS)(rollback.rollback_command)
app.command("versions", rich_help_panel=_MODELS)(versions.versions_command)
app.command("batch", rich_help_panel=_PICTURES)(batch.batch_command)
app.command("replay", rich_help_panel=_PICTURES)(replay.replay_command)
app.command("tidy", rich_help_panel=_PICTURES)(tidy.tidy_command)
app.command("doctor", rich_help_panel=_SERVERS)(doctor.doctor_command)
app.command("serve", rich_help_panel=_SERVERS, context_settings=serve.CONTEXT_SETTINGS, add_help_option=False)(
    serve.serve_command
)


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
    """Whether that is what it came from; an import, a thread and a system call each say it in their way."""
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
    # Said only here: until the error is let go, its frames hold the memory.
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
