from __future__ import annotations

import pytest

from tools.test_matrix import oldest_airflow


@pytest.mark.parametrize(
    ("bound", "version"),
    [
        ('"apache-airflow>=3.3,<3.4"', "3.3.0"),
        ('"apache-airflow>=3.3.1,<4"', "3.3.1"),
        ('"apache-airflow>=4"', "4.0.0"),
    ],
)
def test_the_oldest_airflow_is_the_lower_bound(bound: str, version: str) -> None:
    assert oldest_airflow(f"dependencies = [\n    {bound},\n]") == version


def test_a_project_without_a_lower_bound_is_told_so() -> None:
    with pytest.raises(SystemExit, match="no lower bound"):
        oldest_airflow("dependencies = []")
