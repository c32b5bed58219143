"""Each setting of a batch can be given in a spec, on the command line and to the operator, and means the same there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from airflow.sdk import DAG

from tendies_ops.cli.batch import batch_command
from tendies_ops.cli.main import app
from tendies_ops.cli.setting_options import flag
from tendies_ops.dag_factory import batch_dag
from tendies_ops.errors import UsageError
from tendies_ops.inference import BatchOptions
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.spec import BatchSettings, ModelSpec
from tests.support.airflow_runs import connection_json

URL = "http://127.0.0.1:1"
#: Another value than the default of each setting, as it is written in a spec.
VALUES: dict[str, Any] = {
    "version": 7,
    "include": ["*.jpg", "b/**"],
    "exclude": ["old"],
    "include_hidden": True,
    "size": "16x32",
    "size_policy": "tile",
    "overlap": 5,
    "restore_size": True,
    "class_pixels": True,
    "parameters": {"style": 9},
    "parameters_by_path": {"winter/**": {"style": 2}},
    "min_score": 0.25,
    "animated": "all",
    "output_format": "webp",
    "output_quality": 61,
    "provenance": False,
    "max_batch_size": 3,
    "max_request_mib": 2.5,
    "max_request_megapixels": 1.5,
    "max_concurrency": 2,
    "max_rate": 12.5,
    "hours": "22:00-06:00 Europe/Berlin",
    "max_mib_in_flight": 0.5,
    "max_file_mib": 3.5,
    "max_megapixels": 4.5,
    "max_frames": 9,
    "max_failed": 0.25,
    "allow_empty": True,
    "retry_failed": True,
    "take_over": True,
    "sample": 4,
    "timeout_s": 1.5,
    "server_timeout_s": 2.5,
    "sick_deadline_s": 3.5,
    "token_file": "/etc/token",
    "header_file": "/etc/headers",
    "ca_file": "/etc/bundle.pem",
    "client_certificate": "/etc/client.pem",
    "client_key": "/etc/client.key",
    "verify_tls": False,
}
FIELDS = sorted(BatchSettings.model_fields)


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", connection_json(URL))


def settings_of(options: BatchOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in FIELDS}


def words_for(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield flag(name) if value else f"--no-{flag(name)[2:]}"
        return
    for one in value if isinstance(value, list) else [value]:
        yield from (flag(name), str(one))


def of_command_line(*words: str) -> BatchOptions:
    command = typer.main.get_command(app).commands["batch"]  # type: ignore[attr-defined]  # it is a group
    context = command.make_context("batch", ["in", "out", "--server", URL, "--model", "m", *words])
    arguments = batch_command.read(**context.params)  # type: ignore[attr-defined]
    options: BatchOptions = arguments.options()
    return options


def spec_with(airflow: dict[str, Any] | None = None, **batch: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {"model_name": "m", "source": {"checkpoint": "c"}, "batch": batch, "airflow": airflow or {}}
    )


def of_spec(**batch: Any) -> BatchOptions:
    dag = batch_dag(spec_with(input="/in", output="/out", **batch))
    return rendered(dag.get_task("infer"), params=dag.params.dump())


def of_operator(**arguments: Any) -> BatchOptions:
    task = BatchInferenceOperator(task_id="t", input_path="/in", output_path="/out", model_name="m", **arguments)
    return rendered(task, params={})


def rendered(task: Any, params: dict[str, Any]) -> BatchOptions:
    context: Any = {"params": params, "ti": SimpleNamespace(task_id=task.task_id)}
    task.render_template_fields(context)
    options: BatchOptions = task.batch_options("run")
    return options


def test_every_setting_has_a_value_to_try() -> None:
    assert sorted(VALUES) == FIELDS


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_means_the_same_in_the_spec_on_the_command_line_and_for_the_operator(name: str) -> None:
    value = VALUES[name]
    expected = {**settings_of(of_operator()), name: getattr(BatchSettings.model_validate({name: value}), name)}
    assert expected[name] != getattr(BatchSettings(), name)

    for options in (of_spec(**{name: value}), of_command_line(*words_for(name, value)), of_operator(**{name: value})):
        assert settings_of(options) == expected
    assert settings_of(of_operator(options={name: value})) == expected


def test_the_default_of_a_setting_is_the_same_everywhere() -> None:
    defaults = {name: getattr(BatchSettings(), name) for name in FIELDS}

    for options in (of_spec(), of_command_line(), of_operator()):
        assert settings_of(options) == defaults


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_of_the_operator_may_be_a_template(name: str) -> None:
    template: dict[str, Any] = {name: "{{ params.value }}"}
    task = BatchInferenceOperator(task_id="t", input_path="/in", output_path="/out", model_name="m", **template)
    value = VALUES[name]
    text = ",".join(value) if isinstance(value, list) else str(value)

    assert settings_of(rendered(task, {"value": text})) == settings_of(of_operator(**{name: value}))


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_of_a_spec_reaches_every_task_of_a_batch_in_shards(name: str) -> None:
    dag = batch_dag(spec_with({"shards": 2}, **{name: VALUES[name]}))
    infer: Any = dag.get_task("batch.infer")
    given = {
        "batch.plan": getattr(dag.get_task("batch.plan"), name),
        "batch.report": getattr(dag.get_task("batch.report"), name),
        "batch.infer": infer.partial_kwargs[name],
    }

    expected = getattr(BatchSettings.model_validate({name: VALUES[name]}), name)
    from_the_form = ("version", "sample", "retry_failed", "take_over")
    assert all(value == expected or name in from_the_form for value in given.values())
    assert name not in from_the_form or dag.params[name] in (VALUES[name], str(VALUES[name]))


def test_a_group_of_ones_own_takes_every_setting_too() -> None:
    with DAG("own"):
        group = batch_inference_group(input_path="i", output_path="o", model_name="m", **VALUES)

    assert set(group.children) == {"batch.plan", "batch.infer", "batch.report"}


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("--hidden", "include_hidden"),
        ("--format", "output_format"),
        ("--quality", "output_quality"),
        ("--timeout", "timeout_s"),
        ("--sick-deadline", "sick_deadline_s"),
    ],
)
def test_an_earlier_spelling_of_an_option_still_means_the_same(old: str, name: str) -> None:
    words = [old, *list(words_for(name, VALUES[name]))[1:]]

    assert settings_of(of_command_line(*words)) == settings_of(of_operator(**{name: VALUES[name]}))


def test_the_option_that_took_mib_under_the_name_of_bytes_says_what_to_use() -> None:
    with pytest.raises(UsageError, match="--max-mib-in-flight, which takes MiB"):
        of_command_line("--max-bytes-in-flight", "268435456")
    with pytest.raises(UsageError, match=r"unknown key `max_bytes_in_flight`; did you mean `max_mib_in_flight`\?"):
        of_operator(options={"max_bytes_in_flight": 268435456})


def test_a_value_out_of_range_names_the_option() -> None:
    with pytest.raises(UsageError, match=r"--output-quality 101: must be less than or equal to 100\."):
        of_command_line("--output-quality", "101")


def test_a_token_file_of_the_operator_takes_the_place_of_the_connection_s_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", connection_json(URL, token="connection"))
    (tmp_path / "token").write_text("file\n")

    def sent_by(options: BatchOptions, url: str) -> dict[str, str]:
        return options.credentials.with_files(options).headers_for(url)

    assert sent_by(of_operator(), URL) == {"Authorization": "Bearer connection"}
    assert sent_by(of_operator(token_file=str(tmp_path / "token")), URL) == {"Authorization": "Bearer file"}


def test_the_connection_s_token_is_for_its_own_hosts_also_where_the_operator_names_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", connection_json(URL, token="connection"))
    other = "http://127.0.0.1:2"

    credentials = of_operator(servers=[other, URL]).credentials

    assert credentials.headers_for(other) == {}
    assert credentials.headers_for(URL) == {"Authorization": "Bearer connection"}


@pytest.mark.parametrize(
    ("max_failed", "words"),
    [
        (None, "more than a tenth of all pictures, and more than one"),
        (0.05, "more than 0.05 of all"),
        (3, "than 3 pic"),
    ],
)
def test_the_page_of_a_batch_dag_says_how_many_pictures_may_fail(max_failed: float | None, words: str) -> None:
    assert words in str(batch_dag(spec_with(max_failed=max_failed)).doc_md)


def test_fields_of_one_run_may_stand_in_the_options_too() -> None:
    assert of_operator(options={"dry_run": True}).dry_run
