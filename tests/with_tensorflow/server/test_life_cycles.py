"""
The life cycles that were recorded from tensorflow_model_server, on the embedded server with the recorded models.

Each test names its scenario of lifecycle.json. What is compared is the order and the states that a client sees, the
error texts, and the answers on the way.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.support.life_cycle import (
    AVAILABLE,
    END,
    NO_MODEL,
    Snapshot,
    StateWatch,
    follows_the_life_cycle,
    publish,
    ran,
    start,
    value,
    withdraw,
)
from tests.support.model_server import start_model_server

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]


def test_a_empty_or_missing_base_path_waits_with_the_port_closed(base: Path, models: Path) -> None:
    with start(base, wait=False) as server:
        server.wait_for_log(f"Could not find base path {base} for servable half with error NOT_FOUND: {base} not found")
        assert server.states("half") == {}
        base.mkdir()
        server.wait_for_log(f"No versions of servable half found under base path {base}. Did you forget")
        assert server.states("half") == {}
        publish(models / "half" / "1", base, 1)
        server.wait_for("half", 1)


@pytest.mark.parametrize("with_good_version", [False, True])
def test_b_a_broken_newest_version_at_start_ends_the_process(base: Path, models: Path, with_good_version: bool) -> None:
    if with_good_version:
        publish(models / "half" / "1", base, 1)
    (base / "2").mkdir(parents=True)
    done = ran("--rest_api_port=1", "--model_name=half", f"--model_base_path={base}", "--max_num_load_retries=0")
    assert done.returncode == 255
    expected = NO_MODEL.removeprefix("END ").format(path=base / "2")
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        f"{{{{{{name: half version: 2}} due to error: {expected}}}, }}" in done.stderr
    )


def test_c_swap_rollback_and_removal(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    with start(base) as server, StateWatch(server, "half") as watch:
        publish(models / "half" / "2", base, 2)
        watch.wait_for({2: AVAILABLE, 1: END})
        assert watch.seen(2)[:2] == ["START", "LOADING"]
        gone = withdraw(base, 2)
        watch.wait_for({2: END, 1: AVAILABLE})
        gone.rename(base / "2")
        watch.wait_for({2: AVAILABLE, 1: END})
        withdraw(base, 1)  # not served: nothing happens
        time.sleep(1.5)
        withdraw(base, 2)
        watch.wait_for({2: END, 1: END})
        gone_text = '{\n    "error": "Servable not found for request: Latest(half)"\n}'
        assert server.predict("half", [1]) == (404, gone_text)
        shutil.rmtree(base)
        time.sleep(1.5)
        assert server.predict("half", [1]) == (404, gone_text)
        publish(models / "half" / "2", base, 3)
        watch.wait_for({3: AVAILABLE, 2: END, 1: END})
    assert watch.resting() == [
        {1: AVAILABLE},
        {2: AVAILABLE, 1: END},
        {2: END, 1: AVAILABLE},
        {2: AVAILABLE, 1: END},
        {2: END, 1: END},
        {3: AVAILABLE, 2: END, 1: END},
    ]
    assert all(follows_the_life_cycle(watch.seen(version)) for version in (1, 2, 3))


def test_f_a_failed_number_is_burnt_under_the_default_policy(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    failed = NO_MODEL.format(path=base / "2")
    with start(base, "--max_num_load_retries=0") as server, StateWatch(server, "half") as watch:
        (base / "2").mkdir()
        watch.wait_for({2: failed, 1: AVAILABLE})
        assert value(server.predict("half", [1])[1]) == 2.5
        shutil.copytree(models / "half" / "2", base / "2", dirs_exist_ok=True)  # fixed in place
        time.sleep(1.5)
        gone = withdraw(base, 2)
        time.sleep(1.5)
        gone.rename(base / "2")  # good now, and the same number
        time.sleep(1.5)
        assert watch.snapshots[-1] == {2: failed, 1: AVAILABLE}
        publish(models / "half" / "2", base, 3)
        watch.wait_for({3: AVAILABLE, 2: failed, 1: END})
        withdraw(base, 3)
        watch.wait_for({3: END, 2: AVAILABLE, 1: END})


def test_f2_error_texts_of_broken_versions(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    known: Snapshot = {1: AVAILABLE}
    with start(base, "--max_num_load_retries=0") as server, StateWatch(server, "half") as watch:
        garbage = base / ".2"
        shutil.copytree(models / "half" / "2", garbage)
        (garbage / "saved_model.pb").chmod(0o644)
        (garbage / "saved_model.pb").write_bytes(b"\xff" * 100)
        garbage.rename(base / "2")
        known = {2: f"END DATA_LOSS: Can't parse {base}/2/saved_model.pb as binary proto", **known}
        watch.wait_for(known)
        truncated = base / ".4"
        shutil.copytree(models / "half" / "2", truncated)
        (truncated / "variables" / "variables.data-00000-of-00001").chmod(0o644)
        (truncated / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
        truncated.rename(base / "4")
        deadline = time.monotonic() + 10
        while 4 not in watch.snapshots[-1] or not watch.snapshots[-1][4].startswith("END"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        text = watch.snapshots[-1][4]
        assert text.startswith("END OUT_OF_RANGE: Read less bytes than requested\n\t [[{{function_node __inference__")
        assert text.endswith("}}{{node RestoreV2}}]]")
        known = {4: text, **known}
        (base / "5").write_bytes(b"a file")
        known = {
            5: "END FAILED_PRECONDITION: Error while attempting to reserve resources to load servable "
            f"{{name: half version: 5}}: {base}/5; Not a directory",
            **known,
        }
        watch.wait_for(known)
        publish(models / "half" / "2", base, 6)
        watch.wait_for({6: AVAILABLE, **known, 1: END})


def test_f4_with_policy_all_a_failed_number_can_come_back(base: Path, models: Path, tmp_path: Path) -> None:
    publish(models / "half" / "1", base, 1)
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{base}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    flags = (f"--model_config_file={config}", "--max_num_load_retries=0")
    with start_model_server(*flags) as server, StateWatch(server, "half") as watch:
        (base / "2").mkdir()
        watch.wait_for({2: NO_MODEL.format(path=base / "2"), 1: AVAILABLE})
        (base / "2").rmdir()
        time.sleep(1.5)
        publish(models / "half" / "2", base, 2)
        watch.wait_for({2: AVAILABLE, 1: AVAILABLE})


def test_f5_a_version_without_variables_takes_over(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    with start(base) as server:
        bare = base / ".2"
        shutil.copytree(models / "half" / "2", bare)
        for path in (bare, bare / "variables"):
            path.chmod(0o755)
        shutil.rmtree(bare / "variables")
        bare.rename(base / "2")
        server.wait_for("half", 2)
        status, text = server.predict("half", [1])
    assert status == 400
    # Both variables are missing; which one is missed first is a race.
    assert "Could not find variable Variable" in text
    assert "This could mean that the variable has been deleted." in text
    assert "ReadVariableOp}}]]" in text  # of one variable it is mul/ReadVariableOp, of the other ReadVariableOp


def test_g_retries_hold_up_every_load_without_load_threads(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    failed = NO_MODEL.format(path=base / "2")
    retries = ("--max_num_load_retries=3", "--load_retry_interval_micros=1000000")
    with start(base, *retries) as server, StateWatch(server, "half") as watch:
        (base / "2").mkdir()
        watch.wait_for({2: "LOADING", 1: AVAILABLE})
        publish(models / "half" / "2", base, 3)
        begin = time.monotonic()
        watch.wait_for({3: AVAILABLE, 2: failed, 1: END})
        assert time.monotonic() - begin > 2.0
        assert {3: "START", 2: failed, 1: AVAILABLE} in watch.snapshots


def test_g2_removing_a_version_does_not_end_its_retries(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    retries = ("--max_num_load_retries=2", "--load_retry_interval_micros=1500000")
    with start(base, *retries) as server, StateWatch(server, "half") as watch:
        (base / "2").mkdir()
        watch.wait_for({2: "LOADING", 1: AVAILABLE})
        (base / "2").rmdir()
        begin = time.monotonic()
        watch.wait_for({2: NO_MODEL.format(path=base / "2"), 1: AVAILABLE})
        assert time.monotonic() - begin > 1.5


def test_g3_a_copy_finished_between_retries_is_loaded(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    with start(base, "--load_retry_interval_micros=1000000") as server, StateWatch(server, "half") as watch:
        (base / "2").mkdir()
        watch.wait_for({2: "LOADING", 1: AVAILABLE})
        shutil.copytree(models / "half" / "2", base / "2", dirs_exist_ok=True)
        watch.wait_for({2: AVAILABLE, 1: END})


def test_g4_with_load_threads_a_newer_version_ends_the_retries(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, 1)
    failed = NO_MODEL.format(path=base / "2")
    with start(base, "--num_load_threads=2") as server, StateWatch(server, "half") as watch:
        (base / "2").mkdir()
        watch.wait_for({2: "LOADING", 1: AVAILABLE})
        publish(models / "half" / "2", base, 3)
        watch.wait_for({3: AVAILABLE, 2: failed, 1: END}, timeout_s=5)
    assert watch.seen(2)[-1] == END
    assert follows_the_life_cycle(watch.seen(3))


def test_h_directory_names(base: Path, models: Path, tmp_path: Path) -> None:
    names = [" 3", "+5", "-6", ".14", "0", "002", "0x7", "1", "12.0", "13.tmp", "1_5", "1e1", "20", "4 ", "9" * 20]
    for name in names:
        publish(models / "half" / "1", base, name)
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{base}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    everything = dict.fromkeys((20, 5, 4, 3, 2, 1, 0, -6), AVAILABLE)
    with start_model_server(f"--model_config_file={config}") as server, StateWatch(server, "half") as watch:
        watch.wait_for(everything)
    assert watch.snapshots[0][20] == AVAILABLE


def test_h_of_two_names_with_one_number_the_last_counts(base: Path, models: Path) -> None:
    publish(models / "half" / "1", base, "007")
    publish(models / "half" / "2", base, "7")
    with start(base) as server:
        assert value(server.predict("half", [1])[1]) == 3.5
        assert "Duplicate version directories detected. Version 7 will be loaded from 7, 007 will be ignored." in (
            server.log()
        )
        publish(models / "half" / "1", base, 2**63 - 1)
        server.wait_for("half", 2**63 - 1)
