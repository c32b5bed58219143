from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tendies_ops.cli.main import app
from tendies_ops.errors import UsageError
from tendies_ops.spec import load_indexed_specs
from tendies_ops.working_folder import airflow_environment, make_folder


def test_a_new_folder_has_specs_dag_files_a_readme_and_a_gitignore(tmp_path: Path) -> None:
    created = {str(path) for path in make_folder(tmp_path / "styles")}

    assert {"README.md", ".gitignore", "airflow.env", "specs/index.txt"} <= created
    assert {"dags/tendies_release.py", "dags/tendies_batch.py", "dags/tendies_rollback.py"} <= created
    assert "compose.yaml" not in created
    assert load_indexed_specs(tmp_path / "styles" / "specs") == []
    assert {"models", "pictures", "results"} <= {path.name for path in (tmp_path / "styles").iterdir()}


def test_files_that_exist_keep_their_content_and_absent_ones_are_added(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "specs" / "index.txt").write_text("mine.yaml\n")
    (tmp_path / "README.md").unlink()

    assert make_folder(tmp_path) == [Path("README.md")]
    assert (tmp_path / "specs" / "index.txt").read_text() == "mine.yaml\n"


def test_a_compose_file_comes_only_when_asked_for(tmp_path: Path) -> None:
    make_folder(tmp_path, compose=True)

    service = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"]["model-server"]
    assert service["image"].startswith("tensorflow/serving:")


def test_airflow_env_exports_the_settings_to_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "it's mine"
    make_folder(folder)

    printed = subprocess.run(
        ["sh", "-c", '. ./airflow.env && printf %s "$AIRFLOW_CONN_TF_SERVING_DEFAULT$TENDIES_SPECS_DIR"'],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    expected = airflow_environment(folder)
    assert printed == expected["AIRFLOW_CONN_TF_SERVING_DEFAULT"] + expected["TENDIES_SPECS_DIR"]


def test_a_folder_below_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match=f"Cannot make the working folder {tmp_path}/file/styles: Not a directory"):
        make_folder(tmp_path / "file" / "styles")


def test_init_makes_the_folder_that_it_is_given(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["init", str(tmp_path / "styles")])

    assert ended.exit_code == 0, ended.output
    assert f"created {tmp_path}/styles/specs/index.txt" in ended.output
    assert os.listdir(tmp_path) == ["styles"]


def test_init_of_a_model_file_that_is_absent_makes_no_folder(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["init", str(tmp_path / "painter.keras")])

    assert isinstance(ended.exception, UsageError)
    assert "There is no model at" in str(ended.exception)
    assert list(tmp_path.iterdir()) == []
