"""``tendies serve``: the embedded Model Server, with tensorflow_model_server's own flags."""

from __future__ import annotations

import typer

CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def serve_command(ctx: typer.Context) -> int:
    """Serve models with the embedded Model Server; takes tensorflow_model_server's flags."""
    from tendies_ops.server.main import run  # TensorFlow's import is behind it

    return run(ctx.args)
