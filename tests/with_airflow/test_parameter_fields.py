"""The fields of a batch's form for what a model takes besides the picture."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from tendies_ops.dag_factory import again_dag, batch_dag
from tendies_ops.spec import ModelSpec
from tests.support.airflow_runs import connection_json

INPUTS: dict[str, Any] = {
    "style": {"tensor": "s", "one_hot": 4, "choices": {"monet": 2}, "description": "the painter"},
    "strength": {"tensor": "a", "minimum": 0, "maximum": 1, "default": 1},
    "paper": {"tensor": "p", "choices": {"no": [0, 0], "rough": [1, 0.5]}, "default": "no"},
    "mix": {"tensor": "m", "minimum": 0, "maximum": 1, "default": [0.5, 0.5]},
    "bias": {"tensor": "b"},
    "like": {"tensor": "l", "picture": {"size": {"width": 8, "height": 8}}, "choices": {"wave": "styles/wave.png"}},
}


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", connection_json("http://127.0.0.1:9"))


def spec(**batch: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model_name": "m",
            "source": {"checkpoint": "c"},
            "contract": {"extra_inputs": INPUTS},
            "batch": {"input": "/in", "output": "/out", **batch},
        }
    )


def schema(made: ModelSpec, name: str) -> dict[str, Any]:
    found: dict[str, Any] = batch_dag(made).params.get_param(name).schema
    return found


def parameters(made: ModelSpec, **given: Any) -> dict[str, Any]:
    """Return the parameters of a run that was given values in the form."""
    dag = batch_dag(made)
    form = {**dag.params.dump(), **given}
    task: Any = dag.get_task("infer")
    context: Any = {"params": form, "ti": SimpleNamespace(task_id="infer")}
    task.render_template_fields(context)
    return dict(task.batch_options("run").parameters)


def test_the_form_has_a_select_a_bounded_number_and_text() -> None:
    style, strength, paper, mix, bias, like = (schema(spec(), f"parameter_{name}") for name in INPUTS)

    assert (style["enum"], style["values_display"]) == ([None, 0, 1, 2, 3], {"2": "monet (2)"})
    assert (strength["type"], strength["minimum"], strength["maximum"]) == (["null", "number"], 0, 1)
    assert paper["enum"] == [None, "no", "rough"]
    assert (like["type"], like["examples"]) == (["null", "string"], ["wave"])
    assert mix["type"][1] == bias["type"][1] == "string"
    assert batch_dag(spec()).params.get_param("parameter_style").description == "The painter."


def test_a_model_without_parameters_has_no_such_field() -> None:
    made = ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}})

    assert [name for name in batch_dag(made).params if name.startswith("parameter_")] == []


def test_an_empty_form_leaves_every_value_to_the_model() -> None:
    assert parameters(spec()) == {}


def test_what_the_form_gives_keeps_its_type() -> None:
    given = {
        "parameter_style": 2,
        "parameter_strength": 0.25,
        "parameter_paper": "no",
        "parameter_mix": "[0.2, 0.8]",
        "parameter_bias": "3",
        "parameter_like": "a: b.jpg",
    }

    expected = {"like": "a: b.jpg", "style": 2, "strength": 0.25, "paper": "no", "mix": [0.2, 0.8], "bias": 3}
    assert parameters(spec(), **given) == expected


def test_the_spec_of_a_batch_fills_the_form() -> None:
    made = spec(parameters={"style": "monet", "paper": [1, 0.5], "mix": [1, 0], "bias": "{{ 1 + 2 }}"})
    form = batch_dag(made).params

    filled = [form[f"parameter_{name}"] for name in INPUTS]
    assert filled == [2, None, "rough", "[1, 0]", None, None]
    assert parameters(made) == {"style": 2, "paper": "rough", "mix": [1, 0], "bias": 3}
    assert parameters(made, parameter_style=0)["style"] == 0
    assert parameters(made, parameter_style=None)["style"] == "monet"


@pytest.mark.parametrize("wrong", [{"parameter_style": 4}, {"parameter_strength": 1.5}, {"parameter_paper": "blue"}])
def test_airflow_refuses_a_value_that_is_not_allowed(wrong: dict[str, Any]) -> None:
    params = batch_dag(spec()).params

    with pytest.raises(ParamValidationError):
        params.update(wrong)


def test_a_template_of_the_spec_for_all_parameters_stays() -> None:
    made = spec(parameters="style={{ params.painter }}", airflow={"params": {"painter": 3}})

    assert "parameter_style" not in batch_dag(made).params
    assert parameters(made) == {"style": 3}


def test_partitions_that_are_done_again_have_the_values_of_the_spec() -> None:
    made = spec(
        input="/in/{{ partition_key }}",
        output="/out/{{ partition_key }}",
        partitions={"every": "day", "start": "2026-01-01"},
        parameters={"style": 3},
    )
    infer: Any = again_dag(made).get_task("infer")

    assert '{"style": 3}' in infer.partial_kwargs["parameters"][0]
