"""Good, broken and killed candidates in any order under steady load: no one notices, and every outcome is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.release import release_model
from tendies_ops.release.record.journal import read_journal
from tendies_ops.release.swap.model_config import read_entry
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.independent_checker import available_versions
from tests.support.killing import kill_at_random
from tests.support.shift_server import start_shift_server
from tests.support.steady_load import SteadyLoad

SCRIPT = Path(__file__).with_name("released_at_random.py")
OPTIONS = ReleaseSpec(available_timeout_s=40, restore_timeout_s=40)


@pytest.mark.parametrize(
    "rounds",
    [pytest.param(4, id="4"), pytest.param(100, id="100", marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_no_request_fails_and_each_outcome_is_the_truth(tmp_path: Path, base: Path, rounds: int) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with start_shift_server(base, "--max_num_load_retries=0", "--num_load_threads=2") as server:
        release_model(make_candidate(tmp_path / "first", by=10), base, [server.url], options=OPTIONS)
        with SteadyLoad(server.url, MODEL_NAME, picture(5)) as load:
            count = kill_at_random(
                SCRIPT, str(base), str(scratch), server.url, "", rounds=rounds, seed=3, timeout_s=1100, share=0.4
            )
            last = release_model(make_candidate(tmp_path / "last", by=250), base, [server.url], options=OPTIONS)
            truth = available_versions(server.url)

    assert count.failed == 0, count.words
    assert load.failures == []
    assert load.answered > 20 * rounds
    right = {shift(picture(5), by) for by in (10, 56, 57, 58, 250, *range(60, 251))}
    assert set(load.pictures) <= right, "a picture of a broken candidate reached somebody"
    assert (last.state, truth) == ("released", [last.version])
    assert read_journal(base) is None


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(4, id="4", marks=pytest.mark.slow),
        pytest.param(100, id="100", marks=[pytest.mark.slow, pytest.mark.timeout(1200)]),
    ],
)
def test_by_labels_those_who_ask_for_stable_never_meet_a_broken_candidate(
    tmp_path: Path, base: Path, rounds: int
) -> None:
    scratch, config_file = tmp_path / "scratch", tmp_path / "config" / "models.config"
    scratch.mkdir()
    config_file.parent.mkdir()
    entry = f'name: "{MODEL_NAME}" base_path: "{base}" model_platform: "tensorflow"'
    config_file.write_text(f"model_config_list {{ config {{ {entry} }} }}\n")
    options = OPTIONS.model_copy(update={"model_config_file": config_file})
    flags = ("--max_num_load_retries=0", "--num_load_threads=2", "--model_config_file_poll_wait_seconds=0.1")
    with start_shift_server(None, f"--model_config_file={config_file}", *flags) as server:
        release_model(make_candidate(tmp_path / "first", by=10), base, [server.url], options=options)
        with SteadyLoad(server.url, f"{MODEL_NAME}/labels/stable", picture(5)) as load:
            count = kill_at_random(
                SCRIPT,
                str(base),
                str(scratch),
                server.url,
                str(config_file),
                rounds=rounds,
                seed=5,
                timeout_s=1100,
                share=0.4,
            )
            last = release_model(make_candidate(tmp_path / "last", by=250), base, [server.url], options=options)

    assert count.failed == 0, count.words
    assert load.failures == []
    assert set(load.pictures) <= {shift(picture(5), by) for by in (10, 56, 57, 58, *range(60, 251))}
    assert last.state == "released"
    assert read_entry(config_file.read_text(), MODEL_NAME).labels == {"stable": last.version}
    assert read_journal(base) is None
