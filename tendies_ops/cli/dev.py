from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.interrupts import interrupt_on_signals
from tendies_ops.cli.output import EXIT_DONE


def dev_command(
    folder: Annotated[Path, typer.Argument(help="Working folder; made if it is absent.")] = Path(),
    port: Annotated[int, typer.Option(help="Airflow's port on this machine.", min=1, max=65535)] = 8080,
    model_server_port: Annotated[
        int, typer.Option(help="Model Server's port on this machine.", min=1, max=65535)
    ] = 8501,
    model_server: Annotated[
        bool, typer.Option(help="Start an embedded Model Server for the models that have none.")
    ] = True,
) -> int:
    """
    Run Airflow and a Model Server for a working folder on this machine, until Ctrl-C.

    Nothing in the folder is deleted. A model that is added to specs/index.txt gets DAGs and is served without a
    restart.

    Example: tendies dev styles
    """
    from tendies_ops.dev import DevOptions, Voice, running

    voice = Voice()
    options = DevOptions(port, model_server_port, with_model_server=model_server)
    with interrupt_on_signals(), running(folder, options, voice) as installation:
        airflow = installation.airflow
        names = [spec.model_name for spec in installation.specs()]
        voice.line(f"\nAirflow   {airflow.url}   user {airflow.user}   password {airflow.password}", style="bold")
        voice.line(f"Pictures  {airflow.url}/plugin/tendies")
        voice.line(f"Models    {', '.join(names) or 'none yet: write specs/NAME.yaml and name it in specs/index.txt'}")
        voice.line("Everything stays up until Ctrl-C.\n")
        installation.stay()
    return EXIT_DONE
