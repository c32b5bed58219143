"""Each setting of a release can be given in a spec, on the command line and to the operators, with one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from tendies_ops.cli.main import app
from tendies_ops.cli.release import release_command
from tendies_ops.cli.release_arguments import ROLLBACK_SETTINGS, with_said
from tendies_ops.cli.rollback import rollback_command
from tendies_ops.cli.setting_options import flag
from tendies_ops.dag_factory import release_dag
from tendies_ops.errors import UsageError
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.review import ReviewModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.operators.service_change import terms_of
from tendies_ops.spec import LoginSettings, ModelSpec, ReleaseSettings, ReleaseSpec
from tendies_ops.spec.release_spec import GateSpec, SwapLimits

#: Another value than the default of each setting, as it is written in a spec.
VALUES: dict[str, Any] = {
    "token_file": "/etc/token",
    "header_file": "/etc/headers",
    "ca_file": "/etc/bundle.pem",
    "client_certificate": "/etc/client.pem",
    "client_key": "/etc/client.key",
    "verify_tls": False,
    "available_timeout_s": 1.5,
    "restore_timeout_s": 2.5,
    "unreachable_grace_s": 3.5,
    "tolerance": 4.5,
    "memory": "load_anyway",
    "lease_wait_s": 5.5,
    "model_config_file": "/etc/models.config",
    "keep_versions": 3,
    "min_ssim": 0.5,
    "max_change": 6.5,
    "review": True,
    "max_failed_requests": 7,
    "max_p99_ms": 8.5,
    "max_seconds_to_available": 9.5,
}
FIELDS = sorted(set(ReleaseSettings.model_fields) & set(VALUES))


def in_its_place(name: str, value: Any) -> dict[str, Any]:
    """Return the setting as a spec has it, in its part of the ``release`` section."""
    parts: dict[str, type[BaseModel]] = {"gate": GateSpec, "limits": SwapLimits}
    part = next((part for part, model in parts.items() if name in model.model_fields), None)
    return {part: {name: value}} if part else {name: value}


def of_spec(release: dict[str, Any]) -> ReleaseSpec:
    spec = ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}, "release": release})
    task: Any = release_dag(spec).get_task("release")
    terms: ReleaseSpec = terms_of(task)
    return terms


def of_command_line(tmp_path: Path, *words: str) -> ReleaseSpec:
    command = typer.main.get_command(app).commands["release"]  # type: ignore[attr-defined]  # it is a group
    context = command.make_context("release", [str(tmp_path), *words])
    terms: ReleaseSpec = release_command.read(**context.params).options(ReleaseSpec())  # type: ignore[attr-defined]
    return terms


def words_for(name: str) -> list[str]:
    value = VALUES[name]
    if isinstance(value, bool):
        return [flag(name) if value else f"--no-{flag(name)[2:]}"]
    return [flag(name), str(value)]


def test_every_setting_has_a_value_to_try() -> None:
    assert sorted(ReleaseSettings.model_fields) == FIELDS


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_means_the_same_in_the_spec_on_the_command_line_and_for_the_operators(
    name: str, tmp_path: Path
) -> None:
    value = VALUES[name]
    expected = ReleaseSpec.model_validate(in_its_place(name, value))
    given: dict[str, Any] = {name: value}
    assert expected != ReleaseSpec()

    assert of_spec(in_its_place(name, value)) == expected
    assert of_command_line(tmp_path, *words_for(name)) == expected
    assert terms_of(ReleaseModelVersionOperator(task_id="t", saved_model_dir="d", **given)) == expected
    assert terms_of(ReviewModelVersionOperator(task_id="t", saved_model_dir="d", **given)) == expected
    assert terms_of(RollbackModelVersionOperator(task_id="t", model_name="m", **given)) == expected


def test_the_default_of_a_setting_is_the_same_everywhere(tmp_path: Path) -> None:
    operator = ReleaseModelVersionOperator(task_id="t", saved_model_dir="d")

    assert of_spec({}) == of_command_line(tmp_path) == terms_of(operator) == ReleaseSpec()


def test_an_argument_of_its_own_comes_before_the_options_and_leaves_the_rest() -> None:
    options = ReleaseSpec(tolerance=1.0, gate=GateSpec(min_ssim=0.9, review=True))

    terms = terms_of(ReleaseModelVersionOperator(task_id="t", saved_model_dir="d", options=options, min_ssim=0.5))

    assert terms == ReleaseSpec(tolerance=1.0, gate=GateSpec(min_ssim=0.5, review=True))


def test_a_rollback_takes_those_settings_that_matter_to_it_and_the_earlier_name_of_its_timeout() -> None:
    command = typer.main.get_command(app).commands["rollback"]  # type: ignore[attr-defined]  # it is a group
    words = ["--model-base-path", "b", "--server", "http://h:1", "--timeout-s", "9", "--tolerance", "3", "--to", "4"]
    arguments = rollback_command.read(**command.make_context("rollback", words).params)  # type: ignore[attr-defined]

    assert with_said(ReleaseSpec(), arguments.given) == ReleaseSpec(restore_timeout_s=9, tolerance=3)
    assert arguments.to_version == 4
    assert len(ROLLBACK_SETTINGS) == 5 + len(LoginSettings.model_fields)


def test_the_earlier_names_of_options_of_a_release_mean_the_same(tmp_path: Path) -> None:
    assert of_command_line(tmp_path, "--timeout-s", "9") == ReleaseSpec(available_timeout_s=9)
    command = typer.main.get_command(app).commands["release"]  # type: ignore[attr-defined]  # it is a group
    assert command.make_context("release", [str(tmp_path), "--no-rehearsal"]).params["rehearse"] is False


def test_a_value_out_of_range_names_the_option_or_the_task(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--min-ssim 2\.0: must be less than or equal to 1\."):
        of_command_line(tmp_path, "--min-ssim", "2")
    with pytest.raises(UsageError, match="Task t: `min_ssim`: must be less than or equal to 1; found '2'"):
        ReleaseModelVersionOperator(task_id="t", saved_model_dir="d", min_ssim=2)
