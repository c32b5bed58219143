"""``tendies``: wires the commands together and turns errors into one paragraph and an exit status."""

from __future__ import annotations

import gc
import sys
from typing import cast

import typer

from tendies_ops.cli import batch, export, publish, release, replay, rollback, serve, versions
from tendies_ops.cli.output import EXIT_WRONG_USAGE, error_console, fail
from tendies_ops.errors import TendiesError

#: Base of every complaint about the command line. Newer typer brings a click of its own, so it is not that of click.
CommandLineError: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)

app = typer.Typer(
    name="tendies",
    help="Release image models to TensorFlow Model Server and run folders of pictures through them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("export")(export.export_command)
app.command("publish")(publish.publish_command)
app.command("release")(release.release_command)
app.command("rollback")(rollback.rollback_command)
app.command("versions")(versions.versions_command)
app.command("batch")(batch.batch_command)
app.command("replay")(replay.replay_command)
app.command("serve", context_settings=serve.CONTEXT_SETTINGS, add_help_option=False)(serve.serve_command)


def main() -> None:
    """Entry point of the console script."""
    gc.freeze()  # what the imports made stays to the end; looking through it once more there takes a sixth of a start
    as_json = "--json" in sys.argv
    try:
        status = app(standalone_mode=False)
    except TendiesError as error:
        sys.exit(fail(error, as_json=as_json))
    except CommandLineError as error:
        cast("typer.BadParameter", error).show()
        sys.exit(EXIT_WRONG_USAGE)
    except (KeyboardInterrupt, typer.Abort):
        error_console.print("Stopped. What was done is kept; the same command goes on from there.")
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
