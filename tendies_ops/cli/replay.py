from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.arguments import takes_login
from tendies_ops.cli.output import EXIT_DONE, EXIT_FAILED, console, print_json
from tendies_ops.client import ModelServerClient
from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.inference.upkeep.replay_picture import replay


@takes_login
def replay_command(  # noqa: PLR0913 - typer reads the parameters as options
    result: Annotated[Path, typer.Argument(metavar="FILE", help="A result of a batch run, with its provenance.")],
    *,
    source: Annotated[
        Path, typer.Option("--input", help="The picture that it was made from, or the input folder of the run.")
    ],
    server: Annotated[str, typer.Option(help="REST address that serves the version that made it.")],
    model_base_path: Annotated[
        Path | None,
        typer.Option(
            help="The model's base path, for a result that was made with a choice of pictures, such as a style."
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Largest difference that counts as the same, of 255.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")] = False,
    credentials: Credentials = NO_CREDENTIALS,
) -> int:
    """
    Reproduce a result from the provenance in it, and report whether it is the same.

    Exit status: 0 exact or within the tolerance, 1 different, 2 wrong usage.

    Example: tendies replay painted/a.png --input photos/a.png --server http://localhost:8501
    """
    with ModelServerClient(server, credentials=credentials) as client:
        outcome = replay(result, source, client, tolerance=tolerance, model_base_path=model_base_path)
    made_by = f"{outcome.facts['model_name']} version {outcome.facts['version']}"
    if as_json:
        print_json(
            {"verdict": outcome.verdict, "max_abs": outcome.max_abs, "mean_abs": outcome.mean_abs, **outcome.facts}
        )
    else:
        console.print(f"{outcome.verdict}: {made_by}, largest difference {outcome.max_abs:g} of 255", markup=False)
    return EXIT_FAILED if outcome.verdict == "different" else EXIT_DONE
