"""The demo from beginning to end: ``tendies dev`` on a folder with three trained models and real pictures."""

from __future__ import annotations

from pathlib import Path

from examples.demo.airflow_api import AirflowApi
from examples.demo.model_runs import ModelRuns
from examples.demo.outcome import ModelOutcome, read_outcome, short
from examples.demo.pictures import FOR_STYLES, copy_photographs
from examples.demo.specs import add_spec, read_example_specs
from examples.demo.styles import FIVE_STYLES, draw_styles
from examples.noise_to_stripes.make_noise import write_noise_pictures
from tendies_ops.dev import DevError, DevOptions, Installation, Voice, running
from tendies_ops.spec import ModelSpec
from tendies_ops.working_folder import make_folder

_DAGS_TIMEOUT_S = 120.0
_RUNS_TIMEOUT_S = 1200.0
_NOISE_PICTURES = 64
_NOISE_SEED = 7  # not the one that the model was trained on


def run_demo(folder: Path, options: DevOptions, voice: Voice, *, once: bool) -> int:
    """
    Run everything and return the exit status: 0 only if every run succeeded and every picture is there.

    What is in the folder is kept: the specs, pictures, results and versions of earlier demos, and all that was added.

    :param once: do not stay up afterwards.
    :raises DevError: something cannot start.
    """
    voice.line(
        "tendies demo: three trained models and real pictures, through a real Airflow. Everything is in .demo/\n"
    )
    make_folder(folder)
    names = _add_examples(folder, voice)
    with running(folder, options, voice) as installation:
        outcomes = _travel(installation, names, voice)
        if any(outcome.model_name == FIVE_STYLES and outcome.is_complete for outcome in outcomes):
            sheet = draw_styles(folder, f"http://127.0.0.1:{options.model_server_port}")
            voice.line(f"  and at     {short(sheet)}  (each photograph in every style)")
        complete = all(outcome.is_complete for outcome in outcomes)
        verdict = "Every run succeeded and every picture is there." if complete else "Not everything succeeded."
        voice.line(f"\n{verdict}\n", style="bold green" if complete else "bold red")
        if not once:
            _report_next(installation, voice)
            installation.stay()
    return 0 if complete else 1


def _add_examples(folder: Path, voice: Voice) -> list[str]:
    """Put the examples' specs and pictures into the folder; return the models' names."""
    names = []
    for spec in read_example_specs():
        add_spec(folder, spec)
        count, kind = _make_pictures(folder / "pictures" / spec.model_name, spec)
        voice.step(f"{spec.model_name}: {count} {kind}")
        names.append(spec.model_name)
    return names


def _make_pictures(directory: Path, spec: ModelSpec) -> tuple[int, str]:
    if directory.is_dir() and (there := len(list(directory.iterdir()))):
        return there, "pictures are there already"
    styles = spec.contract.extra_inputs.get("style")
    if styles is not None:
        return sum(copy_photographs(directory / style, FOR_STYLES) for style in styles.choices), "photographs, by style"
    if "noise" in spec.model_name:
        return len(write_noise_pictures(directory, _NOISE_PICTURES, _NOISE_SEED)), "noise pictures to work on"
    return copy_photographs(directory), "photographs to work on"


def _travel(installation: Installation, names: list[str], voice: Voice) -> list[ModelOutcome]:
    """Release each model, run its batch, and return what came of it."""
    api = AirflowApi(installation.airflow)
    models = [ModelRuns(api, voice, name) for name in names]
    installation.wait("Airflow has not read the DAGs", lambda: _has_dags(api, models), _DAGS_TIMEOUT_S)
    for model in models:
        is_released = any(path.name.isdigit() for path in (installation.folder / "models" / model.model_name).iterdir())
        voice.step(f"{model.model_name}: triggered {model.set_out(is_released=is_released)}")
    installation.wait("The runs have not ended", lambda: _have_ended(models), _RUNS_TIMEOUT_S)
    outcomes = [read_outcome(installation.folder, model) for model in models]
    for outcome in outcomes:
        outcome.report(voice)
    return outcomes


def _has_dags(api: AirflowApi, models: list[ModelRuns]) -> bool:
    if problems := api.import_errors():
        raise DevError(f"Airflow cannot read a DAG file: {problems[0]}")
    return all(api.has_dag(dag_id) for model in models for dag_id in (model.release_dag_id, model.batch_dag_id))


def _have_ended(models: list[ModelRuns]) -> bool:
    for model in models:
        model.look()
    return all(model.has_ended for model in models)


_NEXT = """\
Airflow is up until Ctrl-C: user {user}, password {password}. Click:
  1  {url}/plugin/tendies  which version of each model serves
  2  {url}/dags/tendies_batch_brush_strokes/runs  a run, and under Pictures its photographs before and after
  3  {url}/dags/tendies_rollback_brush_strokes  the way back to an earlier version

Try next:
  new pictures      cp photo.jpg {folder}/pictures/brush_strokes/   then trigger tendies_batch_brush_strokes
  another style     trigger tendies_batch_five_styles with `parameters` {{"strength": 0.5}}
  a changed model   edit {folder}/specs/brush_strokes.yaml          then trigger tendies_release_brush_strokes
  a broken one      mkdir examples/brush_strokes/checkpoint/broken  and release that as `checkpoint`: the version
                    before serves on
  a model of yours  write {folder}/specs/mine.yaml, `tendies check` it, and name it in {folder}/specs/index.txt

Everything here is kept for the next `make demo`; only `make clean` deletes it.
"""


def _report_next(installation: Installation, voice: Voice) -> None:
    airflow, here = installation.airflow, Path.cwd()
    folder = installation.folder.relative_to(here) if installation.folder.is_relative_to(here) else installation.folder
    voice.line(_NEXT.format(url=airflow.url, user=airflow.user, password=airflow.password, folder=folder))
