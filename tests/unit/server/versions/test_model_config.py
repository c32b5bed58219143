from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.server.status_codes import StatusError
from tendies_ops.server.versions.model_config import checked, read_model_config, read_prometheus_path
from tendies_ops.server.versions.version_policy import VersionPolicy
from tendies_ops.server.versions.version_source import ModelConfig

_TF = 'model_platform: "tensorflow"'
_A = f'config {{ name: "a" base_path: "/a" {_TF} }}'


def test_a_model_config_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(
        """
        # two models
        model_config_list: {
          config { name: 'a' base_path: "/m/" "a", model_platform: "tensorflow"
                   model_version_policy { specific { versions: [1, 2] } }
                   version_labels { key: "stable" value: 1 } }
          config < name: "b"; base_path: "/m/b"; model_platform: "tensorflow"
                   model_version_policy: { latest { num_versions: 3 } } >
        }
        """
    )
    models = read_model_config(str(path))
    assert models is not None
    assert models["a"].base_path == "/m/a"
    assert models["a"].policy == VersionPolicy(specific=frozenset({1, 2}))
    assert models["a"].labels == {"stable": 1}
    assert models["b"].policy == VersionPolicy(latest=3)


def test_a_config_without_a_list_of_models_differs_from_an_empty_list(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("# nothing yet\n")
    assert read_model_config(str(path)) is None
    path.write_text("model_config_list { }")
    assert read_model_config(str(path)) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("oops { }", 'has no field named "oops"'),
        ("model_config_list { config { name: } }", "Expected string but found"),
        ("model_config_list { config {", "Expected \"}\""),
        ('model_config_list { config { name: "a" name: "b" } }', 'should not have multiple "name" fields'),
        ("model_config_list { } model_config_list { }", 'should not have multiple "model_config_list" fields'),
        (
            'model_config_list { config { name: "a" model_version_policy { latest { } all { } } } }',
            'Field "all" is specified along with field "latest", another member of oneof "policy_choice"',
        ),
        ('model_config_list { config { name: "a" base_path: "/a" } }', "platform"),
        (f'model_config_list {{ config {{ name: "a" base_path: "a" {_TF} }} }}', "absolute path or URI"),
        (f"model_config_list {{ {_A} {_A} }}", "Illegal to list model a multiple times"),
        ("\x00", "Expected identifier"),
    ],
)  # fmt: skip
def test_an_invalid_model_config_is_reported_with_its_mistake(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(StatusError, match=message):
        read_model_config(str(path))


def test_relative_base_paths_are_refused() -> None:
    with pytest.raises(StatusError, match="got base_path\\(\\)=some/where"):
        checked([ModelConfig("default", "some/where")])


def test_the_metrics_page_has_a_default_path(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.config"
    path.write_text("prometheus_config { enable: true }")
    assert read_prometheus_path(str(path)) == "/monitoring/prometheus/metrics"
    path.write_text('prometheus_config { enable: false path: "/x" }')
    assert read_prometheus_path(str(path)) is None
