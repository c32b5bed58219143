from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.server.flags import parse_flags
from tendies_ops.server.graph.servable import session_config
from tendies_ops.server.loading.batching_config import read_batching_parameters
from tendies_ops.server.status_codes import StatusError
from tendies_ops.server.versions.model_config import checked, read_model_config, read_prometheus_path
from tendies_ops.server.versions.version_policy import VersionPolicy
from tendies_ops.server.versions.version_source import ModelConfig

_TF = 'model_platform: "tensorflow"'
_A = f'config {{ name: "a" base_path: "/a" {_TF} }}'


def test_flags_are_read_as_the_real_server_reads_them() -> None:
    line = parse_flags(
        ["--rest_api_port=8501", "--model_name=m", "--enable_batching", "--foo=1", "--model_base_path", "/x"]
    )
    assert (line.flags.rest_api_port, line.flags.model_name, line.flags.enable_batching) == (8501, "m", True)
    assert line.unknown == ("--foo=1", "--model_base_path", "/x")


@pytest.mark.parametrize(
    "flag", ["--ssl_config_file=x", "--grpc_socket_path=/s", "--enable_profiler", "--mixed_precision=bfloat16"]
)
def test_a_flag_that_is_known_and_not_implemented_is_refused_by_name(flag: str) -> None:
    with pytest.raises(UsageError, match=flag.split("=", maxsplit=1)[0]):
        parse_flags([flag])


def test_such_a_flag_may_ask_for_nothing() -> None:
    assert parse_flags(["--enable_profiler=false", "--ssl_config_file="]).unknown == ()


def test_a_value_of_the_wrong_type_is_named() -> None:
    with pytest.raises(StatusError, match="'abc' for flag --rest_api_port"):
        parse_flags(["--rest_api_port=abc"])


@pytest.mark.parametrize("text", ["8_501", "0x10", "1e3", "8501x", ""])
def test_a_number_is_what_the_real_server_takes_for_one(text: str) -> None:
    with pytest.raises(StatusError, match="for flag --rest_api_port"):
        parse_flags([f"--rest_api_port={text}"])


def test_a_number_may_have_a_sign_and_blanks_around_it() -> None:
    assert parse_flags(["--rest_api_port= +8501 "]).flags.rest_api_port == 8501


def test_threads_are_set_together_or_apart() -> None:
    together = session_config(parse_flags(["--tensorflow_session_parallelism=3"]).flags)
    assert together.inter_op_parallelism_threads == 3
    apart = session_config(parse_flags(["--tensorflow_intra_op_parallelism=2"]).flags)
    assert (apart.intra_op_parallelism_threads, apart.inter_op_parallelism_threads) == (2, 0)
    everything = [f"--tensorflow_{name}_parallelism=1" for name in ("session", "intra_op", "inter_op")]
    with pytest.raises(StatusError, match="You cannot configure all"):
        session_config(parse_flags(everything).flags)


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


def test_a_file_without_a_list_of_models_is_told_from_an_empty_list(tmp_path: Path) -> None:
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
def test_a_wrong_model_config_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(StatusError, match=message):
        read_model_config(str(path))


def test_relative_base_paths_are_refused() -> None:
    with pytest.raises(StatusError, match="got base_path\\(\\)=some/where"):
        checked([ModelConfig("default", "some/where")])


def test_metrics_have_a_default_path(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.config"
    path.write_text("prometheus_config { enable: true }")
    assert read_prometheus_path(str(path)) == "/monitoring/prometheus/metrics"
    path.write_text('prometheus_config { enable: false path: "/x" }')
    assert read_prometheus_path(str(path)) is None


def test_batching_parameters_are_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "batching.txt"
    path.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 500 } allowed_batch_sizes: 6 allowed_batch_sizes: 8"
    )
    parameters = read_batching_parameters(path)
    assert (parameters.max_batch_size, parameters.batch_timeout_s, parameters.padded_size(5)) == (8, 0.0005, 6)
    path.write_text("max_batch_size { value: 8 } allowed_batch_sizes: 4 allowed_batch_sizes: 6")
    with pytest.raises(StatusError, match="last entry was 6; expected 8"):
        read_batching_parameters(path)
    for text in ("pad_variable_length_inputs: true", "enable_large_batch_splitting { value: true }"):
        path.write_text(text)
        with pytest.raises(StatusError, match="are not implemented by the embedded Model Server"):
            read_batching_parameters(path)
