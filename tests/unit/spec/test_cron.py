"""Cron expressions; `tests/with_airflow/test_dag_factory.py` asks Airflow about the same ones."""

from __future__ import annotations

import pytest

from tendies_ops.spec.cron import require_cron
from tests.support.cron import RIGHT, WRONG


@pytest.mark.parametrize("text", RIGHT)
def test_a_cron_expression_is_taken(text: str) -> None:
    require_cron(text)


@pytest.mark.parametrize("text", WRONG)
def test_anything_else_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match="is not a cron expression: "):
        require_cron(text)


def test_the_wrong_field_is_named() -> None:
    with pytest.raises(ValueError, match=r"'24' is not a valid hour \(0 to 23\)"):
        require_cron("0 24 * * *")
