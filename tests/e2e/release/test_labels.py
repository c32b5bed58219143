"""The model config file way, against the embedded server's own reading, policies and labels."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tendies_ops.errors import LockHeldError, ReleaseError, UsageError
from tendies_ops.publish import publish_version
from tendies_ops.publish.leases import hold_lease
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.release import release_model, rollback_model
from tendies_ops.release.swap.model_config import file, read_entry
from tendies_ops.server.versions.model_config import read_model_config
from tendies_ops.spec import ReleaseSpec
from tendies_ops.spec.release_spec import GateSpec, SwapLimits
from tests.support.broken import KINDS
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.independent_checker import available_versions, predict
from tests.support.model_server import RunningServer
from tests.support.shift_server import start_shift_server
from tests.support.steady_load import SteadyLoad

CONFIG = """\
model_config_list {{
  # Ada's; it is not to be touched.
  config {{ name: "other" base_path: "{other}" model_platform: "tensorflow" version_labels {{ key: "ada" value: 1 }} }}
  config {{
    name: "stripes"
    base_path: "{base}"
    model_platform: "tensorflow"
  }}
}}
"""
STABLE = f"{MODEL_NAME}/labels/stable"


@pytest.fixture
def config_file(tmp_path: Path, base: Path) -> Path:
    other = tmp_path / "other"
    make_candidate(other / "1", by=77, model_name="other")
    path = tmp_path / "config" / "models.config"
    path.parent.mkdir()
    path.write_text(CONFIG.format(base=base, other=other))
    return path


@pytest.fixture
def options(config_file: Path) -> ReleaseSpec:
    return ReleaseSpec(
        available_timeout_s=40, restore_timeout_s=40, unreachable_grace_s=5, model_config_file=config_file
    )


@pytest.fixture
def labelled(config_file: Path) -> Iterator[RunningServer]:
    flags = ("--max_num_load_retries=0", "--num_load_threads=2", "--allow_version_labels_for_unavailable_models")
    with start_shift_server(
        None, f"--model_config_file={config_file}", "--model_config_file_poll_wait_seconds=0.1", *flags
    ) as server:
        yield server


def entry(config_file: Path) -> tuple[tuple[int, ...], dict[str, int]]:
    found = read_entry(config_file.read_text(), MODEL_NAME)
    return found.versions, dict(found.labels)


def test_stable_moves_when_the_candidate_has_proved_itself_and_the_one_before_stays_loaded(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [labelled.url], options=options)
    assert entry(config_file) == ((1,), {"stable": 1})
    steps: list[str] = []

    with SteadyLoad(labelled.url, STABLE, picture(5)) as load:
        release_model(
            make_candidate(tmp_path / "b", by=20), base, [labelled.url], options=options, on_step=steps.append
        )

    assert entry(config_file) == ((1, 2), {"stable": 2})
    assert available_versions(labelled.url) == [2, 1]
    assert predict(labelled.url, picture(6), STABLE) == shift(picture(6), 20)
    assert load.failures == []
    assert set(load.pictures) == {shift(picture(5), 10), shift(picture(5), 20)}
    assert "Version 2 answers under the label canary" in steps
    configured = read_model_config(str(config_file))
    assert configured is not None
    assert configured["other"].labels == {"ada": 1}
    assert "# Ada's; it is not to be touched." in config_file.read_text()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind, marks=[] if kind in {"wrong_pixels", "no_variables", "truncated_variables"} else pytest.mark.slow
        )
        for kind in sorted(set(KINDS) - {"crashes_the_loader"})
    ],
)
def test_a_broken_candidate_is_never_seen_by_those_who_ask_for_stable(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer, kind: str
) -> None:
    release_model(make_candidate(tmp_path / "good", by=10), base, [labelled.url], options=options)
    quick = options.model_copy(update={"available_timeout_s": 1.0})

    with SteadyLoad(labelled.url, STABLE, picture(5)) as load:
        with pytest.raises(ReleaseError, match=r"Version 2 of stripes was not released.*Version 1 serves on"):
            release_model(KINDS[kind](tmp_path / kind), base, [labelled.url], options=quick)
        truth = predict(labelled.url, picture(6), STABLE)

    assert truth == shift(picture(6), 10)
    assert load.failures == []
    assert set(load.pictures) == {shift(picture(5), 10)}
    assert entry(config_file) == ((1,), {"stable": 1})
    assert not (base / "2").exists()


def test_rollback_moves_the_label_back_without_a_reload(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer
) -> None:
    for number in (1, 2):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [labelled.url], options=options)
    loads_before = labelled.log().count("version 1: AVAILABLE")

    with SteadyLoad(labelled.url, STABLE, picture(5)) as load:
        report = rollback_model(base, [labelled.url], options=options, reason="seams")

    assert (report.state, report.version) == ("rolled_back", 1)
    assert entry(config_file) == ((1,), {"stable": 1})
    assert labelled.log().count("version 1: AVAILABLE") == loads_before
    assert load.failures == []
    assert predict(labelled.url, picture(6), STABLE) == shift(picture(6), 10)
    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["1", "2.withdrawn-rolled-back"]


def test_a_rollback_that_forgets_the_labels_is_refused_and_changes_nothing(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer
) -> None:
    for number in (1, 2):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [labelled.url], options=options)

    with pytest.raises(UsageError, match=rf"released by the labels in {config_file}.*--model-config-file"):
        rollback_model(base, [labelled.url], options=options.model_copy(update={"model_config_file": None}))
    assert predict(labelled.url, picture(6), STABLE) == shift(picture(6), 20)

    config_file.write_text(CONFIG.format(base=base, other=tmp_path / "other"))  # back to the directory way
    report = rollback_model(base, [labelled.url], options=options.model_copy(update={"model_config_file": None}))
    assert report.version == 1


def test_a_version_that_a_run_is_using_stays_loaded_too(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer
) -> None:
    for number in (1, 2):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [labelled.url], options=options)

    with hold_lease(base, 1, holder="run of last night"):
        report = release_model(make_candidate(tmp_path / "3", by=30), base, [labelled.url], options=options)

    assert entry(config_file) == ((1, 2, 3), {"stable": 3})
    assert available_versions(labelled.url) == [3, 2, 1]
    assert any("run of last night" in note and "stays loaded next to" in note for note in report.notes)


def test_what_was_published_without_a_release_is_held_against_the_stable_version_before_the_label_moves(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [labelled.url], options=options)
    candidate = make_candidate(tmp_path / "b", by=20)
    publish_version(candidate, base)
    gated = options.model_copy(update={"gate": GateSpec(max_change=5.0)})

    with pytest.raises(ReleaseError, match=r"The gate is closed.*Nothing was changed"):
        release_model(candidate, base, [labelled.url], options=gated)
    assert entry(config_file) == ((1,), {"stable": 1})

    report = release_model(candidate, base, [labelled.url], options=options)
    assert (report.version, report.state, report.gate["live_version"]) == (2, "released", 1)


def test_a_release_that_was_passed_over_leaves_the_labels_to_the_other(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [labelled.url], options=options)

    def be_passed_over(words: str) -> None:
        if "golden images came back" in words:
            with lock_base_path(base, purpose="the other host", stale_after_s=0.0):
                pass
            release_model(make_candidate(tmp_path / "c", by=30), base, [labelled.url], options=options)

    with pytest.raises(LockHeldError):
        release_model(
            make_candidate(tmp_path / "b", by=20), base, [labelled.url], options=options, on_step=be_passed_over
        )

    assert entry(config_file) == ((2, 3), {"stable": 3})


def test_a_model_config_file_that_stays_locked_takes_the_candidate_back(
    tmp_path: Path,
    base: Path,
    config_file: Path,
    options: ReleaseSpec,
    labelled: RunningServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [labelled.url], options=options)
    monkeypatch.setattr(file, "_LOCK_TIMEOUT_S", 0.5)

    with ExitStack() as other:

        def lock_it(words: str) -> None:
            if words.startswith("Published"):
                other.enter_context(lock_base_path(config_file.parent, purpose="another model's release"))

        with pytest.raises(ReleaseError, match=r"another model's release.*It is in .*2\.withdrawn-"):
            release_model(make_candidate(tmp_path / "b", by=20), base, [labelled.url], options=options, on_step=lock_it)

    assert predict(labelled.url, picture(6), STABLE) == shift(picture(6), 10)
    assert not (base / "2").exists()


@pytest.mark.parametrize(
    "phase",
    ["available", pytest.param("loading", marks=pytest.mark.slow), pytest.param("proved", marks=pytest.mark.slow)],
)
def test_a_release_that_was_killed_is_finished_or_undone(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer, phase: str
) -> None:
    release_model(make_candidate(tmp_path / "1", by=10), base, [labelled.url], options=options)
    script = (
        "import os, sys; from pathlib import Path; from tendies_ops.spec import ReleaseSpec; "
        "import tendies_ops.release.record.journal as j; from tendies_ops.release import release_model\n"
        "write = j.write_journal\n"
        "def killed(base, journal):\n"
        "    write(base, journal)\n"
        "    journal.phase == sys.argv[5] and os.kill(os.getpid(), 9)\n"
        "j.write_journal = killed\n"
        "release_model(Path(sys.argv[1]), Path(sys.argv[2]), [sys.argv[3]], "
        "options=ReleaseSpec(model_config_file=Path(sys.argv[4])))"
    )
    second = make_candidate(tmp_path / "2", by=20)
    arguments = [str(second), str(base), labelled.url, str(config_file), phase]
    assert subprocess.run([sys.executable, "-c", script, *arguments], check=False).returncode == -9

    report = release_model(make_candidate(tmp_path / "3", by=30), base, [labelled.url], options=options)

    assert report.version == 3
    assert report.previous_version == {"loading": 1, "available": 2, "proved": 2}[phase]
    assert entry(config_file)[1] == {"stable": 3}
    assert predict(labelled.url, picture(6), STABLE) == shift(picture(6), 30)


def test_what_takes_the_server_down_is_taken_out_of_the_file_and_the_server_comes_back(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec
) -> None:
    flags = ("--max_num_load_retries=0", "--num_load_threads=2", "--allow_version_labels_for_unavailable_models")
    config = (f"--model_config_file={config_file}", "--model_config_file_poll_wait_seconds=0.1")
    with start_shift_server(None, *config, *flags, restarting=True) as server:
        release_model(make_candidate(tmp_path / "good", by=10), base, [server.url], options=options)
        wary = options.model_copy(update={"unreachable_grace_s": 0.3, "restore_timeout_s": 20})

        with pytest.raises(ReleaseError, match=r"Version 2 of stripes was not released"):
            release_model(KINDS["crashes_the_loader"](tmp_path / "bad"), base, [server.url], options=wary)

        server.wait_for(MODEL_NAME, 1)
        assert predict(server.url, picture(6), STABLE) == shift(picture(6), 10)
    assert entry(config_file) == ((1,), {"stable": 1})


def test_with_the_default_flags_a_broken_candidate_blocks_the_next_one_and_both_end_red(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec
) -> None:
    flags = ("--max_num_load_retries=5", "--load_retry_interval_micros=1500000", "--num_load_threads=0")
    labels = (
        "--allow_version_labels_for_unavailable_models"  # without it, a server with a label in its file never starts
    )
    config = (f"--model_config_file={config_file}", "--model_config_file_poll_wait_seconds=0.1", labels)
    quick = options.model_copy(update={"available_timeout_s": 2.0})
    with start_shift_server(None, *config, *flags) as server:
        release_model(make_candidate(tmp_path / "good", by=10), base, [server.url], options=options)
        with SteadyLoad(server.url, STABLE, picture(5)) as load:
            with pytest.raises(ReleaseError, match=r"after 2 s: LOADING.*Version 1 serves"):
                release_model(KINDS["unknown_op"](tmp_path / "bad"), base, [server.url], options=quick)
            with pytest.raises(ReleaseError, match=r"still loading version 2.*Version 1 serves"):
                release_model(make_candidate(tmp_path / "next", by=20), base, [server.url], options=quick)

    assert load.failures == []
    assert set(load.pictures) == {shift(picture(5), 10)}
    assert entry(config_file) == ((1,), {"stable": 1})


def test_a_version_that_was_kept_ready_next_to_stable_serves_after_a_release_that_failed(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer
) -> None:
    for number in (1, 2):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [labelled.url], options=options)
    assert available_versions(labelled.url) == [2, 1]

    with pytest.raises(ReleaseError, match=r"Version 3 of stripes was not released"):
        release_model(make_candidate(tmp_path / "3", by=30, promised_by=77), base, [labelled.url], options=options)

    assert entry(config_file) == ((1, 2), {"stable": 2})
    assert available_versions(labelled.url) == [2, 1]


def test_a_version_that_a_label_serves_already_is_left_with_its_labels_when_its_release_fails(
    tmp_path: Path, base: Path, config_file: Path, options: ReleaseSpec, labelled: RunningServer
) -> None:
    release_model(make_candidate(tmp_path / "1", by=10), base, [labelled.url], options=options)
    candidate = make_candidate(tmp_path / "2", by=20)
    publish_version(candidate, base)
    file.ModelConfigFile(config_file, MODEL_NAME).write(versions=[1, 2], labels={"stable": 1, "ada": 2})
    labelled.wait_for(MODEL_NAME, 2)
    strict = options.model_copy(update={"limits": SwapLimits(max_seconds_to_available=1e-9)})

    with pytest.raises(ReleaseError, match=r"Version 2, which was there before .*The labels are as they were"):
        release_model(candidate, base, [labelled.url], options=strict)

    assert entry(config_file) == ((1, 2), {"stable": 1, "ada": 2})
    assert available_versions(labelled.url) == [2, 1]
