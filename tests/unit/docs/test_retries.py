"""What the reference says about retries is what the classes say."""

from __future__ import annotations

import re

import pytest

from tendies_ops import errors
from tendies_ops.errors import TendiesError
from tests.support.doc_blocks import REPOSITORY

_REFERENCE = (REPOSITORY / "docs" / "reference" / "airflow.md").read_text(encoding="utf-8")
_SECTION = _REFERENCE.partition("## Retries\n")[2].partition("\n## ")[0]
_ROWS = dict(re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \|$", _SECTION, re.MULTILINE))
_ERRORS = [error for error in errors.all_errors() if error is not TendiesError]


@pytest.mark.parametrize("error", _ERRORS, ids=lambda error: error.__name__)
def test_the_table_of_retries_names_every_error_and_says_what_the_class_says(error: type[TendiesError]) -> None:
    assert _ROWS.get(error.__name__) == ("yes" if error.retryable else "no")


def test_the_table_of_retries_names_no_error_that_is_gone() -> None:
    assert set(_ROWS) == {error.__name__ for error in _ERRORS}


@pytest.mark.parametrize("error", [errors.InputFolderError, errors.OutputFolderError, errors.CheckpointMissingError])
def test_time_can_fix_a_folder_that_is_not_there_yet(error: type[TendiesError]) -> None:
    assert error.retryable
