"""``tendies serve``: the embedded Model Server, with tensorflow_model_server's own flags."""

from __future__ import annotations

import typer

from tendies_ops.errors import UsageError

CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def serve_command(ctx: typer.Context) -> int:
    """Serve models with the embedded Model Server; takes tensorflow_model_server's flags."""
    try:
        from tendies_ops.server.run_server import run  # TensorFlow's import is behind it
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The embedded Model Server needs the package {error.name}, which is not installed in this Python. "
            "Install it with: pip install 'airflow-provider-tendies[tensorflow]'."
        ) from error
    return run(ctx.args)
