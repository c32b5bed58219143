"""Which version a batch uses: a number, a label, the newest, or the one in service."""

from __future__ import annotations

import pytest

from tendies_ops.errors import RequestRefusedError, UsageError, VersionGoneError
from tests.support.batch_bench import Bench
from tests.support.canned_server import Answer, Request, error_answer
from tests.support.sample_pictures import folder_of_pngs


@pytest.fixture
def labelled(bench: Bench) -> Bench:
    """Versions 3 and 7 are AVAILABLE; ``stable`` and ``blue`` name version 3."""
    folder_of_pngs(bench.input, 2)
    bench.model.version, bench.model.older_versions = 7, (3,)
    bench.model.labels = {"stable": 3, "blue": 3}
    return bench


@pytest.mark.parametrize(
    ("choice", "version", "why"),
    [
        (None, 3, "the label stable names it"),
        ("blue", 3, "the label blue names it"),
        ("newest", 7, "the newest was asked for"),
        (7, 7, "it was asked for by its number"),
        ("7", 7, "it was asked for by its number"),
    ],
)
def test_a_run_pins_the_version_that_was_chosen_and_says_why(
    labelled: Bench, choice: int | str | None, version: int, why: str
) -> None:
    report = labelled.run(version=choice)
    assert (report.version, report.version_reason, report.done) == (version, why, 2)
    assert {record["version"] for record in labelled.records()} == {version}


def test_a_label_that_no_server_knows_is_not_replaced_by_another_version(labelled: Bench) -> None:
    with pytest.raises(VersionGoneError, match="no server knows the label green"):
        labelled.run(version="green")


def test_a_label_that_names_a_version_that_is_not_served_ends_the_run(labelled: Bench) -> None:
    labelled.model.labels = {"stable": 5}
    with pytest.raises(VersionGoneError, match="does not serve version 5"):
        labelled.run()


def test_a_gateway_that_refuses_to_tell_the_label_ends_the_run_and_a_number_helps(labelled: Bench) -> None:
    def refuse(request: Request) -> Answer | None:
        return error_answer(403, "not allowed") if "/labels/" in request.path else None

    labelled.model.status_fault = refuse
    with pytest.raises(RequestRefusedError, match=r"403: not allowed\. .* use a number as `version`"):
        labelled.run()
    assert labelled.run(version=3).version == 3


@pytest.mark.parametrize("choice", [0, -1, "0", "", "a b", "a/b", "stable:predict"])
def test_what_is_no_version_is_refused(bench: Bench, choice: int | str) -> None:
    with pytest.raises(UsageError):
        bench.options(version=choice)
