"""``tendies serve``: the embedded Model Server, with tensorflow_model_server's own flags."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from tendies_ops.errors import UsageError

CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def serve_command(ctx: typer.Context) -> int:
    """
    Serve models with the embedded Model Server; takes tensorflow_model_server's flags.

    Example: tendies serve --rest_api_port=8501 --model_name=brush_strokes --model_base_path=/models/brush_strokes
    """
    for package in ("tensorflow", "httptools", "google.protobuf", "rapidjson"):
        if not _is_there(package):
            raise UsageError(
                f"The embedded Model Server needs the package {package}, which is not installed in this Python. "
                "Install it with: pip install 'airflow-provider-tendies[tensorflow]'."
            )
    from tendies_ops.server.run_server import run

    return run(ctx.args)


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # its parent is absent
        return False
