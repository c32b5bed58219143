"""The DAGs and spec parts that the guides show are what tendies takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

from tendies_ops.dag_factory import batch_dag, release_dag
from tendies_ops.spec import ModelSpec
from tests.support.airflow_home import REPOSITORY
from tests.support.specs import write_specs

GUIDES = [REPOSITORY / "docs" / "how-to" / f"{name}.md" for name in ("schedule-a-batch", "redeploy-on-checkpoint")]


def blocks(language: str) -> list[Any]:
    """Every fenced block of a language in the guides."""
    found = []
    for guide in GUIDES:
        texts = re.findall(rf"^```{language}\n(.*?)^```", guide.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        found += [pytest.param(text, id=f"{guide.stem}-{number}") for number, text in enumerate(texts)]
    return found


@pytest.mark.parametrize("code", blocks("python"))
def test_a_dag_of_a_guide_is_found_by_airflow_without_an_error(code: str, tmp_path: Path) -> None:
    (tmp_path / "guide.py").write_text(code)

    bag = DagBag(dag_folder=tmp_path)

    assert bag.import_errors == {}
    assert len(bag.dags) == 1


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_part_of_a_spec_in_a_guide_makes_dags(text: str) -> None:
    part = yaml.safe_load(text)
    spec = ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}, **part})

    assert release_dag(spec).dag_id == "tendies_release_m"
    for name in spec.batches_by_name():
        assert batch_dag(spec, name).dag_id == spec.dag_id("batch", name)


@pytest.mark.parametrize("page", ["how-to/airflow-install.md", "reference/airflow.md"])
def test_the_three_lines_of_a_page_make_the_dags_of_a_folder(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENDIES_SPECS_DIR", str(write_specs(tmp_path / "specs", {"model_name": "m"})))
    [code] = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "docs" / page).read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "guide.py").write_text(code)

    bag = DagBag(dag_folder=tmp_path / "dags")

    assert bag.import_errors == {}
    assert set(bag.dags) == {"tendies_release_m", "tendies_batch_m", "tendies_rollback_m"}
